// SPDX-License-Identifier: Apache-2.0
/* Ending an interval in the kernel: the flip of epochs, and what the old one counted. */
#ifndef PROFILER_INTERVAL_H
#define PROFILER_INTERVAL_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/profile.h"

struct cpu_values;
struct profile_bpf;

/* Makes `epoch` the current one; on return no program uses the other. 0 or -errno. */
int interval_flip(struct profile_bpf *skel, const struct cpu_values *cpus, uint32_t epoch);

/* Waits until every program that runs has ended. 0 or -errno. */
int interval_quiesce(struct profile_bpf *skel);

/*
 * Takes the counts of a finished epoch out of the kernel. The result holds *ret_count elements and is
 * freed by the caller. 0 or -errno.
 */
struct stack_ticks {
	struct stack_key key;
	uint64_t ticks;
};
int interval_take_counts(struct profile_bpf *skel, uint32_t epoch, struct stack_ticks **ret,
	size_t *ret_count);
/* The same for the tallies; returns their sum. */
struct tally interval_take_tally(const struct cpu_values *cpus, uint32_t epoch);

#endif
