# SPDX-License-Identifier: Apache-2.0
# CPythons that no package has: with musl, without the GIL, and in one file that PyInstaller made. Minutes to build, so no
# part of `make check`.

PYTHON_KINDS ?= musl free-threaded pyinstaller
PYTHON_TESTS := $(BUILD)/tests/test_python

.PHONY: check-pythons
check-pythons: $(PYTHON_TESTS) ## frames of CPythons built here: musl, free-threaded, PyInstaller's; PYTHON_KINDS='musl'
	$(Q)mkdir -p .cache/pythons
	$(Q)for k in $(PYTHON_KINDS); do tests/lib/build-python $$k .cache/pythons || exit 1; done
	$(Q)DOCKPROF_PYTHONS="$(foreach k,$(PYTHON_KINDS),$(abspath .cache/pythons/$k/python);)" tests/lib/run-unit $(PYTHON_TESTS)
