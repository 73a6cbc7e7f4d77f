// SPDX-License-Identifier: Apache-2.0
/* Stacks that BPF could not walk: from the ring's bytes to records like those that it could. */
#ifndef PROFILER_SNAPSHOT_H
#define PROFILER_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/profile.h"
#include "profiler/profiler.h"

/* What walking them takes. */
struct snapshot_walker {
	struct unwinder *unwinder; /* not owned */
	const struct profiler_ops *ops; /* not owned */
	void *ctx; /* of ops */
	uint64_t hash_seed[2]; /* BPF's */
	struct stack_record record; /* the last result */
};

/*
 * Walks one, after the owner was told of the process if it is new. Returns the record's size in bytes; 0
 * where the bytes are no snapshot.
 */
size_t snapshot_walk(struct snapshot_walker *w, const void *data, size_t size);

#endif
