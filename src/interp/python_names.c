// SPDX-License-Identifier: Apache-2.0
/*
 * A code object is read twice, before and after its strings and its table: if it has been freed in between and
 * its memory taken for something else, the check words differ and nothing of it is used. The check word of
 * the record, made in the kernel at the tick, does the same for the time since.
 *
 * A str holds its characters behind its header, one, two or four bytes each. How many is in a word of flags
 * that has been moved from version to version, and is told by its values: the kind is never 0.
 *
 *	| interned:2 | kind:3 | compact ascii ...     to 3.13
 *	| interned:8 | kind:3 | ...                   3.13 without a GIL
 *	| interned:16 | kind:3 | ...                  from 3.14
 */
#include "interp/python_names.h"

#include <errno.h>
#include <string.h>

#include "base/scratch.h"
#include "base/text.h"
#include "base/utf8.h"
#include "interp/python_lines.h"

#define INTERP_INLINE static inline __attribute__((unused))

static inline int interp_read(const struct interp_memory *memory, void *to, uint32_t size,
	uint64_t from)
{
	return memory_read(memory, from, to, size) < 0;
}

#include "bpf/python_walk.h"

#define MAX_TABLE                                                                                  \
	(1u << 20) /* bytes of line table; the largest generated modules have some 100 KiB */
#define CODE_SPAN 512 /* bytes of a code object that what we read lies in: some 90 */
#define HEAD      256 /* of strings and tables: most have no more */
#define TABLE     4096 /* of line tables: of those that need no memory of their own */
#define ASCII     2 /* bits above kind */
#define COMPACT   1

struct code {
	uint64_t name, qualified_name, file, line_table;
	uint32_t first_line, check;
};

/* All at once: they are near each other. */
static int read_code(const struct python_offsets *o, const struct interp_memory *memory,
	uint64_t at, struct code *ret)
{
	const uint16_t qualified =
		o->code_qualified_name ? o->code_qualified_name : o->walk.code_name;
	const uint16_t words[] = {o->walk.code_name, o->code_file, o->walk.code_line_table,
		qualified};
	uint8_t data[CODE_SPAN];
	uint64_t values[ARRAY_SIZE(words)];
	size_t begin = o->walk.code_first_line, end = begin + sizeof(uint32_t);

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		begin = MIN(begin, (size_t)words[i]);
		end = MAX(end, words[i] + sizeof(values[i]));
	}
	if (end - begin > sizeof(data))
		return -EINVAL;
	int r = memory_read(memory, at + begin, data, end - begin);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		memcpy(&values[i], data + (words[i] - begin), sizeof(values[i]));
	struct code c = {values[0], values[3], values[1], values[2], 0, 0};

	memcpy(&c.first_line, data + (o->walk.code_first_line - begin), sizeof(c.first_line));
	c.check = python_check(c.name, c.line_table, c.first_line);
	*ret = c;
	return 0;
}

static unsigned kind_of(uint32_t state, unsigned *ret_flags)
{
	static const unsigned shifts[] = {2, 8, 16};

	for (size_t i = 0; i < ARRAY_SIZE(shifts); i++) {
		unsigned kind = state >> shifts[i] & 7;

		*ret_flags = state >> (shifts[i] + 3) & 3;
		if (kind)
			return kind;
	}
	return 0;
}

static void add_characters(struct strbuf *out, const uint8_t *data, size_t count, unsigned width)
{
	for (size_t i = 0; i < count; i++) {
		char encoded[UTF8_MAX];
		uint32_t c = 0;

		memcpy(&c, data + i * width, width);
		/* Surrogates and what is beyond Unicode: the escaping shows them. */
		if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
			strbuf_add_char(out, '\xff');
		else
			strbuf_add(out, encoded, utf8_encode(encoded, c));
	}
}

/* What an object begins with, and mostly the whole of it, by one read. */
struct head {
	uint64_t at;
	size_t len; /* 0 where so much is not there */
	uint8_t bytes[HEAD];
};

static void read_head(const struct interp_memory *memory, uint64_t at, struct head *ret)
{
	ret->at = at;
	ret->len = memory_read(memory, at, ret->bytes, sizeof(ret->bytes)) < 0 ? 0 : HEAD;
}

/* Of the object, from its head if it is there. */
static int read_from(const struct interp_memory *memory, const struct head *head, size_t offset,
	void *to, size_t size)
{
	if (offset > head->len || size > head->len - offset)
		return memory_read(memory, head->at + offset, to, size);
	memcpy(to, head->bytes + offset, size);
	return 0;
}

static int read_text(const struct python_offsets *o, const struct interp_memory *memory,
	uint64_t at, struct strbuf *out)
{
	struct strbuf raw cleanup_strbuf = STRBUF_INIT;
	uint8_t data[4 * INTERP_NAME_MAX];
	struct head head;
	uint64_t length = 0;
	uint32_t state;
	unsigned flags = 0;

	strbuf_reset(out);
	read_head(memory, at, &head);
	int r = read_from(memory, &head, o->text_length, &length, sizeof(length));

	if (r == 0)
		r = read_from(memory, &head, o->text_state, &state, sizeof(state));
	if (r < 0)
		return r;
	unsigned width = kind_of(state, &flags);

	if ((width != 1 && width != 2 && width != 4) || !(flags & COMPACT) || length > INT32_MAX)
		return -EINVAL;
	size_t count = (size_t)MIN(length, (uint64_t)INTERP_NAME_MAX);

	r = read_from(memory, &head, flags & ASCII ? o->text_ascii : o->text_compact, data,
		count * width);
	if (r < 0)
		return r;
	add_characters(&raw, data, count, width);
	text_add_safe(out, raw.buf, raw.len, INTERP_NAME_MAX);
	return 0;
}

static uint32_t read_line(const struct python_offsets *o, const struct interp_memory *memory,
	const struct code *code, uint32_t at)
{
	struct scratch large cleanup_scratch = {0};
	uint8_t small[TABLE], *table = small;
	struct head head;
	uint64_t size = 0;

	if (at == INTERP_AT_UNKNOWN)
		return code->first_line;
	read_head(memory, code->line_table, &head);
	if (read_from(memory, &head, o->bytes_size, &size, sizeof(size)) < 0 || !size ||
		size > MAX_TABLE)
		return code->first_line;
	if (size > sizeof(small)) {
		scratch_grow(&large, size);
		table = large.data;
	}
	if (read_from(memory, &head, o->bytes_data, table, size) < 0)
		return code->first_line;
	return python_line(o->lines, table, size, code->first_line, at);
}

int python_name_read(const struct python_offsets *offsets, const struct interp_memory *memory,
	const struct interp_frame *frame, struct interp_name *ret)
{
	struct code before = {0}, after = {0};
	int r = read_code(offsets, memory, frame->code, &before);

	if (r < 0)
		return r;
	if (frame->check && frame->check != before.check)
		return -ESTALE;
	if (!ret->only_line)
		r = read_text(offsets, memory, before.qualified_name, &ret->function);
	if (r == 0 && !ret->only_line)
		r = read_text(offsets, memory, before.file, &ret->file);
	if (r < 0)
		return r;
	ret->first_line = before.first_line;
	ret->line = read_line(offsets, memory, &before, frame->at);
	r = read_code(offsets, memory, frame->code, &after);
	if (r < 0 || after.check != before.check)
		return r < 0 ? r : -ESTALE;
	/* Shims: what calls __init__ and cleans up after it, for one. */
	return before.first_line == 0 && ret->line == 0 ? -ENOENT : 0;
}
