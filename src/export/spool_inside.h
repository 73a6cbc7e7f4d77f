// SPDX-License-Identifier: Apache-2.0
/* What a spool consists of; shared by spool.c and spool_open.c. */
#ifndef EXPORT_SPOOL_INSIDE_H
#define EXPORT_SPOOL_INSIDE_H

#include "export/spool.h"
#include "export/spool_segment.h"
#include "loop/disk_sync.h"

struct spool {
	unsigned refs;
	char *path;
	uint64_t max_bytes, segment_bytes;
	int64_t max_age_ns, sync_ns;
	struct spool_watcher watcher;
	struct spool_listener listener;
	int dirfd, lockfd;
	struct list_node segments; /* oldest first */
	size_t segment_count;
	struct spool_segment *active; /* the last one, or NULL */
	int active_fd;
	uint64_t next_id, bytes;
	struct write_count waiting;
	struct spool_segment *cursor; /* NULL: the first */
	size_t cursor_entry;
	struct loop_timer sync;
	int64_t sync_took_ns; /* the last one that was waited for */
	bool unsynced, directory_unsynced, removal_unsynced;
	struct disk_sync background;
	uint64_t writes, changes; /* of the active file; of the directory; counted up */
	struct { /* what the background is about */
		uint64_t segment, writes, changes; /* segment, changes: 0: not */
	} covered;
	uint64_t damaged, errors;
};

static inline struct spool_segment *segment_at(struct list_node *node)
{
	return list_entry(node, struct spool_segment, node);
}

/* Removes the oldest files as long as nothing in them is wanted. */
void spool_trim(struct spool *s);
/* Syncs what is not, and closes the active file. */
void spool_close_active(struct spool *s);
/* The timer `sync`. */
void spool_on_sync(struct loop_timer *timer);
void spool_on_synced(struct disk_sync *d, unsigned failed);
/* Syncs what is not, and waits for it. */
void spool_sync_now(struct spool *s);

#endif
