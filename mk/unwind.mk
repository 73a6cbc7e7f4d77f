# SPDX-License-Identifier: Apache-2.0
# Unwind rows against libdw, the oracle of elfutils.

# Besides what this machine has: C libraries of musl, and of arm64, and programs of musl.
DEPS_UNWIND := libdw-dev musl-tools libc6-arm64-cross libstdc++6-arm64-cross
UNWIND_ROOTS ?= /usr/bin /usr/sbin /usr/lib /usr/libexec /usr/aarch64-linux-gnu

$(BUILD)/tests/test_unwind_oracle: LIBS += -ldw
$(BUILD)/tests/test_unwind_oracle: tests/lib/row_oracle.h tests/lib/frame_file.h

$(BUILD)/tests/compare_rows: tests/unwind/compare_rows.c tests/lib/row_oracle.h $(LIBRARY)
	$(call say,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -Itests $(ALL_LDFLAGS) -o $@ $< $(LIBRARY) $(LIBS) -ldw

$(BUILD)/tests/musl-static: tests/unwind/threads.c
	$(Q)mkdir -p $(@D)
	$(Q)musl-gcc -O2 -static -o $@ $<

$(BUILD)/tests/musl-dynamic: tests/unwind/threads.c
	$(Q)mkdir -p $(@D)
	$(Q)musl-gcc -O2 -o $@ $<

.PHONY: deps-unwind check-unwind-all
deps-unwind: deps-check
	$(Q)mk/install-packages --try 'the check of all unwind rows' $(DEPS_UNWIND)

check-unwind-all: deps-unwind $(BUILD)/tests/compare_rows ## unwind rows of every ELF file of this machine
	$(Q)if command -v musl-gcc >/dev/null; then \
		$(MAKE) --no-print-directory $(BUILD)/tests/musl-static $(BUILD)/tests/musl-dynamic; fi
	$(Q)find $(wildcard $(UNWIND_ROOTS)) $(wildcard $(BUILD)/tests/musl-*) -xdev -type f -size +1k \
		\( -perm /111 -o -name '*.so*' -o -name '*.node' \) | $(BUILD)/tests/compare_rows

$(BUILD)/tests/compare_code: tests/unwind/compare_code.c tests/lib/code_oracle.h $(LIBRARY)
	$(call say,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -Itests $(ALL_LDFLAGS) -o $@ $< $(LIBRARY) $(LIBS)

$(BUILD)/tests/walk_live: tests/unwind/walk_live.c tests/lib/live_walk.h $(LIBRARY)
	$(call say,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -Itests $(ALL_LDFLAGS) -o $@ $< $(LIBRARY) $(LIBS)

# Rows made from code against those of call frame information; our decoder against binutils'.
$(BUILD)/tests/test_code_rows: tests/lib/code_oracle.h
$(BUILD)/tests/test_x86_insn: tests/lib/insn_oracle.h

$(BUILD)/tests/compare_insns: tests/unwind/compare_insns.c tests/lib/insn_oracle.h $(LIBRARY)
	$(call say,CC)
	$(Q)$(CC) $(ALL_CFLAGS) -Itests $(ALL_LDFLAGS) -o $@ $< $(LIBRARY)

.PHONY: check-unwind-code check-unwind-insns
check-unwind-code: $(BUILD)/tests/compare_code ## rows from code against call frame information, all programs
	$(Q)find /usr/bin /usr/sbin /usr/lib/*-linux-gnu -type f -size -8M | sort | $(BUILD)/tests/compare_code

check-unwind-insns: $(BUILD)/tests/compare_insns ## our x86-64 decoder against objdump, all programs
	$(Q)find /usr/bin /usr/sbin -type f -size -12M | sort | \
		xargs -n 50 objdump -d -w --insn-width=15 2>/dev/null | $(BUILD)/tests/compare_insns

# Programs of a C library without unwind tables, where it is there (Debian: musl-tools).
MUSL_GCC ?= $(shell command -v musl-gcc)
MUSL_PROGRAMS := stacks-static stacks-stripped stacks-dynamic stacks-bare
MUSL_static := -static
MUSL_stripped := -static -s
MUSL_dynamic :=
MUSL_bare := -fno-asynchronous-unwind-tables -fno-unwind-tables -s

$(addprefix $(BUILD)/tests/,$(MUSL_PROGRAMS)): $(BUILD)/tests/stacks-%: tests/unwind/musl_stacks.c
	$(call say,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(MUSL_GCC) -std=gnu17 -O2 -Wall $(MUSL_$*) -o $@ $<

$(BUILD)/tests/test_unwind_musl: ALL_CFLAGS += -DTEST_PROGRAMS='"$(BUILD)/tests"'
$(BUILD)/tests/test_unwind_musl: tests/lib/live_walk.h | \
	$(if $(MUSL_GCC),$(addprefix $(BUILD)/tests/,$(MUSL_PROGRAMS)))

# What tests/unit/test_unwind_arm64.c walks; the files are kept, so this is for whoever changes the program
# (Debian: gcc-aarch64-linux-gnu qemu-user).
ARM64_DATA := tests/data/arm64/stacks

.PHONY: arm64-stacks
arm64-stacks: ## makes tests/data/arm64 anew: a program and a stack of it, under qemu
	$(Q)aarch64-linux-gnu-gcc -std=gnu17 -O2 -Wall -Itests -ffreestanding -nostdlib -static -fomit-frame-pointer \
		-mbranch-protection=pac-ret -Wl,-z,noseparate-code,-z,max-page-size=4096 -o $(ARM64_DATA) tests/unwind/arm64_stacks.c
	$(Q)qemu-aarch64 -cpu max $(ARM64_DATA) > $(ARM64_DATA).image
