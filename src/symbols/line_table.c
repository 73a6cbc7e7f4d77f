// SPDX-License-Identifier: Apache-2.0
/*
 * .debug_line is a row of units, each with a program for a small machine that makes rows of (address, file,
 * line), in sequences of rising addresses (DWARF 5, 6.2):
 *
 *	unit: header | directories | files | program: row row ... end of sequence, row ... end of sequence
 *
 * All programs are run once, to see which unit has which sequence; nothing but these ranges is kept. To
 * answer, the unit's program is run again up to the address.
 *
 * An own parser and not libdw: this reads files of strangers in the agent's process, wants four sections of
 * the file and no other file, and is bounded by what it is given.
 */
#include "symbols/line_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cursor.h"
#include "base/scratch.h"
#include "symbols/elf_section.h"

/* Of one file; a sequence is a unit's, or with -ffunction-sections a function's. */
#define MAX_RANGES  (1u << 20)
/* Kinds of columns in the tables of files of DWARF 5; compilers write two or three. */
#define MAX_COLUMNS 16
/* Of one path, with its directory. */
#define MAX_PATH    4096

enum {
	DW_LNS_COPY = 1,
	DW_LNS_ADVANCE_PC,
	DW_LNS_ADVANCE_LINE,
	DW_LNS_SET_FILE,
	DW_LNS_SET_COLUMN,
	DW_LNS_NEGATE_STMT,
	DW_LNS_SET_BASIC_BLOCK,
	DW_LNS_CONST_ADD_PC,
	DW_LNS_FIXED_ADVANCE_PC,
};
enum { DW_LNE_END_SEQUENCE = 1, DW_LNE_SET_ADDRESS = 2 };
enum { DW_LNCT_PATH = 1, DW_LNCT_DIRECTORY = 2 };
enum {
	DW_FORM_DATA2 = 0x05,
	DW_FORM_DATA4 = 0x06,
	DW_FORM_DATA8 = 0x07,
	DW_FORM_STRING = 0x08,
	DW_FORM_BLOCK = 0x09,
	DW_FORM_DATA1 = 0x0b,
	DW_FORM_STRP = 0x0e,
	DW_FORM_UDATA = 0x0f,
	DW_FORM_DATA16 = 0x1e,
	DW_FORM_LINE_STRP = 0x1f,
};

enum line_section { LINE, LINE_STRINGS, STRINGS, SECTIONS };

struct range {
	uint64_t start, end;
	uint64_t unit; /* its offset */
};

struct line_table {
	struct scratch bytes[SECTIONS];
	size_t size[SECTIONS];
	struct range *ranges; /* by start */
	size_t count, capacity;
};

struct unit {
	uint64_t offset;
	uint16_t version;
	bool is_64; /* of DWARF, not of the machine */
	uint8_t address_size, unit_of_code, opcode_base, line_range;
	int8_t line_base;
	const uint8_t *lengths; /* of the standard opcodes' operands */
	struct cursor tables, program;
};

struct row {
	uint64_t address;
	uint32_t file, line;
	bool end; /* of a sequence */
};

static uint64_t get_offset(struct cursor *c, bool is_64)
{
	return is_64 ? cursor_u64(c) : cursor_u32(c);
}

/* The unit at the cursor, which moves behind it. False where it is none that we know. */
static bool read_unit(struct cursor *c, uint64_t offset, struct unit *ret)
{
	uint64_t length = cursor_u32(c);
	struct unit u = {.offset = offset, .is_64 = length == UINT32_MAX, .address_size = 8};

	if (u.is_64)
		length = cursor_u64(c);
	if (length > c->left) {
		c->failed = true;
		return false;
	}
	struct cursor in = cursor_over(cursor_take(c, (size_t)length), (size_t)length);

	u.version = cursor_u16(&in);
	if (u.version < 2 || u.version > 5)
		return false;
	if (u.version == 5) {
		u.address_size = cursor_u8(&in);
		cursor_u8(&in); /* of segment selectors */
	}
	uint64_t header = get_offset(&in, u.is_64);

	if (header > in.left)
		return false;
	u.program = cursor_over(in.next + header, in.left - (size_t)header);
	in.left = (size_t)header;
	u.unit_of_code = cursor_u8(&in);
	if (u.version >= 4)
		cursor_u8(&in); /* operations per instruction: of VLIW machines */
	cursor_u8(&in); /* whether rows are statements at first */
	u.line_base = (int8_t)cursor_u8(&in);
	u.line_range = cursor_u8(&in);
	u.opcode_base = cursor_u8(&in);
	u.lengths = cursor_take(&in, u.opcode_base ? u.opcode_base - 1u : 0);
	u.tables = in;
	*ret = u;
	return !in.failed && u.line_range && u.opcode_base;
}

typedef bool (*row_fn)(void *ctx, const struct row *row);

/* False where the program ends here: the visitor has seen enough. */
static bool extended(struct cursor *c, struct row *row, row_fn visit, void *ctx)
{
	uint64_t len = cursor_uleb128(c);
	const uint8_t *bytes = len <= c->left ? cursor_take(c, (size_t)len) : NULL;

	if (!bytes || !len)
		return false;
	if (bytes[0] == DW_LNE_END_SEQUENCE) {
		row->end = true;
		if (!visit(ctx, row))
			return false;
		*row = (struct row){.file = 1, .line = 1};
	} else if (bytes[0] == DW_LNE_SET_ADDRESS && (len == 9 || len == 5)) {
		struct cursor address = cursor_over(bytes + 1, (size_t)len - 1);

		row->address = len == 9 ? cursor_u64(&address) : cursor_u32(&address);
	}
	return true;
}

static bool standard(const struct unit *u, uint8_t opcode, struct cursor *c, struct row *row,
	row_fn visit, void *ctx)
{
	switch (opcode) {
	case DW_LNS_COPY:
		return visit(ctx, row);
	case DW_LNS_ADVANCE_PC:
		row->address += cursor_uleb128(c) * u->unit_of_code;
		return true;
	case DW_LNS_ADVANCE_LINE:
		row->line += (uint32_t)cursor_sleb128(c);
		return true;
	case DW_LNS_SET_FILE:
		row->file = (uint32_t)cursor_uleb128(c);
		return true;
	case DW_LNS_CONST_ADD_PC:
		row->address +=
			(uint64_t)((255 - u->opcode_base) / u->line_range) * u->unit_of_code;
		return true;
	case DW_LNS_FIXED_ADVANCE_PC:
		row->address += cursor_u16(c);
		return true;
	default:
		for (uint8_t n = u->lengths[opcode - 1]; n; n--)
			cursor_uleb128(c);
		return true;
	}
}

static void run(const struct unit *u, row_fn visit, void *ctx)
{
	struct cursor c = u->program;
	struct row row = {.file = 1, .line = 1};
	bool more = true;

	while (more && c.left && !c.failed) {
		uint8_t opcode = cursor_u8(&c);

		if (opcode >= u->opcode_base) {
			int step = opcode - u->opcode_base;

			row.address += (uint64_t)(step / u->line_range) * u->unit_of_code;
			row.line += (uint32_t)(u->line_base + step % u->line_range);
			more = visit(ctx, &row);
		} else if (opcode) {
			more = standard(u, opcode, &c, &row, visit, ctx);
		} else {
			more = extended(&c, &row, visit, ctx);
		}
	}
}

struct indexing {
	struct line_table *t;
	const struct elf_image *image;
	uint64_t unit, start;
	bool inside; /* a sequence */
};

static bool visit_for_index(void *ctx, const struct row *row)
{
	struct indexing *x = ctx;
	struct line_table *t = x->t;

	if (!x->inside) {
		x->start = row->address;
		x->inside = true;
	}
	if (!row->end)
		return true;
	x->inside = false;
	/* What the linker threw away is left at 0 or thereabouts. */
	if (row->address <= x->start || !elf_image_is_code(x->image, x->start))
		return true;
	struct range *last = t->count ? &t->ranges[t->count - 1] : NULL;

	if (last && last->unit == x->unit && last->end == x->start) {
		last->end = row->address;
		return true;
	}
	if (t->count == MAX_RANGES)
		return false;
	if (t->count == t->capacity) {
		t->capacity = grow_capacity(t->capacity, t->count + 1);
		t->ranges = xreallocarray(t->ranges, t->capacity, sizeof(t->ranges[0]));
	}
	t->ranges[t->count++] = (struct range){x->start, row->address, x->unit};
	return true;
}

static int by_start(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static void make_index(struct line_table *t, const struct elf_image *image)
{
	struct cursor c = cursor_over(t->bytes[LINE].data, t->size[LINE]);

	while (c.left && !c.failed) {
		struct unit u;
		uint64_t offset = t->size[LINE] - c.left;
		struct indexing x = {.t = t, .image = image, .unit = offset};

		if (read_unit(&c, offset, &u))
			run(&u, visit_for_index, &x);
	}
	if (t->count)
		qsort(t->ranges, t->count, sizeof(t->ranges[0]), by_start);
}

int line_table_new(const struct elf_file *file, size_t max_bytes, struct line_table **ret)
{
	static const char *const names[SECTIONS] = {".debug_line", ".debug_line_str", ".debug_str"};
	struct elf_section sections[SECTIONS];
	int r = elf_sections_find(&file->source, names, SECTIONS, sections);

	if (r < 0)
		return r;
	struct line_table *t = xcalloc(1, sizeof(*t));

	r = elf_section_read(&file->source, &sections[LINE], max_bytes, &t->bytes[LINE],
		&t->size[LINE]);
	if (r < 0) {
		line_table_free(t);
		return r;
	}
	/* Where the strings cannot be had, files that are named there are not known. */
	for (size_t i = LINE_STRINGS; i < SECTIONS; i++) {
		max_bytes -= t->size[i - 1];
		if (elf_section_read(&file->source, &sections[i], max_bytes, &t->bytes[i],
			    &t->size[i]) < 0)
			t->size[i] = 0;
	}
	make_index(t, &file->image);
	*ret = t;
	return 0;
}

void line_table_free(struct line_table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < SECTIONS; i++)
		scratch_release(&t->bytes[i]);
	free(t->ranges);
	free(t);
}

size_t line_table_bytes(const struct line_table *t)
{
	return t->size[LINE] + t->size[LINE_STRINGS] + t->size[STRINGS];
}

/* A NUL-terminated string at the cursor; NULL where it does not end. */
static const char *get_string(struct cursor *c)
{
	const uint8_t *end = c->failed || !c->left ? NULL : memchr(c->next, '\0', c->left);

	return (const char *)cursor_take(c, end ? (size_t)(end - c->next) + 1 : c->left + 1);
}

static const char *string_in(const struct line_table *t, enum line_section section, uint64_t offset)
{
	struct cursor c = cursor_over(t->bytes[section].data, t->size[section]);

	if (offset >= c.left)
		return NULL;
	cursor_take(&c, (size_t)offset);
	c.left = MIN(c.left, (size_t)MAX_PATH); /* many may be at one place that has no end */
	return get_string(&c);
}

struct entry {
	const char *path;
	uint64_t directory;
};

static void skip_block(struct cursor *c, uint64_t len)
{
	cursor_take(c, len <= c->left ? (size_t)len : c->left + 1);
}

/* One column of one entry of DWARF 5, which is passed over where ret is NULL. */
static void read_column(const struct line_table *t, const struct unit *u, struct cursor *c,
	const uint64_t column[2], struct entry *ret)
{
	uint64_t number = 0;
	const char *text = NULL;

	if (!ret && (column[1] == DW_FORM_LINE_STRP || column[1] == DW_FORM_STRP)) {
		get_offset(c, u->is_64);
		return;
	}
	switch (column[1]) {
	case DW_FORM_STRING:
		text = get_string(c);
		break;
	case DW_FORM_LINE_STRP:
		text = string_in(t, LINE_STRINGS, get_offset(c, u->is_64));
		break;
	case DW_FORM_STRP:
		text = string_in(t, STRINGS, get_offset(c, u->is_64));
		break;
	case DW_FORM_UDATA:
		number = cursor_uleb128(c);
		break;
	case DW_FORM_DATA1:
		number = cursor_u8(c);
		break;
	case DW_FORM_DATA2:
		number = cursor_u16(c);
		break;
	case DW_FORM_DATA4:
		number = cursor_u32(c);
		break;
	case DW_FORM_DATA8:
		number = cursor_u64(c);
		break;
	case DW_FORM_DATA16:
		cursor_take(c, 16);
		break;
	case DW_FORM_BLOCK:
		skip_block(c, cursor_uleb128(c));
		break;
	default:
		c->failed = true;
	}
	if (ret && column[0] == DW_LNCT_PATH)
		ret->path = text;
	else if (ret && column[0] == DW_LNCT_DIRECTORY)
		ret->directory = number;
}

/* Entry number `want` of the table at the cursor, which moves behind the table if want is beyond it. */
static bool find_entry_5(const struct line_table *t, const struct unit *u, struct cursor *c,
	uint64_t want, struct entry *ret)
{
	uint64_t columns[MAX_COLUMNS][2];
	size_t column_count = cursor_u8(c);
	bool found = false;

	if (column_count > MAX_COLUMNS) {
		c->failed = true;
		return false;
	}
	for (size_t i = 0; i < column_count; i++) {
		columns[i][0] = cursor_uleb128(c);
		columns[i][1] = cursor_uleb128(c);
	}
	uint64_t count = cursor_uleb128(c);

	for (uint64_t i = 0; i < count && column_count && !c->failed; i++) {
		struct entry entry = {0};

		for (size_t k = 0; k < column_count; k++)
			read_column(t, u, c, columns[k], i == want ? &entry : NULL);
		if (i == want && !c->failed) {
			*ret = entry;
			found = true;
		}
	}
	return found;
}

static bool add_path(struct strbuf *out, const char *outer, const char *inner, const char *name)
{
	const char *parts[] = {outer, inner, name};
	size_t first = 0;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (parts[i] && parts[i][0] == '/')
			first = i;
	size_t start = out->len;

	for (size_t i = first; i < ARRAY_SIZE(parts); i++) {
		if (!parts[i] || !*parts[i])
			continue;
		if (out->len > start && out->buf[out->len - 1] != '/')
			strbuf_add_char(out, '/');
		strbuf_add(out, parts[i], strnlen(parts[i], MAX_PATH));
	}
	return true;
}

static bool path_5(const struct line_table *t, const struct unit *u, uint32_t file,
	struct strbuf *out)
{
	struct entry entry = {0}, directory = {0}, compilation = {0};
	struct cursor c = u->tables, again = u->tables;

	find_entry_5(t, u, &c, 0, &compilation);
	if (!find_entry_5(t, u, &c, file, &entry) || !entry.path)
		return false;
	if (entry.directory)
		find_entry_5(t, u, &again, entry.directory, &directory);
	return add_path(out, compilation.path, directory.path, entry.path);
}

/* | directory, NUL ... NUL | file, NUL, directory, time, length ... NUL |, both numbered from 1 */
static bool path_2(const struct unit *u, uint32_t file, struct strbuf *out)
{
	struct cursor c = u->tables;
	const char *name, *directory = NULL;
	uint64_t want = 0;

	while ((name = get_string(&c)) && *name)
		;
	for (uint32_t i = 1; (name = get_string(&c)) && *name && i < file; i++)
		for (int k = 0; k < 3; k++)
			cursor_uleb128(&c);
	if (!name || !*name || !file)
		return false;
	want = cursor_uleb128(&c);
	c = u->tables;
	for (uint64_t i = 1; i <= want && (directory = get_string(&c)) && *directory; i++)
		;
	return add_path(out, NULL, want ? directory : NULL, name);
}

struct asking {
	uint64_t address;
	struct row before; /* the last row of this sequence */
	bool inside, found;
};

static bool visit_for_address(void *ctx, const struct row *row)
{
	struct asking *a = ctx;

	if (a->inside && a->before.address <= a->address && a->address < row->address) {
		a->found = true;
		return false;
	}
	a->before = *row;
	a->inside = !row->end;
	return true;
}

bool line_table_find(const struct line_table *t, uint64_t address, struct strbuf *file,
	struct source_line *ret)
{
	size_t lo = 0, hi = t->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (t->ranges[mid].start <= address)
			lo = mid + 1;
		else
			hi = mid;
	}
	*ret = (struct source_line){0};
	if (!lo || address >= t->ranges[lo - 1].end)
		return false;
	uint64_t offset = t->ranges[lo - 1].unit;
	struct cursor c = cursor_over((const uint8_t *)t->bytes[LINE].data + offset,
		t->size[LINE] - (size_t)offset);
	struct asking a = {.address = address};
	struct unit u;

	if (!read_unit(&c, offset, &u))
		return false;
	ret->work = u.program.left + u.tables.left;
	run(&u, visit_for_address, &a);
	if (!a.found || !a.before.line)
		return false;
	ret->line = a.before.line;
	return u.version == 5 ? path_5(t, &u, a.before.file, file)
			      : path_2(&u, a.before.file, file);
}
