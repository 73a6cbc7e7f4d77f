// SPDX-License-Identifier: Apache-2.0
/*
 * A log in segment files. Profiles are appended; that one is done with is appended as well; a file is
 * removed when all of its profiles are, and never before an older one:
 *
 *	file 7 (oldest)  | A | B | C |
 *	file 8           | D | "A settled" | E |
 *	file 9 (active)  | "C settled" | F |
 *
 * What says that a profile of a file is settled stands in that file or a later one, so removing the
 * oldest can bring nothing back. Files are never written again once they were closed, and a new process
 * begins a new one: an end that was torn stays as it is and is skipped.
 *
 * Memory holds one entry per profile, not the profiles. The cursor says which one is tried next: those
 * that failed wait until it has been through the others, so that one bad profile does not stand in the
 * way.
 *
 * Errors of the disk are returned where a profile was to be added, which then stays with its owner.
 * Where "settled" cannot be written it holds in memory; after a crash that profile would come twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "export/spool_inside.h"
#include "export/window.h"

/* Where the loop stands still meanwhile: on a slow disk that is to be a tenth of its time. */
#define SYNC_SHARE 9

struct spool_ticket {
	struct spool_segment *segment;
	size_t entry;
};

const char *spool_path(const struct spool *s)
{
	return s->path;
}

unsigned spool_refs(const struct spool *s)
{
	return s->refs;
}

struct write_count spool_count(const struct spool *s)
{
	return s->waiting;
}

void spool_listen(struct spool *s, const struct spool_listener *listener)
{
	s->listener = *listener;
}

static void tell_dropped(struct spool *s, enum write_drop why, const struct write_count *count)
{
	if (count->profiles && s->listener.dropped)
		s->listener.dropped(s->listener.ctx, why, count);
}

/*
 * Syncing. What is due after sync_ns is done by the kernel beside us. What must be on disk before something
 * else may be done is waited for: where a file is closed, or the next one is removed. Marks (unsynced, ...)
 * are taken back when what they stand for is on disk, and nothing came after it.
 */

static void watch_syncing(struct spool *s, uint64_t segment)
{
	if (s->watcher.syncing)
		s->watcher.syncing(s->watcher.ctx, segment);
}

static void watch_synced(struct spool *s, uint64_t segment)
{
	if (s->watcher.synced)
		s->watcher.synced(s->watcher.ctx, segment);
}

static void directory_changed(struct spool *s)
{
	s->directory_unsynced = true;
	s->changes++;
}

static void sync_directory(struct spool *s)
{
	watch_syncing(s, 0);
	s->errors += fsync(s->dirfd) < 0;
	s->directory_unsynced = s->removal_unsynced = false;
	watch_synced(s, 0);
}

void spool_sync_now(struct spool *s)
{
	int64_t begin = clock_monotonic_ns();

	loop_timer_stop(&s->sync);
	if (s->unsynced && s->active) {
		watch_syncing(s, s->active->id);
		s->errors += fdatasync(s->active_fd) < 0;
		watch_synced(s, s->active->id);
	}
	s->unsynced = false;
	if (s->directory_unsynced)
		sync_directory(s);
	s->sync_took_ns = clock_monotonic_ns() - begin;
}

static void sync_soon(struct spool *s)
{
	if (!s->sync_ns)
		spool_sync_now(s);
	else if (!loop_timer_running(&s->sync) && !s->background.pending)
		loop_timer_start(&s->sync, MAX(s->sync_ns, s->sync_took_ns * SYNC_SHARE));
}

static bool begin_in_background(struct spool *s)
{
	s->covered.segment = s->covered.changes = 0;
	if (s->unsynced && s->active) {
		watch_syncing(s, s->active->id);
		if (disk_sync_begin(&s->background, s->active_fd, true) < 0)
			return false;
		s->covered.segment = s->active->id;
		s->covered.writes = s->writes;
	}
	if (s->directory_unsynced) {
		watch_syncing(s, 0);
		if (disk_sync_begin(&s->background, s->dirfd, false) < 0)
			return false;
		s->covered.changes = s->changes;
	}
	return true;
}

void spool_on_sync(struct loop_timer *timer)
{
	struct spool *s = container_of(timer, struct spool, sync);

	if (begin_in_background(s))
		s->sync_took_ns = 0;
	else
		spool_sync_now(s);
}

void spool_on_synced(struct disk_sync *d, unsigned failed)
{
	struct spool *s = container_of(d, struct spool, background);

	s->errors += failed;
	if (s->covered.segment) {
		watch_synced(s, s->covered.segment);
		if (s->active && s->active->id == s->covered.segment &&
			s->writes == s->covered.writes)
			s->unsynced = false;
	}
	if (s->covered.changes) {
		watch_synced(s, 0);
		if (s->changes == s->covered.changes)
			s->directory_unsynced = s->removal_unsynced = false;
	}
	if (s->unsynced || s->directory_unsynced)
		sync_soon(s);
}

void spool_close_active(struct spool *s)
{
	if (!s->active)
		return;
	if (s->unsynced)
		spool_sync_now(s);
	close(s->active_fd);
	s->active_fd = -1;
	s->active = NULL;
}

/* Files come and go. */

static void remove_segment(struct spool *s, struct spool_segment *segment)
{
	char name[SEGMENT_NAME_SIZE];

	if (segment == s->active) {
		s->unsynced = false; /* nothing of it is wanted any more */
		spool_close_active(s);
	}
	if (segment == s->cursor) {
		bool last = segment->node.next == &s->segments;

		s->cursor = last ? NULL : segment_at(segment->node.next);
		s->cursor_entry = 0;
	}
	/* One after the other: what is settled in the second must not come back with the first. */
	if (s->removal_unsynced)
		sync_directory(s);
	segment_name(segment->id, name);
	if (unlinkat(s->dirfd, name, 0) < 0 && errno != ENOENT)
		s->errors++;
	if (s->watcher.removed)
		s->watcher.removed(s->watcher.ctx, segment->id);
	directory_changed(s);
	s->removal_unsynced = true;
	s->bytes -= segment->size;
	s->segment_count--;
	list_remove(&segment->node);
	segment->gone = true;
	if (!segment->taken)
		segment_free(segment);
}

void spool_trim(struct spool *s)
{
	while (!list_empty(&s->segments) && !segment_at(s->segments.next)->live)
		remove_segment(s, segment_at(s->segments.next));
}

/* Those that are taken are their takers' business. */
static void drop_segment(struct spool *s, struct spool_segment *segment, enum write_drop why)
{
	struct write_count dropped = {0};

	for (size_t i = 0; i < segment->count; i++) {
		struct spool_entry *entry = &segment->entries[i];
		struct write_count one = entry_count(entry);

		if (entry->state != ENTRY_WAITS)
			continue;
		entry->state = ENTRY_SETTLED;
		write_count_add(&dropped, &one);
	}
	write_count_sub(&s->waiting, &dropped);
	remove_segment(s, segment);
	sync_soon(s);
	tell_dropped(s, why, &dropped);
}

void spool_expire(struct spool *s)
{
	int64_t now = clock_realtime_ns();

	while (!list_empty(&s->segments)) {
		struct spool_segment *oldest = segment_at(s->segments.next);

		if (!oldest->count || !window_is_past(oldest->newest_ns, s->max_age_ns, now))
			return;
		drop_segment(s, oldest, WRITE_DROP_AGE);
	}
}

static int keep_to_quota(struct spool *s, size_t len)
{
	uint64_t need = SPOOL_HEADER_LEN + len;

	if (need > s->max_bytes)
		return -EFBIG;
	while (s->bytes + need > s->max_bytes)
		drop_segment(s, segment_at(s->segments.next), WRITE_DROP_SPOOL);
	return 0;
}

/* Writing. */

static int begin_segment(struct spool *s)
{
	struct spool_segment *segment = segment_new(s->next_id);
	char name[SEGMENT_NAME_SIZE];

	segment_name(segment->id, name);
	s->active_fd = openat(s->dirfd, name,
		O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (s->active_fd < 0) {
		segment_free(segment);
		return -errno;
	}
	s->next_id++;
	directory_changed(s);
	s->active = segment;
	s->segment_count++;
	list_append(&s->segments, &segment->node);
	return 0;
}

/* What was written in part must not stay in the way of what comes next. */
static void write_failed(struct spool *s)
{
	struct spool_segment *segment = s->active;

	if (!segment->size)
		remove_segment(s, segment);
	else if (ftruncate(s->active_fd, (off_t)segment->size) < 0)
		spool_close_active(s);
}

static int write_record(struct spool *s, struct spool_record *record)
{
	struct strbuf bytes cleanup_strbuf = STRBUF_INIT;
	int r = 0;

	if (s->active && s->active->size >= s->segment_bytes)
		spool_close_active(s);
	if (!s->active)
		r = begin_segment(s);
	if (r < 0)
		return r;
	struct spool_segment *segment = s->active;

	if (!segment->size)
		spool_header_add(&bytes,
			&(struct spool_header){.id = segment->id, .salt = segment->salt});
	record->offset = segment->size + bytes.len;
	spool_record_add(&bytes, segment->salt, record);
	r = file_write_all(s->active_fd, bytes.buf, bytes.len);
	if (r < 0) {
		write_failed(s);
		return r;
	}
	if (s->watcher.wrote)
		s->watcher.wrote(s->watcher.ctx, segment->id, bytes.buf, bytes.len);
	segment->size += bytes.len;
	s->bytes += bytes.len;
	s->unsynced = true;
	s->writes++;
	return 0;
}

static struct spool_ticket *take(struct spool *s, struct spool_segment *segment,
	struct spool_entry *entry)
{
	struct spool_ticket *ticket = xcalloc(1, sizeof(*ticket));
	struct write_count count = entry_count(entry);

	entry->state = ENTRY_TAKEN;
	segment->taken++;
	write_count_sub(&s->waiting, &count);
	ticket->segment = segment;
	ticket->entry = (size_t)(entry - segment->entries);
	return ticket;
}

int spool_append(struct spool *s, const struct spool_profile *profile, struct spool_ticket **ret)
{
	struct spool_record record = {
		.type = SPOOL_PROFILE,
		.time_ns = profile->time_ns,
		.value = profile->value,
		.payload = profile->request,
		.len = (uint32_t)profile->len,
	};
	int r = profile->len > SPOOL_MAX_PAYLOAD ? -EFBIG : 0;

	spool_expire(s);
	if (r == 0)
		r = keep_to_quota(s, SPOOL_RECORD_LEN + profile->len);
	if (r == 0)
		r = write_record(s, &record);
	if (r < 0) {
		s->errors++;
		return r;
	}
	struct spool_entry *entry = segment_add(s->active, &record);
	struct write_count count = entry_count(entry);

	entry->attempts = (uint16_t)MIN(profile->attempts, (unsigned)UINT16_MAX);

	write_count_add(&s->waiting, &count);
	if (ret)
		*ret = take(s, s->active, entry);
	sync_soon(s);
	return 0;
}

/* An entry that waited or was taken is done with. */
static void settle(struct spool *s, struct spool_segment *segment, struct spool_entry *entry)
{
	struct spool_record record = {
		.type = SPOOL_SETTLED,
		.time_ns = (int64_t)segment->id,
		.value = entry->offset,
	};

	entry->state = ENTRY_SETTLED;
	/* Where it was the last one of the oldest file there is nothing left to be said of it. */
	if (--segment->live || segment->node.prev != &s->segments)
		s->errors += write_record(s, &record) < 0;
	spool_trim(s);
	sync_soon(s);
}

/* Taking. */

static struct spool_segment *following(struct spool *s, struct spool_segment *segment)
{
	return segment->node.next == &s->segments ? NULL : segment_at(segment->node.next);
}

/* The next one that may go out now; the cursor is then behind it. NULL where there is none up to the
 * end, and the cursor is at the beginning. */
static struct spool_entry *next_waiting(struct spool *s, int64_t now)
{
	if (!s->cursor && !list_empty(&s->segments))
		s->cursor = segment_at(s->segments.next);
	while (s->cursor) {
		struct spool_segment *segment = s->cursor;

		while (s->cursor_entry < segment->count) {
			struct spool_entry *entry = &segment->entries[s->cursor_entry++];

			if (entry->state == ENTRY_WAITS && !window_is_future(entry->time_ns, now))
				return entry;
		}
		s->cursor = following(s, segment);
		s->cursor_entry = 0;
	}
	return NULL;
}

/* The cursor's segment is the entry's. */
static void drop(struct spool *s, struct spool_entry *entry, enum write_drop why)
{
	struct write_count count = entry_count(entry);

	write_count_sub(&s->waiting, &count);
	settle(s, s->cursor, entry);
	tell_dropped(s, why, &count);
}

static bool read_entry(struct spool *s, struct spool_entry *entry, struct strbuf *request)
{
	if (segment_read(s->dirfd, s->cursor, entry, request) == 0)
		return true;
	s->damaged++;
	drop(s, entry, WRITE_DROP_DAMAGED);
	return false;
}

struct spool_ticket *spool_take(struct spool *s, struct strbuf *request,
	struct spool_profile *ret_profile)
{
	int64_t now = clock_realtime_ns();

	spool_expire(s);
	for (int wraps = 0; s->waiting.profiles && wraps < 2;) {
		struct spool_entry *entry = next_waiting(s, now);

		if (!entry) {
			wraps++;
		} else if (window_is_past(entry->time_ns, s->max_age_ns, now)) {
			drop(s, entry, WRITE_DROP_AGE);
		} else if (read_entry(s, entry, request)) {
			*ret_profile = (struct spool_profile){
				.time_ns = entry->time_ns,
				.value = entry->value,
				.request = request->buf,
				.len = request->len,
				.attempts = entry->attempts,
			};
			return take(s, s->cursor, entry);
		}
	}
	return NULL;
}

/* Frees the ticket. */
static struct spool_segment *hand_back(struct spool_ticket *ticket, struct spool_entry **ret)
{
	struct spool_segment *segment = ticket->segment;

	*ret = &segment->entries[ticket->entry];
	segment->taken--;
	free(ticket);
	return segment;
}

void spool_settle(struct spool *s, struct spool_ticket *ticket)
{
	struct spool_entry *entry;
	struct spool_segment *segment = hand_back(ticket, &entry);

	if (!segment->gone)
		settle(s, segment, entry);
	else if (!segment->taken)
		segment_free(segment);
}

bool spool_put_back(struct spool *s, struct spool_ticket *ticket, unsigned attempts)
{
	struct spool_entry *entry;
	struct spool_segment *segment = hand_back(ticket, &entry);

	if (!segment->gone) {
		struct write_count count = entry_count(entry);

		entry->state = ENTRY_WAITS;
		entry->attempts = (uint16_t)MIN(attempts, (unsigned)UINT16_MAX);
		write_count_add(&s->waiting, &count);
		return true;
	}
	if (!segment->taken)
		segment_free(segment);
	return false;
}

unsigned spool_blame(struct spool_ticket *ticket, uint64_t progress)
{
	struct spool_entry *entry = &ticket->segment->entries[ticket->entry];

	if (entry->progress != (uint32_t)progress && entry->faults < UINT8_MAX)
		entry->faults++;
	entry->progress = (uint32_t)progress;
	return entry->faults;
}

void spool_rewind(struct spool *s)
{
	s->cursor = NULL;
	s->cursor_entry = 0;
}

static int64_t oldest_ns(const struct spool *s)
{
	list_for_each(n, &s->segments) {
		const struct spool_segment *segment = segment_at(n);

		for (size_t i = 0; segment->live && i < segment->count; i++)
			if (segment->entries[i].state == ENTRY_WAITS && segment->entries[i].time_ns)
				return segment->entries[i].time_ns;
	}
	return 0;
}

void spool_stats(const struct spool *s, struct write_stats *ret)
{
	ret->has_spool = true;
	ret->spool_bytes = s->bytes;
	ret->spool_segments = s->segment_count;
	ret->spool_damaged = s->damaged;
	ret->spool_errors = s->errors;
	ret->oldest_spooled_ns = oldest_ns(s);
}
