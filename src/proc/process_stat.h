// SPDX-License-Identifier: Apache-2.0
/* /proc/PID/stat: what a process is called and how much CPU it has used. */
#ifndef PROC_PROCESS_STAT_H
#define PROC_PROCESS_STAT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

struct process_stat {
	uint32_t pid;
	char comm
		[64]; /* the kernel's 15 bytes, or a kernel thread's longer name; any bytes but NUL */
	char state; /* R, S, D, T, Z, ... */
	uint32_t threads;
	uint64_t cpu_ticks; /* user and system, of all its threads, in sysconf(_SC_CLK_TCK) */
};

/* text: the file. False where it is not of that form. */
bool process_stat_parse(const char *text, struct process_stat *ret);
/* proc: "/proc". 0 or -errno; -ESRCH where it is gone. */
int process_stat_read(const char *proc, uint32_t pid, struct process_stat *ret) MUST_CHECK;

#endif
