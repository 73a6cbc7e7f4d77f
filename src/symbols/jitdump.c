// SPDX-License-Identifier: Apache-2.0
/*
 * Linux: tools/perf/Documentation/jitdump-specification.txt, version 1:
 *
 *	| "DTiJ" version header_size machine pad pid time flags | record | record | ...
 *	record: | id, size | time | body |        load: | pid tid vma address size index | name\0 | code |
 *	                                          move: | pid tid vma from to size index |
 *
 * Only heads of records are read; the code itself, which is most of the file, is passed over. A moved function
 * has the name of the load record that the old address belonged to. After a close record the runtime
 * writes no more.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "symbols/jit_file.h"

#define MAGIC       0x4A695444u /* in the byte order of who wrote it: ours */
#define VERSION     1
#define HEADER_MIN  40
#define HEADER_MAX  4096
#define RECORD_WORK 64 /* of a record, which is read by system calls */
#define FIND_WORK   8 /* as many are looked at as one is copied */
#define BATCH       1024
/* The file holds all code, too; offsets of names have 32 bits. */
#define FILE_MAX    (UINT64_C(1) << 30)

enum { RECORD_LOAD = 0, RECORD_MOVE = 1, RECORD_CLOSE = 3 };

struct header {
	uint32_t magic, version, size, machine, pad, pid;
	uint64_t time, flags;
};
_Static_assert(sizeof(struct header) == HEADER_MIN, "as perf has it");

struct record {
	uint32_t id, size;
	uint64_t time;
};

struct load {
	uint32_t pid, tid;
	uint64_t vma, address, size, index;
};

struct move {
	uint32_t pid, tid;
	uint64_t vma, from, to, size, index;
};

struct reader {
	const struct byte_source *source;
	struct jit_reading *r;
	struct jit_range batch[BATCH];
	size_t count;
};

static int flush(struct reader *reader)
{
	if (reader->count)
		reader->r->work += reader->r->map.count + reader->count;
	if (reader->r->map.count + reader->count > JIT_RANGES_MAX)
		return -E2BIG;
	jit_map_add(&reader->r->map, reader->batch, reader->count);
	reader->count = 0;
	return 0;
}

static int add(struct reader *reader, uint64_t start, uint64_t size, uint32_t name)
{
	uint64_t end;

	if (!size || size > UINT32_MAX || __builtin_add_overflow(start, size, &end))
		return 0; /* of no use */
	reader->batch[reader->count++] = (struct jit_range){start, (uint32_t)size, name};
	return reader->count == BATCH ? flush(reader) : 0;
}

static int read_header(const struct byte_source *source, struct jit_reading *r)
{
	struct header h;

	if (source->size < sizeof(h))
		return source->size ? -EBUSY : -ENODATA; /* being written */
	int err = byte_source_read(source, 0, &h, sizeof(h));

	if (err < 0)
		return err;
	if (h.magic != MAGIC || h.version != VERSION || h.size < HEADER_MIN || h.size > HEADER_MAX)
		return -ENOEXEC;
	r->offset = h.size;
	return 0;
}

/* What was told last of the address, be it among the others yet or not. */
static const struct jit_range *find(struct reader *reader, uint64_t address)
{
	reader->r->work += reader->count / FIND_WORK;
	for (size_t i = reader->count; i-- > 0;)
		if (address - reader->batch[i].start < reader->batch[i].size)
			return &reader->batch[i];
	return jit_map_find(&reader->r->map, address);
}

static int take_move(struct reader *reader, uint64_t at, size_t size)
{
	struct move m;

	if (size < sizeof(m) || byte_source_read(reader->source, at, &m, sizeof(m)) < 0)
		return 0;
	const struct jit_range *from = find(reader, m.from);

	return from ? add(reader, m.to, m.size, from->name) : 0;
}

static int take_load(struct reader *reader, uint64_t at, size_t size)
{
	struct load l;

	if (size < sizeof(l) || byte_source_read(reader->source, at, &l, sizeof(l)) < 0)
		return 0;
	return add(reader, l.address, l.size, (uint32_t)(at - sizeof(struct record)));
}

/* 1: taken, 0: not completely there yet, or none any more; -errno. */
static int take_record(struct reader *reader)
{
	uint64_t at = reader->r->offset, left = reader->source->size - at;
	struct record record;
	int err = 0;

	if (left < sizeof(record))
		return 0;
	err = byte_source_read(reader->source, at, &record, sizeof(record));
	if (err < 0)
		return err;
	if (record.size < sizeof(record))
		return -ENOEXEC;
	if (record.size > left || record.id == RECORD_CLOSE)
		return 0;
	if (record.id == RECORD_LOAD)
		err = take_load(reader, at + sizeof(record), record.size - sizeof(record));
	else if (record.id == RECORD_MOVE)
		err = take_move(reader, at + sizeof(record), record.size - sizeof(record));
	reader->r->offset += record.size;
	return err < 0 ? err : 1;
}

static int jitdump_read(const struct byte_source *source, struct jit_reading *r)
{
	struct reader reader = {.source = source, .r = r};
	uint64_t work_stop = r->work + JIT_READ_WORK;
	int err = r->offset ? 0 : read_header(source, r), more = 1;

	if (err == -EBUSY || err == -ENODATA)
		return 0;
	if (err < 0)
		return err;
	while (more > 0 && r->offset < source->size && r->work < work_stop) {
		r->work += RECORD_WORK;
		more = take_record(&reader);
	}
	err = flush(&reader);
	if (more < 0)
		return more;
	return err < 0 ? err : more && r->offset < source->size ? -EAGAIN : 0;
}

static int jitdump_name(const struct byte_source *source, uint32_t name, uint64_t address,
	struct strbuf *out)
{
	size_t head = sizeof(struct record) + sizeof(struct load);
	char text[JIT_NAME_MAX];
	struct record record;

	(void)address; /* a function that was moved has the name of its load record */
	if (byte_source_read(source, name, &record, sizeof(record)) < 0 ||
		record.id != RECORD_LOAD || record.size <= head ||
		record.size > source->size - name)
		return -ENOENT;
	size_t len = MIN(record.size - head, sizeof(text));

	if (byte_source_read(source, name + head, text, len) < 0)
		return -ENOENT;
	len = strnlen(text, len);
	strbuf_add(out, text, len);
	return len ? 0 : -ENOENT;
}

const struct jit_format jitdump_format = {
	.origin = NAME_JITDUMP,
	.max_bytes = FILE_MAX,
	.read = jitdump_read,
	.name = jitdump_name,
};
