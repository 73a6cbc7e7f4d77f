# SPDX-License-Identifier: Apache-2.0

.PHONY: demo
demo: deps-demo ## see it work on this machine: three services in containers, profiled for ten seconds
	$(Q)$(MAKE) --no-print-directory -j"$$(nproc)" all
	$(Q)$(if $(filter 0,$(shell id -u)),,sudo) python3 compose/demo/demo.py $(BUILD)/dockprof $(BUILD)/demo
