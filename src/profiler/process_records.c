// SPDX-License-Identifier: Apache-2.0
/*
 *	| type, misc, size | body ... | sample_id: time |     all multiples of 8
 *
 * A record may wrap around the ring's end, at any multiple of 8. The bytes are the kernel's, but a ring
 * that was overwritten or misread would look like any garbage: sizes are checked, strings end within
 * their record. The one string that a workload chooses is a mapping's path.
 */
#include "profiler/process_records.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>

#include "base/macros.h"

#define ALIGN_MASK         7u
#define TIME_SIZE          sizeof(uint64_t)
/* Newer than the headers of some distributions. */
#define MISC_MMAP_BUILD_ID (1u << 14)

struct fork_body {
	uint32_t pid, parent;
	uint32_t tid, parent_tid;
	uint64_t time;
};

struct comm_body {
	uint32_t pid, tid;
	char comm[];
};

struct map_body {
	uint32_t pid, tid;
	uint64_t start, length, offset;
	uint32_t major, minor;
	uint64_t inode, generation;
	uint32_t prot, flags;
	char path[];
};
_Static_assert(offsetof(struct map_body, path) == 64, "perf's layout");

struct lost_body {
	uint64_t id, lost;
};

static bool has_end(const char *s, size_t room)
{
	return memchr(s, '\0', room) != NULL;
}

static bool parse_task(const uint8_t *body, size_t size, struct process_record *ret)
{
	struct fork_body task;

	if (size < sizeof(task))
		return false;
	memcpy(&task, body, sizeof(task));
	ret->pid = task.pid;
	ret->tid = task.tid;
	ret->parent = task.parent;
	return true;
}

static bool parse_comm(const uint8_t *body, size_t size, uint16_t misc, struct process_record *ret)
{
	struct comm_body comm;

	if (size <= sizeof(comm) ||
		!has_end((const char *)body + sizeof(comm), size - sizeof(comm)))
		return false;
	memcpy(&comm, body, sizeof(comm));
	ret->pid = comm.pid;
	ret->tid = comm.tid;
	ret->comm = (const char *)body + sizeof(comm);
	ret->kind = misc & PERF_RECORD_MISC_COMM_EXEC ? RECORD_EXEC : RECORD_OTHER;
	return true;
}

/* As /proc/PID/maps would show it. */
static const char *path_of(char *path, bool has_file, bool *ret_deleted)
{
	/* "//anon"; "//enomem", "//toolong" where the kernel could not tell the path. */
	if (strncmp(path, "//", 2) == 0)
		return "";
	*ret_deleted = has_file && maps_strip_deleted(path);
	return path;
}

static bool parse_map(uint8_t *body, size_t size, uint16_t misc, struct process_record *ret)
{
	size_t head = offsetof(struct map_body, path);
	char *path = (char *)body + head;
	struct map_body map;

	if (size <= head || !has_end(path, size - head) || misc & MISC_MMAP_BUILD_ID)
		return false;
	memcpy(&map, body, head);
	if (!map.length || map.start + map.length < map.start)
		return false;
	ret->pid = map.pid;
	ret->tid = map.tid;
	ret->generation = map.generation;
	ret->mapping = (struct map_entry){
		.start = map.start,
		.end = map.start + map.length,
		.offset = map.offset,
		.inode = map.inode,
		.dev_major = map.major,
		.dev_minor = map.minor,
		.executable = true,
	};
	ret->mapping.path = path_of(path, map.inode, &ret->mapping.deleted);
	ret->kind = misc & PERF_RECORD_MISC_MMAP_DATA ? RECORD_OTHER : RECORD_MAP;
	return true;
}

static bool parse_lost(const uint8_t *body, size_t size, struct process_record *ret)
{
	struct lost_body lost;

	if (size < sizeof(lost))
		return false;
	memcpy(&lost, body, sizeof(lost));
	ret->lost = lost.lost;
	return true;
}

static enum process_record_kind kind_of(uint32_t type)
{
	switch (type) {
	case PERF_RECORD_FORK:
		return RECORD_FORK;
	case PERF_RECORD_EXIT:
		return RECORD_EXIT;
	case PERF_RECORD_COMM:
		return RECORD_EXEC;
	case PERF_RECORD_MMAP2:
		return RECORD_MAP;
	case PERF_RECORD_LOST:
		return RECORD_LOST;
	default:
		return RECORD_OTHER;
	}
}

bool process_record_parse(uint8_t *record, size_t size, struct process_record *ret)
{
	struct perf_event_header header;

	*ret = (struct process_record){0};
	if (size < sizeof(header) + TIME_SIZE)
		return false;
	memcpy(&header, record, sizeof(header));
	if (header.size != size)
		return false;
	memcpy(&ret->at_ns, record + size - TIME_SIZE, TIME_SIZE);
	uint8_t *body = record + sizeof(header);

	size -= sizeof(header) + TIME_SIZE;
	ret->kind = kind_of(header.type);
	switch (ret->kind) {
	case RECORD_FORK:
	case RECORD_EXIT:
		return parse_task(body, size, ret);
	case RECORD_EXEC:
		return parse_comm(body, size, header.misc, ret);
	case RECORD_MAP:
		return parse_map(body, size, header.misc, ret);
	case RECORD_LOST:
		return parse_lost(body, size, ret);
	case RECORD_OTHER:
		break;
	}
	return true;
}

/* Up to 8 bytes at a position that is a multiple of 8: never around the end. */
static void read_word(const struct record_ring *ring, uint64_t at, void *word)
{
	memcpy(word, ring->data + (at & (ring->size - 1)), sizeof(uint64_t));
}

int record_ring_peek(const struct record_ring *ring, uint64_t *ret_at_ns)
{
	struct perf_event_header header;
	uint64_t left = ring->end - ring->at;

	_Static_assert(sizeof(header) == sizeof(uint64_t), "read as a word");
	if (!left)
		return 0;
	if (left > ring->size || left < sizeof(header) + TIME_SIZE)
		return -EINVAL;
	read_word(ring, ring->at, &header);
	if (header.size < sizeof(header) + TIME_SIZE || header.size & ALIGN_MASK ||
		header.size > left)
		return -EINVAL;
	read_word(ring, ring->at + header.size - TIME_SIZE, ret_at_ns);
	return header.size;
}

void record_ring_take(struct record_ring *ring, size_t size, uint8_t *record)
{
	size_t from = ring->at & (ring->size - 1), first = MIN(size, ring->size - from);

	memcpy(record, ring->data + from, first);
	memcpy(record + first, ring->data, size - first);
	ring->at += size;
}
