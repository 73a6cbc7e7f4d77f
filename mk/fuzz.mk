# SPDX-License-Identifier: Apache-2.0
# Fuzzing with libFuzzer (clang). tests/fuzz/fuzz_NAME.c is a target; tests/fuzz/seeds/NAME/ and what
# the rules below put into build/fuzz/seeds/NAME/ is where it starts; what it finds on the way stays in
# build/fuzz/corpus/NAME/.

FUZZ_SECONDS ?= 60
FUZZ_BUILD := build/fuzz
FUZZ_TARGETS := $(patsubst tests/fuzz/%.c,$(FUZZ_BUILD)/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_FLAGS := address,undefined
# Leaks are the address sanitizer's; what a parser may hold is far below this.
FUZZ_OPTIONS := -rss_limit_mb=512 -timeout=10 -print_final_stats=0 -verbosity=0 -close_fd_mask=0 \
	$(if $(FUZZ_SEED),-seed=$(FUZZ_SEED))

.PHONY: fuzz fuzz-short check-fuzz fuzz-library fuzz-seeds
fuzz: fuzz-seeds ## fuzz every parser for FUZZ_SECONDS each
	$(Q)tests/lib/run-fuzz $(FUZZ_BUILD) $(FUZZ_SECONDS) $(FUZZ_TARGETS) -- $(FUZZ_OPTIONS)

# What it tries is the same each time: it shows what a change did, `fuzz` finds what nobody knew.
fuzz-short check-fuzz: ## the same, six seconds each
	$(Q)$(MAKE) --no-print-directory fuzz FUZZ_SECONDS=6 FUZZ_SEED=1

# A library of its own, with the fuzzer's instrumentation. Where clang lacks the runtime, run-fuzz says so.
fuzz-library:
	$(Q)$(MAKE) --no-print-directory CC=$(CLANG) BUILD=$(FUZZ_BUILD) \
		SAN=$(FUZZ_FLAGS),fuzzer-no-link $(FUZZ_BUILD)/libdockprof.a

FUZZER_PRESENT := $(FUZZ_BUILD)/fuzzer-present
.PHONY: $(FUZZER_PRESENT)
$(FUZZER_PRESENT):
	$(Q)mkdir -p $(@D)
	$(Q)echo 'int LLVMFuzzerTestOneInput(const void *d, long n) { (void)d; return n < 0; }' | \
		$(CLANG) -fsanitize=fuzzer,$(FUZZ_FLAGS) -x c -o $@.bin - 2>/dev/null && \
		echo yes > $@ || echo no > $@

fuzz-seeds: $(FUZZER_PRESENT)
	$(Q)if [ "$$(cat $<)" = yes ]; then \
		$(MAKE) --no-print-directory fuzz-library && \
		$(MAKE) --no-print-directory $(FUZZ_TARGETS) $(FUZZ_BUILD)/seeds/elf/done \
			$(FUZZ_BUILD)/seeds/debugdata/done $(FUZZ_BUILD)/seeds/line_table/done \
			$(FUZZ_BUILD)/seeds/eh_frame/done; \
	fi

$(FUZZ_BUILD)/fuzz_%: tests/fuzz/fuzz_%.c $(FUZZ_BUILD)/libdockprof.a
	$(call say,FUZZ)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(filter-out -D_FORTIFY_SOURCE=2,$(ALL_CFLAGS)) -Itests -fsanitize=fuzzer,$(FUZZ_FLAGS) \
		-fno-sanitize-recover=all $(ALL_LDFLAGS) -o $@ $< $(FUZZ_BUILD)/libdockprof.a $(LIBS)

# Small programs of several kinds, so that the fuzzer knows what a good file looks like.
$(FUZZ_BUILD)/seeds/elf/done: tests/fuzz/seed_elf.c
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -nostdlib -static -fcf-protection=none -Wl,-z,noseparate-code,--build-id \
		-o $(@D)/static $<
	$(Q)$(CC) -nostdlib -shared -fPIC -Wl,--build-id=0x0123456789abcdef -o $(@D)/shared $<
	$(Q)$(CC) -nostdlib -shared -fPIC -s -Wl,--build-id=none -o $(@D)/stripped $<
	$(Q)$(CC) -m32 -nostdlib -static -fno-pic -o $(@D)/elf32 $< 2>/dev/null || true
	$(Q)touch $@

# With and without .eh_frame_hdr, with .debug_frame only, without section headers.
$(FUZZ_BUILD)/seeds/eh_frame/done: tests/fuzz/seed_eh_frame.c
	$(Q)mkdir -p $(@D)
	$(Q)case $$(uname -m) in x86_64) \
		flags='-nostdlib -O2 -fno-stack-protector -Wl,-z,noseparate-code,--build-id=none -s'; \
		$(CC) $$flags -shared -fPIC -o $(@D)/table $< && \
		$(CC) $$flags -static -Wl,--no-eh-frame-hdr -o $(@D)/no-table $< && \
		$(CC) $${flags% -s} -static -g1 -gz=none -fno-asynchronous-unwind-tables -fno-unwind-tables \
			-Wa,--gdwarf-5 -o $(@D)/debug $< && \
		cp $(@D)/table $(@D)/no-sections && \
		printf '\0\0\0\0\0\0\0\0' | dd of=$(@D)/no-sections bs=1 seek=40 conv=notrunc 2>/dev/null;; \
	esac
	$(Q)touch $@

# Small programs with a link to a debug file, with .gnu_debugdata, and with a PLT.
$(FUZZ_BUILD)/seeds/debugdata/done: tests/fuzz/seed_elf.c
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -nostdlib -shared -fPIC -Wl,--build-id=0x0123456789abcdef -o $(@D)/linked $<
	$(Q)objcopy --only-keep-debug $(@D)/linked $(@D)/data
	$(Q)objcopy --strip-all --add-gnu-debuglink=$(@D)/data $(@D)/linked
	$(Q)xz -kf $(@D)/data
	$(Q)objcopy --add-section .gnu_debugdata=$(@D)/data.xz $(@D)/linked $(@D)/packed
	$(Q)echo 'int f(void); int g(void); int g(void) { return f() + 1; }' | \
		$(CC) -nostdlib -shared -fPIC -x c -o $(@D)/plt -
	$(Q)rm -f $(@D)/data.xz
	$(Q)touch $@

# Line programs of each version of DWARF.
$(FUZZ_BUILD)/seeds/line_table/done: tests/fuzz/seed_elf.c
	$(Q)mkdir -p $(@D)
	$(Q)for version in 2 4 5; do \
		$(CC) -nostdlib -shared -fPIC -gdwarf-$$version -o $(@D)/dwarf-$$version $< || exit 1; \
	done
	$(Q)touch $@
