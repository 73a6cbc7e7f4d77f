// SPDX-License-Identifier: Apache-2.0
/* The reading end of what each CPU writes its stacks into (struct stack_log, bpf/profile.h). */
#ifndef PROFILER_STACK_LOGS_H
#define PROFILER_STACK_LOGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profiler/cpu_values.h"

/*
 * Whether what a program stored before it moved the position is there for who sees the position. Elsewhere
 * all programs that ran must have ended since stack_logs_look().
 */
#if defined(__x86_64__)
#define STACK_LOGS_IN_ORDER true
#else
#define STACK_LOGS_IN_ORDER false
#endif

struct profile_bpf;

struct stack_logs {
	struct cpu_values values; /* a struct stack_log each */
	const struct cpu_values *cpus; /* not owned */
	uint64_t *until; /* by CPU number, as stack_logs_look() found it */
	void (*on_record)(struct stack_logs *logs, const void *data, size_t size);
};

/* The size of the map's values where a CPU's records take `size` bytes. */
size_t stack_logs_value_size(size_t size);

/*
 * Maps the logs. 0 or -errno; release them in either case. The data handed to on_record is valid during the call
 * and aligned to 8.
 */
int stack_logs_init(struct stack_logs *logs, const struct profile_bpf *skel,
	const struct cpu_values *cpus,
	void (*on_record)(struct stack_logs *logs, const void *data, size_t size));
/* Harmless where it was only zeroed. */
void stack_logs_release(struct stack_logs *logs);

/* Sees how far they are written; stack_logs_read() reads up to there. */
void stack_logs_look(struct stack_logs *logs);
void stack_logs_read(struct stack_logs *logs);

#endif
