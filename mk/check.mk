# SPDX-License-Identifier: Apache-2.0
# make check: everything that must be green, one stage after the other, and one line that counts it.

# Each is a target of its own, runs from a clean tree, and ends with "NAME: N passed, N failed".
CHECK_STAGES = check-gcc check-clang check-style check-layers check-checks check-unit check-sanitize check-delivery \
	$(if $(wildcard mk/fuzz.mk),check-fuzz) check-install check-e2e

.PHONY: check check-gcc check-clang check-checks check-sanitize check-e2e
check: deps-check ## install what is missing, then run all checks
	$(Q)tests/lib/run-check $(CHECK_STAGES)

check-gcc: ## builds with gcc, without a warning
	$(Q)$(MAKE) --no-print-directory CC=gcc BUILD=build all unit-tests

check-clang: ## builds with clang, without a warning
	$(Q)$(MAKE) --no-print-directory CC=clang BUILD=build/clang all unit-tests

check-checks: ## the checks of style and layers find what they are for
	$(Q)tests/lib/test-checks

check-sanitize: ## unit tests with the address and undefined behaviour sanitizers
	$(Q)$(MAKE) --no-print-directory SAN=address,undefined check-unit

check-e2e: $(BUILD)/dockprof ## end to end on real Docker engines; E2E='NAME...' picks tests
	$(Q)DOCKPROF=$(abspath $(BUILD)/dockprof) tests/lib/run-e2e $(E2E)

.PHONY: check-debugdata
check-debugdata: $(BUILD)/dockprof ## names from .gnu_debugdata of real files, out of a wheel from PyPI
	$(Q)tests/lib/check-debugdata $(BUILD)/dockprof .cache/debugdata
