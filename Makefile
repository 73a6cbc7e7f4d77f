# SPDX-License-Identifier: Apache-2.0
#
# make          build/dockprof                     make deps     install what the build needs (Debian)
# make check    everything that must be green      make demo     see it work on this machine
# make install  DESTDIR= PREFIX=                   make help     all targets
#
# V=1 shows the commands, CC=clang uses clang, SAN=address,undefined builds with sanitizers.

VERSION := 0.1.0
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSCONFDIR ?= /etc

SAN ?=
BUILD ?= build$(if $(SAN),/san)
CLANG ?= clang
BPFTOOL ?= $(or $(shell command -v bpftool),/usr/sbin/bpftool)
PKG_CONFIG ?= pkg-config
PACKAGES := libbpf libelf libcurl yajl libpcre2-8 yaml-0.1 zlib liblzma

COMMIT := $(or $(DOCKPROF_COMMIT),$(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown))

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wold-style-definition -Wpointer-arith -Wcast-qual -Wundef -Wvla \
	-Wwrite-strings -Wformat=2 -Wno-format-nonliteral
CFLAGS ?= -O2 -g
ALL_CFLAGS := -std=gnu17 -D_GNU_SOURCE $(WARNINGS) $(CFLAGS) -fno-common -fstack-protector-strong \
	$(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer,-D_FORTIFY_SOURCE=2) \
	-Isrc -I. -isystem $(BUILD)/bpf -isystem $(BUILD)/include $(shell $(PKG_CONFIG) --cflags $(PACKAGES) 2>/dev/null)
ALL_LDFLAGS := $(LDFLAGS) $(if $(SAN),-fsanitize=$(SAN)) -Wl,--as-needed -Wl,-z,relro,-z,now
# libiberty is a static library without a pkg-config file.
LIBS = $(shell $(PKG_CONFIG) --libs $(PACKAGES)) -liberty

ARCH := $(patsubst aarch64,arm64,$(patsubst x86_64,x86,$(shell uname -m)))
BPF_CFLAGS := -g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_$(ARCH) -Wall -Wextra -Werror \
	-Wno-unknown-attributes -Ibpf -I. \
	-idirafter /usr/include/$(shell uname -m)-linux-gnu

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s %s\n' $(1) $(patsubst $(BUILD)/%,%,$@))

SOURCES := $(wildcard src/*.c src/*/*.c)
BPF_OBJECTS := $(patsubst bpf/%.bpf.c,$(BUILD)/bpf/%.bpf.o,$(wildcard bpf/*.bpf.c))
SKELETONS := $(BPF_OBJECTS:.bpf.o=.skel.h)
OBJECTS := $(SOURCES:%.c=$(BUILD)/obj/%.o)
LIBRARY := $(BUILD)/libdockprof.a
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all
all: $(BUILD)/dockprof

$(BUILD)/dockprof: $(BUILD)/obj/src/main.o $(LIBRARY)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(LIBRARY): $(filter-out $(BUILD)/obj/src/main.o,$(OBJECTS))
	$(call say,AR)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# Written when it changes only: what tells the commit is compiled anew then, and nothing else.
COMMIT_H := $(BUILD)/include/commit.h
$(COMMIT_H): force
	$(Q)mkdir -p $(@D)
	$(Q)echo '#define DOCKPROF_COMMIT "$(COMMIT)"' > $@.new
	$(Q)if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
.PHONY: force
force:

$(BUILD)/obj/%.o: %.c Makefile | $(SKELETONS) $(COMMIT_H)
	$(call say,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -DDOCKPROF_VERSION='"$(VERSION)"' -MD -MP -c -o $@ $<

$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c $(wildcard bpf/*.h) Makefile
	$(call say,BPF)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c -o $@.full $<
	$(Q)$(BPFTOOL) gen object $@ $@.full

$(BUILD)/bpf/%.skel.h: $(BUILD)/bpf/%.bpf.o
	$(call say,SKEL)
	$(Q)$(BPFTOOL) gen skeleton $< name $(subst .,_,$*)_bpf > $@

$(BUILD)/tests/%: tests/unit/%.c $(LIBRARY) tests/unit/unit.h
	$(call say,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -Itests -MD -MP -MF $@.d $(ALL_LDFLAGS) -o $@ $< $(LIBRARY) $(LIBS) -lcheck -lsubunit -lm -lrt -lpthread

-include $(OBJECTS:.o=.d) $(UNIT_TESTS:=.d)
-include $(wildcard mk/*.mk)

.PHONY: unit-tests check-unit clean help
unit-tests: $(UNIT_TESTS)

# They sample the machine, or are about its clocks: nothing runs beside them.
UNIT_ALONE := $(filter $(BUILD)/tests/test_profiler%,$(UNIT_TESTS))

check-unit: $(UNIT_TESTS) ## unit tests
	$(Q)tests/lib/run-unit $(filter-out $(UNIT_ALONE),$(UNIT_TESTS)) -- $(UNIT_ALONE)

clean: ## remove what make built
	rm -rf build

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | column -t -s "$$(printf '\t')"
