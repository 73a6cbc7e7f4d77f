// SPDX-License-Identifier: Apache-2.0
/*
 * What processes mapped, image by image, so that one that died, or is another program by now, can still be
 * named and unwound although nobody read its /proc/PID/maps. Fed with events (profiler/process_events.h) in
 * the order of their times; bounded in processes and bytes, whatever happens on the machine.
 *
 * All times are CLOCK_BOOTTIME in nanoseconds of the initial time namespace.
 */
#ifndef SYMBOLS_PROCESS_HISTORY_H
#define SYMBOLS_PROCESS_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proc/process.h"
#include "proc/process_dir.h"
#include "symbols/process_maps.h"

struct process_history;

struct process_history_stats {
	size_t processes, files, bytes;
	uint64_t evicted; /* processes, for want of room */
	uint64_t adopted; /* processes that were there before: read from /proc */
	uint64_t answered, unknown; /* questions for an image that /proc does not show */
};

/* Both outlive it. */
struct process_history *process_history_new(const struct proc_root *proc, struct dso_cache *dsos);
/* NULL is fine. */
void process_history_free(struct process_history *h);

void process_history_forked(struct process_history *h, uint32_t pid, uint32_t parent,
	uint64_t at_ns);
void process_history_execed(struct process_history *h, uint32_t pid, uint64_t at_ns);
void process_history_mapped(struct process_history *h, uint32_t pid, const struct map_entry *entry,
	uint64_t generation, uint64_t at_ns);
void process_history_exited(struct process_history *h, uint32_t pid, uint32_t tid, uint64_t at_ns);
/* From now on every event is told, or its loss. */
void process_history_follow(struct process_history *h);
/* The time now, as events have it. */
uint64_t process_history_now(const struct process_history *h);
/*
 * Whether a living process surely has mapped or executed nothing since then; what it unmapped is not told. All
 * events up to now were.
 */
bool process_history_unchanged(const struct process_history *h, uint32_t pid, uint64_t since_ns);
/* Events are missing, none from before since_ns. */
void process_history_lost(struct process_history *h, uint64_t since_ns);

/*
 * This image of a process ran at that time. Events do not tell exec_id, so this is what joins theirs with
 * those of samples, for the process and all its later descendants. All events up to at_ns were told.
 */
void process_history_seen(struct process_history *h, const struct process_id *id, uint64_t at_ns);

enum image_age {
	IMAGE_UNKNOWN, /* nothing is known of it, or not which one it is */
	IMAGE_CURRENT, /* as far as events tell; the process may have ended */
	IMAGE_PAST, /* the process has exec'ed since: /proc/PID shows another image */
};
enum image_age process_history_age(const struct process_history *h, const struct process_id *id);

/*
 * The mappings of an image. Files that could not be opened while the process lived are looked for through its
 * ancestors and others that have its root, and `old` (may be empty) tells what is known of them otherwise. What is
 * known beneath another root only has no names. 0; -ENOENT
 * where the image is unknown or some of its events are missing, -E2BIG where it has too many mappings to be held
 * and `old` has some. *ret is the caller's.
 */
int process_history_maps(struct process_history *h, const struct process_id *id,
	const struct process_maps *old, struct process_maps *ret) MUST_CHECK;

/* The samples of what is told to end from now on may be the next round's. */
void process_history_begin_round(struct process_history *h);
/* After a round: forgets what had ended before it began. */
void process_history_end_round(struct process_history *h);
void process_history_stats(const struct process_history *h, struct process_history_stats *ret);

#endif
