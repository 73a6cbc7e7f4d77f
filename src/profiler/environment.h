// SPDX-License-Identifier: Apache-2.0
/* Why the kernel refused, in words, with the line of a compose file that helps. */
#ifndef PROFILER_ENVIRONMENT_H
#define PROFILER_ENVIRONMENT_H

#include <stdbool.h>

#include "base/error.h"

/*
 * The kernel's version from what uname(2) tells: release "6.1.55", or where that hides the stable
 * number, as in Debian's "6.1.0-13-amd64", version "#1 SMP Debian 6.1.55-1 (2023-09-29)". False where
 * the release is of another form.
 */
bool kernel_version_parse(const char *release, const char *version, unsigned ret_version[3]);

/*
 * Kernels whose bpf_probe_read_user() may dead-lock in an interrupt (5.19 to 6.3.9 unless fixed by a
 * stable release).
 */
bool kernel_probe_read_may_hang(const unsigned version[3]);

/* What can be known to fail before trying: kernel version, BTF. sys is "/sys". 0 or -errno. */
int environment_check(const char *sys, struct error *err);

/*
 * After `code` (negative errno) came from loading BPF or opening an event: an error that says which
 * permission is missing. `what` names the attempt. Returns the error's code.
 */
int environment_explain(int code, const char *what, const char *proc, struct error *err);

#endif
