// SPDX-License-Identifier: Apache-2.0
/*
 * What the kernel writes into a perf ring about the life of processes (perf_event_open(2)): from bytes to
 * values. Knows no descriptors.
 */
#ifndef PROFILER_PROCESS_RECORDS_H
#define PROFILER_PROCESS_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proc/maps.h"

#define PROCESS_RECORD_MAX 65536 /* a record's size has 16 bits */

enum process_record_kind {
	RECORD_OTHER, /* of no interest */
	RECORD_FORK, /* also of a thread */
	RECORD_EXEC,
	RECORD_MAP, /* executable */
	RECORD_EXIT, /* of a thread */
	RECORD_LOST,
};

struct process_record {
	enum process_record_kind kind;
	uint32_t pid; /* thread group id */
	uint32_t tid;
	uint32_t parent; /* of RECORD_FORK: the thread group that called */
	uint64_t at_ns; /* CLOCK_BOOTTIME */
	uint64_t lost; /* records, of RECORD_LOST */
	uint64_t generation; /* of RECORD_MAP: of the inode, 0 where the file system has none */
	struct map_entry mapping; /* of RECORD_MAP */
	const char *comm; /* of RECORD_EXEC */
};

/*
 * Parses one whole record, whose strings may be cut in place; what is in *ret points into it. False
 * where the bytes are none. Each record ends with its time: the attribute has sample_id_all and PERF_SAMPLE_TIME.
 */
bool process_record_parse(uint8_t *record, size_t size, struct process_record *ret);

/* The unread part of a ring; positions only grow. size is a power of two, data aligned to 8. */
struct record_ring {
	const uint8_t *data;
	size_t size;
	uint64_t at, end;
};

/*
 * The size of the record at the front and its time, without taking it. 0 where nothing is left, -EINVAL where the
 * bytes there cannot be a record: then nothing up to the end can be read.
 */
int record_ring_peek(const struct record_ring *ring, uint64_t *ret_at_ns);
/* Takes the record of `size` bytes at the front; `record` has room for it. */
void record_ring_take(struct record_ring *ring, size_t size, uint8_t *record);

#endif
