// SPDX-License-Identifier: Apache-2.0
/* The text of /proc/kallsyms: "ffffffff81000000 T _stext" or "... t name\t[module]". */
#ifndef PROC_KALLSYMS_H
#define PROC_KALLSYMS_H

#include <stdint.h>

#include "base/macros.h"

/* Distribution kernels have 120,000 to 250,000 lines. */
#define KALLSYMS_MAX_LINES (2u << 20)

struct kallsyms_entry {
	uint64_t address;
	char type; /* as nm(1) has it: t, T, w, W are code */
	const char *name; /* not empty */
	const char *module; /* "xfs", "bpf", "__builtin__ftrace"; "" for the kernel itself */
};

/* Parses one line, changing it in place. 0 or -EINVAL. */
int kallsyms_parse_line(char *line, struct kallsyms_entry *ret) MUST_CHECK;

/* Calls fn for each symbol. proc_fd: an open /proc. 0 or -errno. */
int kallsyms_read(int proc_fd, void (*fn)(void *ctx, const struct kallsyms_entry *entry),
	void *ctx) MUST_CHECK;

#endif
