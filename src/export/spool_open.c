// SPDX-License-Identifier: Apache-2.0
/* Opening a spool: who owns it, what earlier processes left in it; and closing it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "export/spool_inside.h"

/* The quota is kept by removing files, so one is to be a small part of it. */
#define SEGMENTS    32
#define SEGMENT_MIN ((uint64_t)4 << 10)
#define SEGMENT_MAX ((uint64_t)4 << 20)
/* A directory with more than that is not ours. */
#define FILES_MAX   65536

static void on_settled(void *ctx, struct spool_segment *reading, uint64_t id, uint64_t offset)
{
	struct spool *s = ctx;
	struct spool_segment *segment = id == reading->id ? reading : NULL;

	list_for_each(n, &s->segments)
		if (segment_at(n)->id == id)
			segment = segment_at(n);
	struct spool_entry *entry = segment ? segment_find(segment, offset) : NULL;

	if (!entry || entry->state == ENTRY_SETTLED)
		return;
	entry->state = ENTRY_SETTLED;
	segment->live--;
}

static void load(struct spool *s, uint64_t id)
{
	struct spool_segment *segment = segment_new(id);
	int r = segment_load(s->dirfd, segment, on_settled, s, &s->damaged);

	if (r < 0 && r != -EBADMSG) {
		s->errors++; /* cannot be read now, perhaps by another process later */
		segment_free(segment);
		return;
	}
	s->bytes += segment->size;
	s->segment_count++;
	list_append(&s->segments, &segment->node);
}

static int by_id(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int find_files(const struct spool *s, uint64_t **ret_ids, size_t *ret_count)
{
	int fd = openat(s->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir cleanup_closedir = fd < 0 ? NULL : fdopendir(fd);
	size_t capacity = 0;

	if (!dir)
		return -errno;
	for (const struct dirent *entry; (entry = readdir(dir));) {
		uint64_t id;

		if (!segment_parse_name(entry->d_name, &id))
			continue;
		if (*ret_count == FILES_MAX)
			return -EFBIG;
		if (*ret_count == capacity) {
			capacity = grow_capacity(capacity, capacity + 1);
			*ret_ids = xreallocarray(*ret_ids, capacity, sizeof(**ret_ids));
		}
		(*ret_ids)[(*ret_count)++] = id;
	}
	if (*ret_count)
		qsort(*ret_ids, *ret_count, sizeof(**ret_ids), by_id);
	return 0;
}

static int load_all(struct spool *s)
{
	uint64_t *ids cleanup_free = NULL;
	size_t count = 0;
	int r = find_files(s, &ids, &count);

	for (size_t i = 0; r == 0 && i < count; i++)
		load(s, ids[i]);
	s->next_id = count ? ids[count - 1] + 1 : 1;
	list_for_each(n, &s->segments) {
		const struct spool_segment *segment = segment_at(n);

		for (size_t i = 0; i < segment->count; i++) {
			struct write_count one = entry_count(&segment->entries[i]);

			if (segment->entries[i].state == ENTRY_WAITS)
				write_count_add(&s->waiting, &one);
		}
	}
	spool_trim(s);
	return r;
}

static int open_and_lock(struct spool *s, struct error *err)
{
	int r = file_make_directories(s->path, 0700);

	s->dirfd = r < 0 ? -1 : open(s->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->dirfd < 0)
		return error_set_errno(err, r < 0 ? r : -errno, "cannot open the spool %s",
			s->path);
	s->lockfd =
		openat(s->dirfd, SPOOL_LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (s->lockfd < 0)
		return error_set_errno(err, -errno, "cannot write to the spool %s", s->path);
	if (flock(s->lockfd, LOCK_EX | LOCK_NB) < 0)
		return error_set(err, -errno,
			"another dockprof has the spool %s open; give each one a path of its own",
			s->path);
	return 0;
}

void spool_set_limits(struct spool *s, const struct spool_options *options)
{
	s->max_bytes = options->max_bytes;
	s->segment_bytes = MIN(MAX(s->max_bytes / SEGMENTS, SEGMENT_MIN), SEGMENT_MAX);
	s->max_age_ns = options->max_age_ns;
	s->sync_ns = options->sync_ns;
}

int spool_open(struct loop *loop, const struct spool_options *options, struct spool **ret,
	struct error *err)
{
	struct spool *s = xcalloc(1, sizeof(*s));

	s->refs = 1;
	s->path = xstrdup(options->path);
	spool_set_limits(s, options);
	if (options->watcher)
		s->watcher = *options->watcher;
	s->dirfd = s->lockfd = s->active_fd = -1;
	list_init(&s->segments);
	loop_timer_init(loop, &s->sync, spool_on_sync);
	disk_sync_init(&s->background, loop, spool_on_synced);
	int r = open_and_lock(s, err);

	if (r == 0) {
		r = load_all(s);
		if (r < 0)
			error_set_errno(err, r, "cannot read the spool %s", s->path);
	}
	if (r < 0) {
		spool_unref(s);
		return r;
	}
	*ret = s;
	return 0;
}

struct spool *spool_ref(struct spool *s)
{
	s->refs++;
	return s;
}

void spool_unref(struct spool *s)
{
	if (!s || --s->refs)
		return;
	disk_sync_release(&s->background);
	spool_close_active(s);
	spool_sync_now(s);
	list_for_each_safe(n, &s->segments)
		segment_free(segment_at(n));
	if (s->dirfd >= 0)
		close(s->dirfd);
	if (s->lockfd >= 0)
		close(s->lockfd);
	free(s->path);
	free(s);
}
