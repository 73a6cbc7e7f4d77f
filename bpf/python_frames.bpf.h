// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* CPython's frame loop as it reads memory here. */
#ifndef BPF_PYTHON_FRAMES_BPF_H
#define BPF_PYTHON_FRAMES_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include "profile.h"

struct interp_memory; /* the current process's; never more than a NULL pointer */

static __always_inline int interp_read(const struct interp_memory *memory, void *to, uint32_t size,
	uint64_t from)
{
	(void)memory;
	return bpf_probe_read_user(to, size, (const void *)from) != 0;
}

#define INTERP_INLINE static __always_inline
#include "python_walk.h"

#endif
