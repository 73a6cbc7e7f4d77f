// SPDX-License-Identifier: Apache-2.0
/* The unwinder's tables as BPF sees them: maps in the kernel, mapped here. */
#ifndef PROFILER_UNWIND_MEMORY_H
#define PROFILER_UNWIND_MEMORY_H

#include "unwind/unwinder.h"

struct profile_bpf;

struct unwind_memory {
	struct profile_bpf *skel; /* not owned */
	const struct cpu_values *cpus; /* not owned */
	struct unwind_rule *rules;
	struct unwind_binary *binaries;
	void *chunks[SLAB_CHUNKS_MAX];
	uint32_t serial; /* of the mappings told last */
	uint32_t generation; /* of what the kernel is told of processes */
	uint32_t marks_generation; /* of what pages are marked as used */
	const uint32_t *interval; /* the current one's number; not owned */
};

/* Maps what is there from the start. 0 or -errno; release it in either case. */
int unwind_memory_init(struct unwind_memory *m, struct profile_bpf *skel,
	const struct cpu_values *cpus, const uint32_t *interval);
void unwind_memory_release(struct unwind_memory *m);

/* After what the kernel knows about a process has changed: what it keeps of it elsewhere is out of date. */
void unwind_memory_changed(struct unwind_memory *m);

/* A store for unwinder_new(), with ctx `m`; reopen is left to the caller. */
struct unwind_store unwind_memory_store(struct unwind_memory *m);

#endif
