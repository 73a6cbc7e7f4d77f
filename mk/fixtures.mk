# SPDX-License-Identifier: Apache-2.0
# One small program linked in every way that changes how its addresses and names are found.

FIXTURES := pie nopie static static-pie together huge-pages no-build-id exporting ibt-plt stripped forged other
comma := ,
FIXTURE_DIR := $(BUILD)/tests/fixtures

FIXTURE_pie := -pie -fPIE
FIXTURE_nopie := -no-pie -fno-pie
FIXTURE_static := -static -fno-pie
FIXTURE_static-pie := -static-pie -fPIE
FIXTURE_together := -pie -fPIE -Wl,-z,noseparate-code
FIXTURE_huge-pages := -pie -fPIE -Wl,-z,max-page-size=0x200000
FIXTURE_no-build-id := -pie -fPIE -Wl,--build-id=none
FIXTURE_exporting := -pie -fPIE -rdynamic
# arm64 has no such flag, and no such tables.
FIXTURE_ibt-plt := -pie -fPIE $(if $(filter x86,$(ARCH)),-Wl$(comma)-z$(comma)ibtplt)
FIXTURE_stripped := -pie -fPIE -rdynamic -s
# The same code with other names: only the strings differ, and both claim one build id.
FIXTURE_forged := -pie -fPIE -Wl,--build-id=0x0123456789abcdef0123456789abcdef01234567 \
	-Dfixture_exported=forgery_exported -Dfixture_local=forgery_local
FIXTURE_other := -pie -fPIE -Wl,--build-id=0x0123456789abcdef0123456789abcdef01234567

# A library that looks like a CPython, with its symbol table and without. gcc: clang does not split functions.
$(FIXTURE_DIR)/embedder $(FIXTURE_DIR)/embedder-stripped: tests/fixtures/embedder.c mk/fixtures.mk
	$(call say,CC)
	$(Q)mkdir -p $(@D)
	$(Q)gcc -std=gnu17 -O2 -fPIC -shared -fno-jump-tables -freorder-blocks-and-partition $(if $(filter %-stripped,$@),-s) -o $@ $<

$(BUILD)/tests/test_python_binary: | $(FIXTURE_DIR)/embedder $(FIXTURE_DIR)/embedder-stripped

$(FIXTURE_DIR)/%: tests/fixtures/functions.c mk/fixtures.mk
	$(call say,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -O1 -Wall -Wextra -Werror $(FIXTURE_$*) -o $@ $<

$(BUILD)/tests/test_fixtures $(BUILD)/tests/test_debug_files $(BUILD)/tests/test_plt $(BUILD)/tests/test_cmd_symbolize $(BUILD)/tests/test_process_history: | $(addprefix $(FIXTURE_DIR)/,$(FIXTURES))
