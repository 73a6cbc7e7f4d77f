// SPDX-License-Identifier: Apache-2.0
/*
 * Functions of Go programs from .gopclntab, which the runtime needs itself and no strip takes away
 * (Go: src/cmd/link/internal/ld/pcln.go, src/runtime/symtab.go, src/debug/gosym/pclntab.go):
 *
 *	header | function names | ... | functab: (pc, offset of func) ... pc of the end | func: entry, name ...
 *
 * Four layouts are in use. Since 1.18 a pc is relative to the start of the Go code, which the header gives;
 * since 1.26 the header has 0 there and only runtime.firstmoduledata knows it.
 *
 *	        magic       pc, offset    func.entry  names at       functab and funcs at
 *	1.2     fffffffb    uintptr       uintptr     the header     behind the count; the header
 *	1.16    fffffffa    uintptr       uintptr     header[2]      header[6]
 *	1.18    fffffff0    u32           u32         header[3]      header[7]
 *	1.20    fffffff1    u32           u32         header[3]      header[7]
 *
 * The section has its name only if the Go linker made the file. Where another did (cgo with
 * -buildmode=pie, as distributions build), the table lies in .data.rel.ro: the file is known to be Go by a
 * note, and its data are searched for a header whose first function says of itself what the table says.
 *
 * A name is known by its offset in the file, so that reading it needs none of this.
 */
#include "symbols/name_source.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/macros.h"
#include "base/scratch.h"
#include "symbols/elf_section.h"

/* Of one program; Kubernetes has 150,000. */
#define MAX_FUNCTIONS (2u << 20)
#define WINDOW        65536 /* read at once */
#define ALIGNMENT     8 /* of the table; the linker says 32, and 8 for some versions */
#define MAX_HEADER    (8 + 8 * sizeof(uint64_t))
/* What is searched for the table and for moduledata; the data of a program of 1 GiB. */
#define MAX_SEARCH    (UINT64_C(512) << 20)
/* Places that look like a header, of which each is looked into; programs have one. */
#define MAX_HEADERS   64
/* Through one window, which is filled anew wherever a table leads backwards. */
#define MAX_READ      (UINT64_C(1) << 30)

enum layout { GO_1_2, GO_1_16, GO_1_18 };

struct go_table {
	enum layout layout;
	uint64_t offset, size; /* in the file */
	uint64_t address;
	size_t word; /* of the machine: 4 or 8 */
	size_t field; /* of functab: 4 or a word */
	uint64_t count;
	uint64_t names, functab, funcs; /* from the table's start */
	uint64_t text; /* what pcs are relative to */
};

/* Buffered reading, mostly forwards. */
struct window {
	const struct byte_source *source;
	struct scratch bytes;
	uint64_t start;
	size_t len;
	uint64_t read; /* bytes so far */
};

/* -EFBIG where too much was read already. */
static int window_read(struct window *w, uint64_t offset, void *ret, size_t len)
{
	if (offset < w->start || offset - w->start > w->len || w->len - (offset - w->start) < len) {
		if (offset >= w->source->size)
			return -ENODATA;
		if (w->read >= MAX_READ)
			return -EFBIG;
		w->len = 0;
		scratch_grow(&w->bytes, WINDOW);
		size_t n = (size_t)MIN(w->source->size - offset, (uint64_t)WINDOW);
		int r = byte_source_read(w->source, offset, w->bytes.data, n);

		if (r < 0)
			return r;
		w->start = offset;
		w->len = n;
		w->read += n;
		if (n < len)
			return -ENODATA;
	}
	memcpy(ret, (const char *)w->bytes.data + (offset - w->start), len);
	return 0;
}

static void window_release(struct window *w)
{
	scratch_release(&w->bytes);
}
#define cleanup_window __attribute__((cleanup(window_release)))

static uint64_t get(const void *at, size_t size)
{
	uint32_t narrow;
	uint64_t wide;

	if (size == sizeof(narrow)) {
		memcpy(&narrow, at, sizeof(narrow));
		return narrow;
	}
	memcpy(&wide, at, sizeof(wide));
	return wide;
}

static bool layout_of(uint32_t magic, enum layout *ret)
{
	switch (magic) {
	case 0xfffffffb:
		*ret = GO_1_2;
		return true;
	case 0xfffffffa:
		*ret = GO_1_16;
		return true;
	case 0xfffffff0:
	case 0xfffffff1:
		*ret = GO_1_18;
		return true;
	default:
		return false;
	}
}

/* | magic | 0 0 | unit of code | size of a word | words ... */
static bool read_header(const uint8_t *bytes, size_t len, struct go_table *t)
{
	uint32_t magic;

	memcpy(&magic, bytes, sizeof(magic));
	if (len < MAX_HEADER || !layout_of(magic, &t->layout) || bytes[4] || bytes[5])
		return false;
	if ((bytes[6] != 1 && bytes[6] != 2 && bytes[6] != 4) || bytes[7] != t->word)
		return false;
	const uint8_t *words = bytes + 8;

	t->count = get(words, t->word);
	t->field = t->layout == GO_1_18 ? sizeof(uint32_t) : t->word;
	if (t->layout == GO_1_2) {
		t->functab = 8 + t->word;
	} else if (t->layout == GO_1_16) {
		t->names = get(words + 2 * t->word, t->word);
		t->functab = t->funcs = get(words + 6 * t->word, t->word);
	} else {
		t->text = get(words + 2 * t->word, t->word);
		t->names = get(words + 3 * t->word, t->word);
		t->functab = t->funcs = get(words + 7 * t->word, t->word);
	}
	return t->count && t->count <= MAX_FUNCTIONS && t->names < t->size &&
		t->functab < t->size && (2 * t->count + 1) * t->field <= t->size - t->functab;
}

/* The i-th pair of functab; the last has no func. */
static int read_pair(struct window *w, const struct go_table *t, uint64_t i, uint64_t *ret_pc,
	uint64_t *ret_func)
{
	uint8_t pair[2 * sizeof(uint64_t)];
	size_t len = (i < t->count ? 2 : 1) * t->field;
	int r = window_read(w, t->offset + t->functab + i * 2 * t->field, pair, len);

	if (r < 0)
		return r;
	*ret_pc = get(pair, t->field);
	if (i < t->count)
		*ret_func = get(pair + t->field, t->field);
	return 0;
}

/* | entry | offset of the name | ...: the entry, and where in the file the name is. */
static int read_func(struct window *w, const struct go_table *t, uint64_t func, uint64_t *ret_entry,
	uint64_t *ret_name)
{
	uint8_t bytes[sizeof(uint64_t) + sizeof(uint32_t)];

	if (func >= t->size - t->funcs)
		return -EINVAL;
	int r = window_read(w, t->offset + t->funcs + func, bytes, t->field + sizeof(uint32_t));

	if (r < 0)
		return r;
	uint64_t name = get(bytes + t->field, sizeof(uint32_t));

	if (name >= t->size - t->names)
		return -EINVAL;
	*ret_entry = get(bytes, t->field);
	*ret_name = t->offset + t->names + name;
	return 0;
}

/* Whether what the first function says of itself is what the table says. */
static bool is_plausible(struct window *w, const struct go_table *t)
{
	uint64_t pc, func, entry, name;

	return read_pair(w, t, 0, &pc, &func) == 0 && read_func(w, t, func, &entry, &name) == 0 &&
		pc == entry;
}

static bool take_table(const struct elf_image *image, const struct byte_source *source,
	uint64_t offset, uint64_t size, struct go_table *ret)
{
	uint8_t header[MAX_HEADER];
	struct window w cleanup_window = {.source = source};

	if (offset >= source->size)
		return false;
	*ret = (struct go_table){.offset = offset,
		.size = MIN(size, source->size - offset),
		.word = image->is_64 ? 8 : 4};
	return byte_source_read(source, offset, header, sizeof(header)) == 0 &&
		read_header(header, sizeof(header), ret) && is_plausible(&w, ret) &&
		elf_image_address(image, offset, &ret->address);
}

typedef bool (*visit_fn)(void *ctx, uint64_t offset, const uint8_t *at);

/* What is to be searched of a segment: none of its file contents that earlier ones have, too. */
static void searched_part(const struct elf_file *file, size_t i, uint64_t *ret_start,
	uint64_t *ret_end)
{
	const struct elf_segment *s = &file->image.segments[i];

	*ret_start = MIN(s->offset, file->source.size);
	*ret_end = *ret_start + MIN(s->file_size, file->source.size - *ret_start);
	for (const struct elf_segment *e = file->image.segments; e < s; e++) {
		uint64_t inside = *ret_start - e->offset;

		if (!e->executable && *ret_start >= e->offset && inside < e->file_size)
			*ret_start += MIN(e->file_size - inside, *ret_end - *ret_start);
	}
	*ret_start -= (*ret_start - s->offset) % ALIGNMENT;
}

/* Calls `visit` at every aligned place of the data with `len` bytes there, until it says true. */
static bool search(const struct elf_file *file, size_t len, visit_fn visit, void *ctx)
{
	struct scratch bytes cleanup_scratch = {0};
	uint64_t left = MAX_SEARCH, start, end;
	size_t step = (WINDOW - len) & ~(size_t)(ALIGNMENT - 1);

	scratch_grow(&bytes, WINDOW);
	for (size_t i = 0; i < file->image.segment_count; i++) {
		if (file->image.segments[i].executable)
			continue;
		searched_part(file, i, &start, &end);
		end = MIN(end, start + left);
		left -= end - start;
		for (; start + len <= end; start += step) {
			size_t n = (size_t)MIN(end - start, (uint64_t)WINDOW);

			if (byte_source_read(&file->source, start, bytes.data, n) < 0)
				break;
			for (size_t k = 0; k + len <= n; k += ALIGNMENT)
				if (visit(ctx, start + k, (const uint8_t *)bytes.data + k))
					return true;
		}
	}
	return false;
}

struct table_search {
	const struct elf_file *file;
	struct go_table *table;
	size_t headers; /* were looked into */
};

static bool visit_header(void *ctx, uint64_t offset, const uint8_t *at)
{
	struct table_search *s = ctx;
	struct go_table found = {.size = s->file->source.size - offset,
		.word = s->file->image.is_64 ? 8 : 4};

	if (s->headers == MAX_HEADERS || !read_header(at, MAX_HEADER, &found))
		return false;
	s->headers++;
	return take_table(&s->file->image, &s->file->source, offset, found.size, s->table);
}

static bool find_table(const struct elf_file *file, struct elf_section *text, struct go_table *ret)
{
	static const char *const names[] = {".gopclntab", ".data.rel.ro.gopclntab", ".text"};
	struct elf_section sections[ARRAY_SIZE(names)];
	struct table_search s = {file, ret, 0};

	if (elf_sections_find(&file->source, names, ARRAY_SIZE(names), sections) < 0)
		return false;
	*text = sections[2];
	for (size_t i = 0; i < 2; i++)
		if (sections[i].type &&
			take_table(&file->image, &file->source, sections[i].offset,
				sections[i].size, ret))
			return true;
	return file->image.is_go && search(file, MAX_HEADER, visit_header, &s);
}

/* Whether code from first to last, relative to text, is code. */
static const struct elf_segment *code_at(const struct elf_image *image, uint64_t start,
	uint64_t end)
{
	for (size_t i = 0; i < image->segment_count; i++) {
		const struct elf_segment *s = &image->segments[i];

		if (s->executable && start >= s->address && start < end &&
			end - s->address <= s->memory_size)
			return s;
	}
	return NULL;
}

struct module_search {
	const struct go_table *table;
	uint64_t first, last; /* pcs, relative to text */
	uint64_t text;
};

/*
 * runtime.moduledata begins with the table's address and 18 words of slices into it; then come findfunctab,
 * minpc, maxpc and text (1.18 and newer).
 */
#define MODULE_MINPC 20
#define MODULE_WORDS 23

static bool visit_module(void *ctx, uint64_t offset, const uint8_t *at)
{
	struct module_search *s = ctx;
	size_t word = s->table->word;
	uint64_t min, max;

	(void)offset;
	if (get(at, word) != s->table->address)
		return false;
	min = get(at + MODULE_MINPC * word, word);
	max = get(at + (MODULE_MINPC + 1) * word, word);
	s->text = get(at + (MODULE_MINPC + 2) * word, word);
	return min == s->text + s->first && max == s->text + s->last;
}

/* The start of the Go code, what pcs are relative to. */
static bool find_text(const struct elf_file *file, const struct elf_section *text_section,
	const struct module_search *range, struct go_table *t)
{
	struct module_search s = *range;

	if (code_at(&file->image, t->text + s.first, t->text + s.last))
		return true;
	if (t->layout != GO_1_18)
		return false;
	if (search(file, MODULE_WORDS * t->word, visit_module, &s)) {
		t->text = s.text;
	} else {
		/* Not where other code may come first; there the program begins outside of Go. */
		t->text = text_section->address;
		if (file->image.entry < t->text + s.first || file->image.entry >= t->text + s.last)
			return false;
	}
	return code_at(&file->image, t->text + s.first, t->text + s.last);
}

static bool find(const struct elf_file *file, struct go_table *t)
{
	struct window w cleanup_window = {.source = &file->source};
	struct module_search range = {.table = t};
	struct elf_section text;
	uint64_t func;

	return find_table(file, &text, t) && read_pair(&w, t, 0, &range.first, &func) == 0 &&
		read_pair(&w, t, t->count, &range.last, &func) == 0 &&
		find_text(file, &text, &range, t);
}

static int read_functions(const struct byte_source *source, const struct go_table *t,
	struct symbol_builder *builder, uint64_t *digest)
{
	struct window pairs cleanup_window = {.source = source};
	struct window funcs cleanup_window = {.source = source};
	uint64_t pc, func = 0, next_pc, next_func = 0, entry, name;
	int r = read_pair(&pairs, t, 0, &pc, &func);

	for (uint64_t i = 0; i < t->count && r == 0; i++, pc = next_pc, func = next_func) {
		r = read_pair(&pairs, t, i + 1, &next_pc, &next_func);
		int err = r < 0 ? r : read_func(&funcs, t, func, &entry, &name);

		if (err == -EFBIG)
			return err;
		if (err < 0 || entry != pc || name > UINT32_MAX)
			continue;
		struct symbol symbol = {
			.start = t->text + pc,
			.limit = t->text + next_pc,
			.name = (uint32_t)name,
			.class = SYMBOL_FUNCTION,
			.exported = true,
		};

		*digest = hash_combine(*digest, hash_combine(symbol.start, symbol.limit));
		*digest = hash_combine(*digest, name);
		symbol_builder_add(builder, &symbol);
	}
	return r;
}

static int go_read(const struct name_files *files, struct symbol_builder *builder,
	uint64_t *ret_digest)
{
	struct go_table t;

	*ret_digest = hash_string("go");
	if (!find(files->main, &t))
		return 0;
	return read_functions(&files->main->source, &t, builder, ret_digest);
}

static int go_name(const struct name_files *files, const struct symbol_match *match,
	struct strbuf *out, enum name_origin *ret_origin)
{
	size_t start = out->len;
	int r = elf_string_read(&files->main->source, 0, UINT64_MAX, match->names[0], out);

	*ret_origin = NAME_GO;
	if (r == 0 && out->len == start)
		r = -ENOENT;
	return r;
}

const struct name_source go_symbols_source = {
	.label = "gopclntab",
	.read = go_read,
	.name = go_name,
};
