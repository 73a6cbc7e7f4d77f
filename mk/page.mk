# SPDX-License-Identifier: Apache-2.0
# The page is built with node and npm, and the built file is part of the sources: nobody needs them to
# build dockprof.

$(BUILD)/obj/src/web/page.o: src/web/page.html

.PHONY: page
page: ## build src/web/page.html from src/web/page (needs node and npm)
	$(Q)cd src/web/page && npm ci --no-audit --no-fund && npm run build
