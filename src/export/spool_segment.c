// SPDX-License-Identifier: Apache-2.0
#include "export/spool_segment.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"

/* Ours end soon after spool.c's largest segment; anything longer is none of ours. */
#define FILE_MAX ((size_t)64 << 20)
#define SUFFIX   ".spool"
#define ID_LEN   16

void segment_name(uint64_t id, char name[SEGMENT_NAME_SIZE])
{
	snprintf(name, SEGMENT_NAME_SIZE, "%016" PRIx64 SUFFIX, id);
}

bool segment_parse_name(const char *name, uint64_t *ret_id)
{
	if (strlen(name) != ID_LEN + strlen(SUFFIX) || strcmp(name + ID_LEN, SUFFIX) != 0 ||
		strspn(name, "0123456789abcdef") != ID_LEN)
		return false;
	*ret_id = strtoull(name, NULL, 16);
	return *ret_id > 0 && *ret_id < UINT64_MAX;
}

struct spool_segment *segment_new(uint64_t id)
{
	struct spool_segment *segment = xcalloc(1, sizeof(*segment));

	segment->id = id;
	list_init(&segment->node);
	if (getrandom(&segment->salt, sizeof(segment->salt), 0) != sizeof(segment->salt))
		abort(); /* the kernel promises it for so few bytes */
	return segment;
}

void segment_free(struct spool_segment *segment)
{
	free(segment->entries);
	free(segment);
}

struct write_count entry_count(const struct spool_entry *entry)
{
	return (struct write_count){.profiles = 1, .bytes = entry->len, .value = entry->value};
}

struct spool_entry *segment_add(struct spool_segment *segment, const struct spool_record *record)
{
	int64_t time_ns = record->time_ns ? record->time_ns : INT64_MAX;

	if (segment->count == segment->capacity) {
		segment->capacity = grow_capacity(segment->capacity, segment->count + 1);
		segment->entries = xreallocarray(segment->entries, segment->capacity,
			sizeof(segment->entries[0]));
	}
	struct spool_entry *entry = &segment->entries[segment->count++];

	*entry = (struct spool_entry){
		.time_ns = record->time_ns,
		.value = record->value,
		.offset = (uint32_t)record->offset,
		.len = record->len,
		.state = ENTRY_WAITS,
	};
	segment->live++;
	segment->newest_ns = MAX(segment->newest_ns, time_ns);
	return entry;
}

static int by_offset(const void *key, const void *element)
{
	uint64_t offset = *(const uint64_t *)key;
	const struct spool_entry *entry = element;

	return offset < entry->offset ? -1 : offset > entry->offset;
}

struct spool_entry *segment_find(const struct spool_segment *segment, uint64_t offset)
{
	if (!segment->count)
		return NULL;
	return bsearch(&offset, segment->entries, segment->count, sizeof(segment->entries[0]),
		by_offset);
}

static int read_file(int dirfd, uint64_t id, struct strbuf *out)
{
	char name[SEGMENT_NAME_SIZE];

	segment_name(id, name);
	int fd cleanup_close = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 ? -errno : file_read_fd(fd, FILE_MAX, out);
}

int segment_load(int dirfd, struct spool_segment *segment,
	void (*settled)(void *ctx, struct spool_segment *reading, uint64_t id, uint64_t offset),
	void *ctx, uint64_t *damaged)
{
	struct strbuf file cleanup_strbuf = STRBUF_INIT;
	struct spool_header header;
	struct spool_record record;
	size_t at = SPOOL_HEADER_LEN;
	int r = read_file(dirfd, segment->id, &file);

	if (r < 0)
		return r;
	segment->size = file.len;
	if (!spool_header_read(file.buf, file.len, &header) || header.id != segment->id) {
		*damaged += file.len > 0; /* an empty one was made and never written */
		return -EBADMSG;
	}
	segment->salt = header.salt;
	while (spool_record_next((const uint8_t *)file.buf, file.len, header.salt, &at, &record,
		damaged)) {
		if (record.type == SPOOL_PROFILE)
			segment_add(segment, &record);
		else
			settled(ctx, segment, (uint64_t)record.time_ns, record.value);
	}
	return 0;
}

static int read_record(int dirfd, uint64_t id, uint64_t offset, size_t len, char *to)
{
	char name[SEGMENT_NAME_SIZE];

	segment_name(id, name);
	int fd cleanup_close = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	for (size_t done = 0; done < len;) {
		ssize_t n = pread(fd, to + done, len - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EBADMSG;
		done += (size_t)n;
	}
	return 0;
}

int segment_read(int dirfd, const struct spool_segment *segment, const struct spool_entry *entry,
	struct strbuf *payload)
{
	size_t len = SPOOL_RECORD_LEN + entry->len;
	char *bytes cleanup_free = xmalloc(len);
	struct spool_record record;
	int r = read_record(dirfd, segment->id, entry->offset, len, bytes);

	if (r < 0)
		return r;
	if (!spool_record_is(bytes, len, segment->salt, entry->offset, &record))
		return -EBADMSG;
	strbuf_add(payload, record.payload, record.len);
	return 0;
}
