# SPDX-License-Identifier: Apache-2.0
# What dockprof costs, beside what else there is. Figures: build/bench/*.json; a missed goal fails.
#
# BENCH_SECONDS=20 and STORM_CONTAINERS=50 make it short; BENCH_OPTIONS=--no-fail only shows.

BENCH_PYTHON ?= python3
BENCH_RUN = DOCKPROF=$(abspath $(BUILD)/dockprof) $(BENCH_PYTHON) tests/bench
BENCH_ARCH = $(shell dpkg --print-architecture 2>/dev/null)

# perf and bcc to compare with (bcc compiles with some kernel's headers), and the runtimes of the
# load where the machine has none.
DEPS_BENCH = python3 linux-perf bpfcc-tools linux-headers-$(BENCH_ARCH) \
	$(if $(shell command -v node),,nodejs) $(if $(shell command -v go),,golang-go) \
	$(if $(shell command -v javac),,default-jdk-headless)

.PHONY: bench bench-storm deps-bench
deps-bench: deps
	$(Q)mk/install-packages --try 'the benches' $(DEPS_BENCH) $(DEPS_DOCKER)

bench: deps-bench $(BUILD)/dockprof ## costs beside those of perf and bcc
	$(Q)$(BENCH_RUN)/bench.py $(BENCH_OPTIONS)

bench-storm: deps-bench $(BUILD)/dockprof ## two storms of 500 containers against a running agent
	$(Q)$(BENCH_RUN)/storm.py $(BENCH_OPTIONS)
