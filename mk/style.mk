# SPDX-License-Identifier: Apache-2.0
# Formatting, style and layers: what review would otherwise have to say.

CLANG_FORMAT ?= clang-format
C_FILES := $(wildcard src/*.[ch] src/*/*.[ch] bpf/*.[ch] tests/*/*.[ch] tests/*/*/*.[ch] compose/*/*.[ch])
FORMATTED := $(filter-out bpf/vmlinux.h,$(C_FILES))

.PHONY: format check-style check-layers
format: ## rewrite the C files with clang-format
	$(Q)$(CLANG_FORMAT) -i $(FORMATTED)

check-style: ## formatting, file and function lengths, licence lines
	$(Q)CLANG_FORMAT=$(CLANG_FORMAT) tests/lib/check-style

check-layers: ## who may include whom (layers.txt), headers that stand alone
	$(Q)CC="$(CC)" CFLAGS="$(filter-out -MMD -MP,$(ALL_CFLAGS))" tests/lib/check-layers
