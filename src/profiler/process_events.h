// SPDX-License-Identifier: Apache-2.0
/*
 * The life of all processes of the machine, from perf's side-band records: fork, exec, mapping of code,
 * exit, in the order in which it happened. Costs nothing while nothing happens; a storm of 1,000
 * processes a second is read in batches.
 */
#ifndef PROFILER_PROCESS_EVENTS_H
#define PROFILER_PROCESS_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "loop/loop.h"
#include "proc/maps.h"

struct process_events;

/*
 * Times are CLOCK_BOOTTIME in nanoseconds, of the initial time namespace, as process_id.start_ns is; pids as the
 * profiler's process sees them. A pid alone names nobody for long: see symbols/process_history.h. No
 * callback may free the events or have them drained.
 */
struct process_events_ops {
	/* A process, which is a copy of its parent yet. at_ns is shortly after its start_ns. */
	void (*forked)(void *ctx, uint32_t pid, uint32_t parent, uint64_t at_ns);
	/* Its mappings are gone; those of the new image follow. comm is valid during the call. */
	void (*execed)(void *ctx, uint32_t pid, const char *comm, uint64_t at_ns);
	/* Executable memory came or changed (mmap, mprotect; munmap is not told). entry is valid
	 * during the call; generation is the inode's, 0 where the file system tells none. */
	void (*mapped)(void *ctx, uint32_t pid, const struct map_entry *entry, uint64_t generation,
		uint64_t at_ns);
	/* A thread ended; tid == pid: the leader, which other threads may outlive. */
	void (*exited)(void *ctx, uint32_t pid, uint32_t tid, uint64_t at_ns);
	/* So many records at least are missing, none of them from before since_ns: what is known of
	 * processes that were alive then must be read again from /proc. */
	void (*lost)(void *ctx, uint64_t count, uint64_t since_ns);
};

struct process_events_stats {
	uint64_t records, lost, damaged;
	size_t wanted_bytes, ring_bytes; /* of a CPU's ring; the smallest that could be had */
};

/*
 * Opens one dummy event with a ring per online CPU and reads it from the loop. `ops` is kept. 0 or -errno;
 * -EPERM and -EACCES mean that the machine forbids it. A profiler can live without.
 */
int process_events_new(struct loop *loop, const char *proc, const char *sys,
	const struct process_events_ops *ops, void *ctx, struct process_events **ret,
	struct error *err);
void process_events_free(struct process_events *e);

/* Delivers everything that happened before this call. Some microseconds where nothing did. */
void process_events_drain(struct process_events *e);
/* Once a round, as ticker_follow(). */
int process_events_follow(struct process_events *e, struct error *err);

const struct process_events_stats *process_events_stats(const struct process_events *e);
/* Whether rings are smaller than they should be, and why in words. */
bool process_events_cramped(const struct process_events *e, struct error *ret);

#endif
