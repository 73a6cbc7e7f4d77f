// SPDX-License-Identifier: Apache-2.0
/*
 * The few of the kernel's types (BTF) that the BPF programs are fitted to. The whole is 5 MB, of which libbpf makes two copies
 * and an index: 50 ms of CPU and 11 MB for nine types.
 */
#ifndef PROFILER_KERNEL_TYPES_H
#define PROFILER_KERNEL_TYPES_H

#include <stddef.h>

#include "base/macros.h"
#include "base/strbuf.h"

/*
 * Appends to `out` BTF with the structs, unions and enums of these names, and with what they hold; where they point to is left out.
 * 0; -EINVAL where `data` is not as it is to be.
 */
int kernel_types_choose(const void *data, size_t size, const char *const *names, size_t count,
	struct strbuf *out) MUST_CHECK;

/* A file in memory with those of the running kernel's that the programs ask about; sys: "/sys". A descriptor, or -errno. */
int kernel_types_open(const char *sys) MUST_CHECK;

#endif
