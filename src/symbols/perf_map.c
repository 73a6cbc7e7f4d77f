// SPDX-License-Identifier: Apache-2.0
/*
 *	7f3a1c002040 1c0 LazyCompile:*add /srv/app.js:12
 *	START SIZE NAME, hexadecimal, until the newline (Linux: tools/perf/Documentation/jit-interface.txt)
 *
 * What is kept of a line is its range and where it is; the name is read when it is asked for, and counts
 * only if the line still says that it covers the address.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/scratch.h"
#include "symbols/jit_file.h"

#define CHUNK       65536
#define READ_MAX    (8 << 20)
#define BATCH       65536
/* node --perf-basic-prof writes some 5 MB in a day. */
#define FILE_MAX    (64 << 20)
/* Of a line, to be read and to be put in order. */
#define LINE_WORK   12
#define BYTES_WORK  64 /* as many as one */
#define NUMBERS_MAX 40 /* "0x" and 16 digits, twice, and blanks */

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Up to 16 hexadecimal digits and blanks, at most to `end`. */
static const char *take_hex(const char *p, const char *end, uint64_t *ret)
{
	int digits = 0;

	*ret = 0;
	if (end - p > 2 && p[0] == '0' && (p[1] == 'x' || p[1] == 'X'))
		p += 2;
	for (; p < end && digit_of(*p) >= 0; p++, digits++)
		*ret = *ret << 4 | (uint64_t)digit_of(*p);
	if (digits < 1 || digits > 16 || p == end || *p != ' ')
		return NULL;
	while (p < end && *p == ' ')
		p++;
	return p;
}

/* Where the name begins, NULL where the line is none. */
static const char *parse_line(const char *p, const char *end, struct jit_range *ret)
{
	uint64_t size, last;

	p = take_hex(p, end, &ret->start);
	p = p ? take_hex(p, end, &size) : NULL;
	if (!p || p == end || !size || size > UINT32_MAX ||
		__builtin_add_overflow(ret->start, size, &last))
		return NULL;
	ret->size = (uint32_t)size;
	return p;
}

struct batch {
	struct jit_range *list;
	size_t count;
};

static int flush(struct jit_reading *r, struct batch *batch)
{
	if (r->map.count + batch->count > JIT_RANGES_MAX)
		return -E2BIG;
	if (batch->count)
		r->work += r->map.count + LINE_WORK * batch->count;
	jit_map_add(&r->map, batch->list, batch->count);
	batch->count = 0;
	return 0;
}

/* The complete lines of a chunk. Returns how many bytes that are, or -errno. */
static ssize_t take_lines(struct jit_reading *r, struct batch *batch, const char *chunk, size_t len)
{
	const char *at = chunk, *end = chunk + len, *newline;

	for (; (newline = memchr(at, '\n', (size_t)(end - at))); at = newline + 1) {
		struct jit_range range = {.name = (uint32_t)(r->offset + (uint64_t)(at - chunk))};

		if (!parse_line(at, newline, &range))
			continue;
		batch->list[batch->count++] = range;
		if (batch->count == BATCH) {
			int err = flush(r, batch);

			if (err < 0)
				return err;
		}
	}
	if (at == chunk && len == CHUNK)
		return CHUNK; /* no line is so long; what is left of it will be none either */
	return at - chunk;
}

static int read_lines(const struct byte_source *source, struct jit_reading *r, struct batch *batch)
{
	uint64_t stop = r->offset + READ_MAX, work_stop = r->work + JIT_READ_WORK;
	struct scratch chunk cleanup_scratch = {0};
	ssize_t taken = 1;

	scratch_grow(&chunk, CHUNK);
	while (r->offset < source->size && taken > 0) {
		size_t len = (size_t)MIN(source->size - r->offset, (uint64_t)CHUNK);

		if (r->offset >= stop || r->work >= work_stop)
			return -EAGAIN;
		int err = byte_source_read(source, r->offset, chunk.data, len);

		if (err < 0)
			return err;
		r->work += len / BYTES_WORK;
		taken = take_lines(r, batch, chunk.data, len);
		if (taken < 0)
			return (int)taken;
		r->offset += (uint64_t)taken;
	}
	return 0;
}

static int perf_map_read(const struct byte_source *source, struct jit_reading *r)
{
	struct scratch memory cleanup_scratch = {0};
	struct batch batch = {0};

	if (r->offset >= source->size)
		return 0;
	scratch_grow(&memory, BATCH * sizeof(batch.list[0]));
	batch.list = memory.data;
	int err = read_lines(source, r, &batch);
	int last = flush(r, &batch);

	return err < 0 ? err : last;
}

static int perf_map_name(const struct byte_source *source, uint32_t name, uint64_t address,
	struct strbuf *out)
{
	char line[NUMBERS_MAX + JIT_NAME_MAX];
	size_t len = name < source->size ? (size_t)MIN(source->size - name, sizeof(line)) : 0;
	struct jit_range range;

	if (!len || byte_source_read(source, name, line, len) < 0)
		return -ENOENT;
	const char *newline = memchr(line, '\n', len), *end = newline ? newline : line + len;
	const char *text = parse_line(line, end, &range);

	if (!text || address < range.start || address - range.start >= range.size)
		return -ENOENT;
	size_t text_len = strnlen(text, (size_t)(end - text));

	strbuf_add(out, text, MIN(text_len, (size_t)JIT_NAME_MAX));
	return text_len ? 0 : -ENOENT;
}

const struct jit_format perf_map_format = {
	.origin = NAME_PERF_MAP,
	.max_bytes = FILE_MAX,
	.read = perf_map_read,
	.name = perf_map_name,
};
