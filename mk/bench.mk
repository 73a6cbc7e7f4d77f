# SPDX-License-Identifier: Apache-2.0
# What dockprof costs, beside what else there is. Figures: build/bench/*.json; a missed goal fails.
#
# BENCH_SECONDS=20, SCALE_SECONDS=15, LIFE_SECONDS=20 and STORM_CONTAINERS=50 make it short;
# BENCH_OPTIONS=--no-fail only shows. PEER='command line' is another profiler to be measured beside (bench, bench-python).

BENCH_PYTHON ?= python3
BENCH_RUN = DOCKPROF=$(abspath $(BUILD)/dockprof) $(BENCH_PYTHON) tests/bench
BENCH_ARCH = $(shell dpkg --print-architecture 2>/dev/null)

# perf and bcc to compare with (bcc compiles with some kernel's headers), and the runtimes of the
# load where the machine has none.
DEPS_BENCH = python3 protobuf-c-compiler libprotobuf-c-dev linux-perf bpfcc-tools linux-headers-$(BENCH_ARCH) \
	$(if $(shell command -v node),,nodejs) $(if $(shell command -v go),,golang-go) \
	$(if $(shell command -v javac),,default-jdk-headless) \
	$(if $(shell command -v rustc),,rustc) g++ musl-tools redis-server redis-tools

.PHONY: bench bench-python bench-stacks bench-storm bench-scale bench-life deps-bench
deps-bench: deps
	$(Q)mk/install-packages --try 'the benches' $(DEPS_BENCH) $(DEPS_DOCKER)

bench: deps-bench $(BUILD)/dockprof ## costs beside those of perf, bcc and PEER
	$(Q)$(BENCH_RUN)/bench.py $(BENCH_OPTIONS)

# What Debian's redis is built with, for its debug file: only its archive of debug packages has that, and not every mirror that.
DEPS_DEBUG_FILES = dpkg-dev debhelper libhiredis-dev libjemalloc-dev liblua5.1-dev liblzf-dev libssl-dev \
	libsystemd-dev lua-bitop-dev lua-cjson-dev pkg-config binutils libc6-dbg

.PHONY: debug-files
debug-files: deps-bench ## debug files of stripped programs of the benches, built from Debian's source
	$(Q)mk/install-packages --try 'debug files' $(DEPS_DEBUG_FILES)
	$(Q)tests/lib/build-debug-files redis redis-tools .cache/debug || echo "debug-files: none of redis"

bench-stacks: deps-bench debug-files $(BUILD)/dockprof ## complete stacks and names, of thirteen kinds of programs, beside perf's
	$(Q)$(BENCH_RUN)/stacks.py $(BENCH_OPTIONS)

# From PyPI; without it the bench does without.
PY_SPY := $(BUILD)/bench/py-spy/bin/py-spy

$(PY_SPY):
	$(Q)$(BENCH_PYTHON) -m pip install -q --root-user-action=ignore --target $(BUILD)/bench/py-spy py-spy || echo "no py-spy"

bench-python: deps-bench $(BUILD)/dockprof $(PY_SPY) ## what Python's frames cost, beside py-spy, perf and PEER
	$(Q)PY_SPY=$(abspath $(PY_SPY)) $(BENCH_RUN)/python_cost.py $(BENCH_OPTIONS)

bench-storm: deps-bench $(BUILD)/dockprof ## two storms of 500 containers against a running agent
	$(Q)$(BENCH_RUN)/storm.py $(BENCH_OPTIONS)

FIRST_PAGE := $(BUILD)/bench/first_page

$(FIRST_PAGE): tests/bench/first_page.c $(LIBRARY)
	$(call say,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(LIBRARY) $(LIBS)

bench-scale: deps-bench $(BUILD)/dockprof $(FIRST_PAGE) ## costs with 100 containers, 8,000 mappings, a program of 300 MB, 5,000 processes
	$(Q)FIRST_PAGE=$(abspath $(FIRST_PAGE)) $(BENCH_RUN)/scale.py $(BENCH_OPTIONS)

bench-life: deps-bench $(BUILD)/dockprof ## stacks of programs that live for 200 ms, and 1,000 a second
	$(Q)$(BENCH_RUN)/life.py $(BENCH_OPTIONS)

ENCODE_BENCH := $(BUILD)/bench/encode

# The generated code is none of ours: our warnings are off for it.
$(ENCODE_BENCH): tests/bench/push/encode.c tests/bench/push/profile.proto $(LIBRARY)
	$(call say,CC)
	$(Q)mkdir -p $(@D)
	$(Q)protoc-c --proto_path=tests/bench/push --c_out=$(@D) profile.proto
	$(Q)$(CC) -O2 -g -w -c -o $(@D)/profile.pb-c.o $(@D)/profile.pb-c.c
	$(Q)$(CC) $(ALL_CFLAGS) -isystem $(@D) $(ALL_LDFLAGS) -o $@ $< $(@D)/profile.pb-c.o $(LIBRARY) $(LIBS) -lprotobuf-c

.PHONY: bench-push
bench-push: deps-bench ## what delivery costs; the encoder beside a generated one
	$(Q)$(MAKE) --no-print-directory $(ENCODE_BENCH) $(BUILD)/tests/feeder
	$(Q)FEEDER=$(abspath $(BUILD)/tests/feeder) $(BENCH_PYTHON) tests/bench/push/push.py $(ENCODE_BENCH)
