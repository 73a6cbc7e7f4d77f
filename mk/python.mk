# SPDX-License-Identifier: Apache-2.0
# CPythons that the machine has no package of: with musl, without the GIL, and in one file that PyInstaller made; those of
# Debian sid. Minutes to build, so no part of `make check`, except for the latter two: the end-to-end tests make them as well.

PYTHON_KINDS ?= musl free-threaded pyinstaller 3.14 3.15
PYTHON_TESTS := $(BUILD)/tests/test_python

.PHONY: check-pythons
check-pythons: $(PYTHON_TESTS) ## frames of CPythons built here: musl, free-threaded, PyInstaller's, Debian sid's; PYTHON_KINDS='musl'
	$(Q)mkdir -p .cache/pythons
	$(Q)for k in $(PYTHON_KINDS); do tests/lib/build-python $$k .cache/pythons || exit 1; done
	$(Q)DOCKPROF_PYTHONS="$(foreach k,$(PYTHON_KINDS),$(abspath .cache/pythons/$k/python);)" tests/lib/run-unit $(PYTHON_TESTS)
