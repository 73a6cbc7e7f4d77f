// SPDX-License-Identifier: Apache-2.0
/* One file of a spool, and what is known of its records; shared by spool.c and spool_segment.c. */
#ifndef EXPORT_SPOOL_SEGMENT_H
#define EXPORT_SPOOL_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/macros.h"
#include "base/strbuf.h"
#include "export/spool_format.h"
#include "export/write_stats.h"

#define SEGMENT_NAME_SIZE 32
/* The file beside them that is held with flock(2) by who uses the directory. */
#define SPOOL_LOCK_NAME   "lock"

enum entry_state { ENTRY_WAITS, ENTRY_TAKEN, ENTRY_SETTLED };

/* A profile of the segment. */
struct spool_entry {
	int64_t time_ns;
	uint64_t value;
	uint32_t offset, len; /* of the record; of its payload */
	uint32_t progress; /* of its taker, at its last attempt */
	uint8_t state; /* enum entry_state */
	uint8_t faults; /* attempts that failed by its own fault */
	uint16_t attempts; /* all of them */
};

struct spool_segment {
	struct list_node node;
	uint64_t id, salt;
	uint64_t size; /* of the file; 0: nothing written yet */
	struct spool_entry *entries; /* by offset */
	size_t count, capacity;
	size_t live; /* entries that wait or are taken */
	size_t taken;
	int64_t newest_ns; /* of its profiles; INT64_MAX where one has no time */
	bool gone; /* its file is removed; kept for those taken */
};

/* "0000000000000001.spool" */
void segment_name(uint64_t id, char name[SEGMENT_NAME_SIZE]);
bool segment_parse_name(const char *name, uint64_t *ret_id);

/* In memory only; the salt is new. */
struct spool_segment *segment_new(uint64_t id);
void segment_free(struct spool_segment *segment);
struct write_count entry_count(const struct spool_entry *entry);

/* Notes a profile that was written. Valid until the next one. */
struct spool_entry *segment_add(struct spool_segment *segment, const struct spool_record *record);
/* The one at that offset, or NULL. */
struct spool_entry *segment_find(const struct spool_segment *segment, uint64_t offset);

/*
 * Reads the segment's file. settled is called for each record that says so, after the profiles before
 * it were added. Counts what is no record in *damaged. -EBADMSG: not even the header can be read.
 */
int segment_load(int dirfd, struct spool_segment *segment,
	void (*settled)(void *ctx, struct spool_segment *reading, uint64_t id, uint64_t offset),
	void *ctx, uint64_t *damaged) MUST_CHECK;
/* Appends the payload; -EBADMSG where the file no longer has the record. */
int segment_read(int dirfd, const struct spool_segment *segment, const struct spool_entry *entry,
	struct strbuf *payload) MUST_CHECK;

#endif
