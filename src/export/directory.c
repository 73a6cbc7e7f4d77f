// SPDX-License-Identifier: Apache-2.0
/*
 * A file appears whole: it is written under a name that starts with a dot and then renamed. All access
 * is relative to the directory's descriptor, new files are opened O_EXCL and old ones are looked at
 * without following links, so that nothing outside can be read, written or removed through it.
 *
 * Only the sum of sizes is kept in memory. When it passes the limit, the directory is read and the
 * oldest files are removed until a tenth of the limit is free, so that reading is rare. Where there is a
 * max_age it is read as well, ten times in that time.
 */
#include "export/directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "export/told.h"

#define SUFFIX       ".pb.gz"
#define TEMPORARY    ".dockprof.tmp"
#define STAMP_LEN    20 /* of 20260102T030405.678Z */
#define NAME_SIZE    128
#define ID_LEN       12 /* of a container's id in a name */
#define BLOCK        4096 /* what a small file takes on disk; also bounds the number of files */
#define LOOKS        10 /* for too old ones, in the time of max_age */
#define SAME_NAMES   100 /* profiles of one service and container within a millisecond */
#define TOLD_REASONS 8 /* per hour */

struct directory {
	int fd;
	char *path;
	uint64_t max_bytes, bytes;
	int64_t max_age_ns, next_look_ns; /* CLOCK_MONOTONIC: for files that are too old */
	const struct writer_ops *ops;
	void *ctx;
	struct told told;
	struct write_stats stats;
};

void directory_continue(struct directory *d, const struct directory *previous)
{
	if (strcmp(d->path, previous->path) == 0)
		write_stats_add(&d->stats, &previous->stats);
}

const struct write_stats *directory_stats(const struct directory *d)
{
	return &d->stats;
}

static uint64_t disk_size(uint64_t size)
{
	return (size + BLOCK - 1) / BLOCK * BLOCK;
}

/* A file of ours: starts with a time stamp, ends in the suffix. */
static bool is_profile_name(const char *name)
{
	static const char shape[] = "00000000T000000.000Z_";
	size_t len = strlen(name);

	if (len < sizeof(shape) - 1 + strlen(SUFFIX) || len >= NAME_SIZE)
		return false;
	for (size_t i = 0; i < sizeof(shape) - 1; i++) {
		bool digit = name[i] >= '0' && name[i] <= '9';

		if (shape[i] == '0' ? !digit : name[i] != shape[i])
			return false;
	}
	return strcmp(name + len - strlen(SUFFIX), SUFFIX) == 0;
}

struct old_file {
	char name[NAME_SIZE];
	uint64_t size;
};

struct old_files {
	struct old_file *list;
	size_t count, capacity;
	uint64_t bytes;
};

static void release_old_files(struct old_files *files)
{
	free(files->list);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct old_file *)a)->name, ((const struct old_file *)b)->name);
}

static void note_file(const struct directory *d, struct old_files *files, const char *name)
{
	struct stat st;

	if (!is_profile_name(name) || fstatat(d->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		!S_ISREG(st.st_mode))
		return;
	if (files->count == files->capacity) {
		files->capacity = grow_capacity(files->capacity, files->count + 1);
		files->list = xreallocarray(files->list, files->capacity, sizeof(files->list[0]));
	}
	struct old_file *f = &files->list[files->count++];

	snprintf(f->name, sizeof(f->name), "%.*s", NAME_SIZE - 1, name);
	f->size = disk_size((uint64_t)st.st_size);
	files->bytes += f->size;
}

static int read_files(const struct directory *d, struct old_files *files)
{
	int fd = openat(d->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir cleanup_closedir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		return -errno;
	for (const struct dirent *entry; (entry = readdir(dir));)
		note_file(d, files, entry->d_name);
	if (files->count)
		qsort(files->list, files->count, sizeof(files->list[0]), by_name);
	return 0;
}

static void add_stamp(struct strbuf *out, int64_t time_ns)
{
	time_t seconds = (time_t)(time_ns / NSEC_PER_SEC);
	struct tm tm = {0};
	char stamp[STAMP_LEN + 1];

	gmtime_r(&seconds, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%S", &tm);
	strbuf_addf(out, "%s.%03dZ_", stamp, (int)(time_ns % NSEC_PER_SEC / NSEC_PER_MSEC));
}

/* Removes the oldest so that a tenth of the limit is free, and none is too old. */
static int make_room(struct directory *d)
{
	struct old_files files __attribute__((cleanup(release_old_files))) = {0};
	struct strbuf first cleanup_strbuf = STRBUF_INIT; /* a name; those before it are too old */
	int r = read_files(d, &files);

	if (r < 0)
		return r;
	if (d->max_age_ns)
		add_stamp(&first, clock_realtime_ns() - d->max_age_ns);
	d->next_look_ns = clock_monotonic_ns() + d->max_age_ns / LOOKS;
	d->bytes = files.bytes;
	for (size_t i = 0; i < files.count; i++) {
		if (d->bytes <= d->max_bytes / 10 * 9 && strcmp(files.list[i].name, first.buf) >= 0)
			break;
		if (unlinkat(d->fd, files.list[i].name, 0) < 0 && errno != ENOENT)
			return -errno;
		d->bytes -= files.list[i].size;
	}
	return 0;
}

static void add_clean(struct strbuf *out, const char *s, size_t max)
{
	for (s += strspn(s, "/."); *s && max; s++, max--) {
		bool fine = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
			(*s >= '0' && *s <= '9') || *s == '.' || *s == '-';

		strbuf_add_char(out, fine ? *s : '_');
	}
}

static void file_name(struct strbuf *out, const struct labels *labels, int64_t time_ns)
{
	add_stamp(out, time_ns);
	size_t start = out->len;

	add_clean(out, labels_get(labels, "service_name"), 60);
	if (out->len == start)
		strbuf_add_str(out, "unspecified");
	if (labels_has(labels, "__container_id__")) {
		strbuf_add_char(out, '_');
		add_clean(out, labels_get(labels, "__container_id__"), ID_LEN);
	}
}

/* How long it is without the _2, _3, ... at its end. */
static size_t without_number(const char *s, size_t len)
{
	size_t digits = 0;

	while (digits < len && s[len - 1 - digits] >= '0' && s[len - 1 - digits] <= '9')
		digits++;
	if (digits < 1 || digits > 3 || digits + 1 >= len || s[len - 1 - digits] != '_')
		return len;
	int number = atoi(s + len - digits);

	return s[len - digits] != '0' && number > 1 && number <= SAME_NAMES ? len - digits - 1
									    : len;
}

/* ... and without the container's id. */
static size_t without_id(const char *s, size_t len)
{
	if (len < ID_LEN + 2 || s[len - ID_LEN - 1] != '_')
		return len;
	for (size_t i = len - ID_LEN; i < len; i++)
		if (!((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f')))
			return len;
	return len - ID_LEN - 1;
}

void directory_service_of(const char *name, struct strbuf *out)
{
	if (!is_profile_name(name))
		return;
	const char *service = name + STAMP_LEN + 1;
	size_t len = strlen(service) - strlen(SUFFIX);

	len = without_number(service, len);
	strbuf_add(out, service, without_id(service, len));
}

/* The name with the suffix, or with _2, _3, ... before it where that is taken. */
static int free_name(const struct directory *d, struct strbuf *name)
{
	size_t len = name->len;

	for (int i = 1; i <= SAME_NAMES; i++) {
		strbuf_set_len(name, len);
		if (i > 1)
			strbuf_addf(name, "_%d", i);
		strbuf_add_str(name, SUFFIX);
		if (faccessat(d->fd, name->buf, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			return errno == ENOENT ? 0 : -errno;
	}
	return -EEXIST;
}

static int open_temporary(const struct directory *d)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(d->fd, TEMPORARY, flags, 0644);

	if (fd < 0 && errno == EEXIST && unlinkat(d->fd, TEMPORARY, 0) == 0)
		fd = openat(d->fd, TEMPORARY, flags, 0644);
	return fd < 0 ? -errno : fd;
}

static int write_file(const struct directory *d, const char *name, const void *data, size_t len)
{
	int fd cleanup_close = open_temporary(d);

	if (fd < 0)
		return fd;
	int r = file_write_all(fd, data, len);

	if (r == 0 && renameat(d->fd, TEMPORARY, d->fd, name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(d->fd, TEMPORARY, 0);
	return r;
}

static void tell(struct directory *d, enum writer_event event, const struct error *err)
{
	if (d->ops->event)
		d->ops->event(d->ctx, event, d->path, err);
}

static void failed(struct directory *d, int code, const struct write_count *count)
{
	struct error err = {0};

	d->stats.reachable = false;
	write_count_add(&d->stats.dropped[WRITE_DROP_REJECTED], count);
	if (!told_is_new(&d->told, hash_u64((uint64_t)-code)))
		return;
	error_set_errno(&err, code, "a profile could not be written");
	tell(d, WRITER_REJECTED, &err);
}

static bool time_to_look(const struct directory *d)
{
	return d->max_age_ns && clock_monotonic_ns() >= d->next_look_ns;
}

void directory_add(struct directory *d, const struct labels *labels,
	const struct encoded_profile *profile)
{
	struct write_count count = {1, profile->len, profile->value};
	size_t len = profile->len;
	struct strbuf name cleanup_strbuf = STRBUF_INIT;
	int r = disk_size(len) > d->max_bytes / 10 * 9 ? -EFBIG : 0;

	write_count_add(&d->stats.added, &count);
	file_name(&name, labels, profile->time_ns);
	if (r == 0 && (d->bytes + disk_size(len) > d->max_bytes || time_to_look(d)))
		r = make_room(d);
	if (r == 0)
		r = free_name(d, &name);
	if (r == 0)
		r = write_file(d, name.buf, profile->data, len);
	if (r < 0) {
		failed(d, r, &count);
		return;
	}
	d->bytes += disk_size(len);
	d->stats.reachable = true;
	d->stats.last_success_ns = clock_realtime_ns();
	write_count_add(&d->stats.sent, &count);
	if (d->stats.sent.profiles == 1)
		tell(d, WRITER_FIRST_DELIVERY, NULL);
}

static int count_bytes(struct directory *d)
{
	struct old_files files __attribute__((cleanup(release_old_files))) = {0};
	int r = read_files(d, &files);

	d->bytes = files.bytes;
	return r;
}

static int open_directory(struct directory *d)
{
	int r = file_make_directories(d->path, 0755);

	if (r < 0)
		return r;
	d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->fd < 0 || faccessat(d->fd, ".", W_OK, AT_EACCESS) < 0)
		return -errno;
	unlinkat(d->fd, TEMPORARY, 0); /* of a run that was killed */
	return count_bytes(d);
}

int directory_new(const struct directory_options *options, const struct writer_ops *ops, void *ctx,
	struct directory **ret, struct error *err)
{
	struct directory *d = xcalloc(1, sizeof(*d));

	*d = (struct directory){
		.fd = -1,
		.path = xstrdup(options->path),
		.max_bytes = options->max_bytes,
		.max_age_ns = options->max_age_ns,
		.ops = ops,
		.ctx = ctx,
	};
	d->stats.name = d->path;
	d->stats.is_directory = true;
	told_init(&d->told, TOLD_REASONS, 3600 * NSEC_PER_SEC);
	int r = open_directory(d);

	if (r < 0) {
		directory_free(d);
		return error_set_errno(err, r, "cannot keep profiles in %s", options->path);
	}
	*ret = d;
	return 0;
}

void directory_start(struct directory *d)
{
	(void)make_room(d); /* what is wrong is told with the first profile */
}

void directory_free(struct directory *d)
{
	if (!d)
		return;
	if (d->fd >= 0)
		close(d->fd);
	free(d->path);
	free(d);
}
