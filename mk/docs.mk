# SPDX-License-Identifier: Apache-2.0
# Manual pages: docs/*.md is the one source; what each key means stands in the program's own tables.

MAN_PAGES := $(BUILD)/man/dockprof.1 $(BUILD)/man/dockprof.yml.5
# Of the last commit, so that the same source makes the same page.
MAN_DATE := $(or $(shell git log -1 --format=%cs 2>/dev/null),$(shell date -u +%F))

.PHONY: man docs
man: $(MAN_PAGES) ## manual pages, in build/man

$(BUILD)/man/%: docs/%.md docs/md2man
	$(call say,MAN)
	$(Q)mkdir -p $(@D)
	$(Q)awk -v version=$(VERSION) -v date=$(MAN_DATE) -f docs/md2man $< > $@

docs: $(BUILD)/dockprof ## bring docs/dockprof.yml.5.md up to date with the program's tables
	$(Q)$(BUILD)/dockprof check --reference > $(BUILD)/reference.md
	$(Q)awk -v reference=$(BUILD)/reference.md -f docs/replace-reference docs/dockprof.yml.5.md > \
		$(BUILD)/dockprof.yml.5.md
	$(Q)cp $(BUILD)/dockprof.yml.5.md docs/dockprof.yml.5.md
