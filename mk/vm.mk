# SPDX-License-Identifier: Apache-2.0
# The sampler on other kernels, in emulated machines: the oldest we promise and those of Debian's
# releases. Minutes, not seconds, so no part of `make check`. Needs qemu-system-x86 and a Debian mirror.

KERNELS ?= 5.10 6.1 6.12
VM_TESTS := $(addprefix $(BUILD)/tests/,test_profiler test_profiler_cgroups test_profiler_stacks)

.PHONY: check-kernels
check-kernels: $(VM_TESTS) ## the sampler's tests on other kernels, in qemu; KERNELS='5.10 6.1'
	$(Q)mkdir -p .cache/kernels
	$(Q)for k in $(KERNELS); do tests/vm/fetch-kernel $$k .cache/kernels && \
		tests/vm/run-kernel .cache/kernels/vmlinuz-$$k $(VM_TESTS) || failed="$$failed $$k"; done; \
		[ -z "$$failed" ] || { echo "failed on:$$failed"; exit 1; }
