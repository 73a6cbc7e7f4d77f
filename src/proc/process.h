// SPDX-License-Identifier: Apache-2.0
/*
 * Which process, for ever: a pid comes back, this triple does not. Taken in BPF from the thread group
 * leader at the tick, so that all samples of one program image carry the same one.
 */
#ifndef PROC_PROCESS_H
#define PROC_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"

struct process_id {
	uint32_t pid; /* thread group id in the initial pid namespace */
	uint32_t exec_id; /* low half of the leader's self_exec_id: changes with each exec */
	uint64_t start_ns; /* the leader's start, CLOCK_BOOTTIME (task_struct.start_boottime) */
};

static inline bool process_id_equal(const struct process_id *a, const struct process_id *b)
{
	return a->pid == b->pid && a->exec_id == b->exec_id && a->start_ns == b->start_ns;
}

static inline uint64_t process_id_hash(const struct process_id *id)
{
	return hash_combine((uint64_t)id->pid << 32 | id->exec_id, id->start_ns);
}

#endif
