// SPDX-License-Identifier: Apache-2.0
/*
 * Building: the symbols are sorted by start (radix sort: no comparisons, no hidden memory), then a sweep
 * cuts what overlaps into disjoint ranges. The sweep keeps a stack of the symbols that are open; the
 * innermost owns the addresses until it ends or another starts:
 *
 *	outer   |------------------|
 *	inner        |-----|
 *	ranges  |o-o-|i---i|o-o-o-o|
 *
 * Packed: ranges in address order, each as
 *
 *	varint gap to the end of the one before | varint length | one varint per name
 *
 * where a name is the zigzag difference to the name before, shifted by one; bit 0 says that another
 * alias follows. Every BLOCK ranges the coding starts anew, and `starts` and `positions` say where:
 * a lookup is one binary search and at most BLOCK short decodings.
 */
#include "symbols/symbol_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/macros.h"

#define BLOCK       16
#define MAX_NESTING 64 /* open symbols; beyond, the outermost is forgotten */
#define MAX_VARINT  10
#define MAX_ENTRY   ((2 + SYMBOL_MAX_NAMES) * MAX_VARINT)

#define RAW_SIZE_MAX                                                                               \
	((1u << 29) - 1) /* no function has 512 MiB; what is said to be larger ends there */

struct raw_symbol {
	uint64_t start;
	uint32_t name;
	uint32_t size : 29;
	uint32_t class : 2;
	uint32_t exported : 1;
};

_Static_assert(sizeof(struct raw_symbol) == 16, "of hundreds of thousands each byte costs");

struct symbol_table {
	size_t count;
	size_t block_count;
	uint64_t *starts; /* block_count */
	uint32_t *positions; /* block_count, in stream */
	uint8_t *stream;
	size_t stream_size;
	uint64_t end; /* of the last range */
};

void symbol_builder_add(struct symbol_builder *b, const struct symbol *symbol)
{
	if (symbol->limit <= symbol->start || b->count >= SYMBOLS_MAX)
		return;
	scratch_grow(&b->symbols, (b->count + 1) * sizeof(struct raw_symbol));
	((struct raw_symbol *)b->symbols.data)[b->count++] = (struct raw_symbol){
		.start = symbol->start,
		.name = symbol->name,
		.size = (uint32_t)MIN(symbol->limit - symbol->start, RAW_SIZE_MAX) & RAW_SIZE_MAX,
		.class = symbol->class & 3u,
		.exported = symbol->exported,
	};
}

void symbol_builder_release(struct symbol_builder *b)
{
	scratch_release(&b->symbols);
	*b = (struct symbol_builder){0};
}

#define DIGITS (1u << 8)

static unsigned digit_of(const struct raw_symbol *s, unsigned place)
{
	return (unsigned)(s->start >> 8 * place) & (DIGITS - 1);
}

/* How many have which digit at each place. True where they are in order already. */
static bool count_digits(const struct raw_symbol *symbols, size_t count, uint32_t counts[8][DIGITS])
{
	bool in_order = true;

	for (size_t i = 0; i < count; i++) {
		in_order &= !i || symbols[i - 1].start <= symbols[i].start;
		for (unsigned place = 0; place < 8; place++)
			counts[place][digit_of(&symbols[i], place)]++;
	}
	return in_order;
}

/* One stable pass over one digit. */
static void radix_pass(const struct raw_symbol *from, struct raw_symbol *to, size_t count,
	unsigned place, uint32_t counts[DIGITS])
{
	uint32_t at = 0;

	for (size_t i = 0; i < DIGITS; i++) {
		uint32_t n = counts[i];

		counts[i] = at;
		at += n;
	}
	for (size_t i = 0; i < count; i++)
		to[counts[digit_of(&from[i], place)]++] = from[i];
}

void symbol_builder_sort(struct symbol_builder *b)
{
	struct scratch other cleanup_scratch = {0};
	uint32_t counts[8][DIGITS] = {0};

	if (b->sorted == b->count)
		return;
	bool in_order = count_digits(b->symbols.data, b->count, counts);

	for (unsigned place = 0; place < 8 && !in_order; place++) {
		struct scratch from = b->symbols;

		if (counts[place][digit_of(from.data, place)] == b->count)
			continue; /* all have the same */
		scratch_grow(&other, b->count * sizeof(struct raw_symbol));
		radix_pass(from.data, other.data, b->count, place, counts[place]);
		b->symbols = other;
		other = from;
	}
	b->sorted = b->count;
}

bool symbol_builder_has(const struct symbol_builder *b, uint64_t start)
{
	const struct raw_symbol *symbols = b->symbols.data;
	size_t lo = 0, hi = b->sorted;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (symbols[mid].start < start)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < b->sorted && symbols[lo].start == start;
}

/* A symbol that won its start, with its aliases. */
struct winner {
	uint64_t end;
	bool sized;
	size_t name_count;
	uint32_t names[SYMBOL_MAX_NAMES];
};

struct packer {
	struct scratch stream, starts, positions;
	size_t used, count, block_count;
	uint64_t prev_end;
	uint32_t prev_name;
	size_t depth;
	struct winner open[MAX_NESTING];
};

static void put_varint(struct packer *p, uint64_t value)
{
	uint8_t *out = p->stream.data;

	for (; value >= 0x80; value >>= 7)
		out[p->used++] = (uint8_t)(value | 0x80);
	out[p->used++] = (uint8_t)value;
}

static void start_block(struct packer *p, uint64_t start)
{
	size_t n = p->block_count++;

	scratch_grow(&p->starts, p->block_count * sizeof(uint64_t));
	scratch_grow(&p->positions, p->block_count * sizeof(uint32_t));
	((uint64_t *)p->starts.data)[n] = start;
	((uint32_t *)p->positions.data)[n] = (uint32_t)p->used;
	p->prev_end = start;
	p->prev_name = 0;
}

static void put_range(struct packer *p, uint64_t start, uint64_t end, const struct winner *w)
{
	if (start >= end || p->used > UINT32_MAX - MAX_ENTRY)
		return;
	scratch_grow(&p->stream, p->used + MAX_ENTRY);
	if (p->count++ % BLOCK == 0)
		start_block(p, start);
	put_varint(p, start - p->prev_end);
	put_varint(p, end - start);
	for (size_t i = 0; i < w->name_count; i++) {
		int64_t delta = (int64_t)w->names[i] - (int64_t)p->prev_name;
		uint64_t zigzag = (uint64_t)delta << 1 ^ (uint64_t)(delta >> 63);

		put_varint(p, zigzag << 1 | (i + 1 < w->name_count));
		p->prev_name = w->names[i];
	}
	p->prev_end = end;
}

/* Gives the addresses from `at` up to `next` to the open symbols, closing those that end there. */
static uint64_t emit_until(struct packer *p, uint64_t at, uint64_t next)
{
	while (p->depth && at < next) {
		const struct winner *top = &p->open[p->depth - 1];
		uint64_t end = MIN(top->end, next);

		put_range(p, at, end, top);
		at = MAX(at, end);
		if (top->end <= next)
			p->depth--;
	}
	while (p->depth && p->open[p->depth - 1].end <= next)
		p->depth--;
	return next;
}

static void push(struct packer *p, const struct winner *w)
{
	if (p->depth && !p->open[p->depth - 1].sized)
		p->depth--; /* one without a size ends where the next begins */
	if (p->depth == MAX_NESTING) {
		memmove(&p->open[0], &p->open[1], (MAX_NESTING - 1) * sizeof(p->open[0]));
		p->depth--;
	}
	p->open[p->depth++] = *w;
}

static int better(const struct raw_symbol *a, const struct raw_symbol *b)
{
	if (a->class != b->class)
		return a->class > b->class ? 1 : -1;
	if (a->size != b->size)
		return a->size > b->size ? 1 : -1;
	return (int)a->exported - (int)b->exported;
}

/* The best of `count` symbols with the same start. */
static const struct raw_symbol *choose(const struct raw_symbol *symbols, size_t count,
	struct winner *ret)
{
	const struct raw_symbol *best = &symbols[0];

	for (size_t i = 1; i < count; i++)
		if (better(&symbols[i], best) > 0)
			best = &symbols[i];
	*ret = (struct winner){.end = best->start + best->size,
		.sized = best->class >= SYMBOL_LABEL};
	for (size_t i = 0; i < count && ret->name_count < SYMBOL_MAX_NAMES; i++) {
		if (better(&symbols[i], best) != 0)
			continue;
		bool known = false;

		for (size_t k = 0; k < ret->name_count; k++)
			known |= ret->names[k] == symbols[i].name;
		if (!known)
			ret->names[ret->name_count++] = symbols[i].name;
	}
	return best;
}

static void sweep(struct packer *p, const struct raw_symbol *symbols, size_t count)
{
	uint64_t at = 0;
	struct winner w;

	for (size_t i = 0, n; i < count; i += n) {
		for (n = 1; i + n < count && symbols[i + n].start == symbols[i].start; n++)
			;
		const struct raw_symbol *best = choose(&symbols[i], n, &w);

		at = emit_until(p, at, best->start);
		/* Only a sized function may cut into another. */
		if (best->class != SYMBOL_FUNCTION && p->depth && p->open[p->depth - 1].sized)
			continue;
		push(p, &w);
	}
	emit_until(p, at, UINT64_MAX);
}

static struct symbol_table *finish_packing(struct packer *p)
{
	if (!p->count)
		return NULL;
	struct symbol_table *t = xmalloc(sizeof(*t));

	*t = (struct symbol_table){
		.count = p->count,
		.block_count = p->block_count,
		.starts = xmemdup(p->starts.data, p->block_count * sizeof(uint64_t)),
		.positions = xmemdup(p->positions.data, p->block_count * sizeof(uint32_t)),
		.stream = xmemdup(p->stream.data, p->used),
		.stream_size = p->used,
		.end = p->prev_end,
	};
	return t;
}

struct symbol_table *symbol_builder_finish(struct symbol_builder *b)
{
	struct packer p = {0};

	symbol_builder_sort(b);
	sweep(&p, b->symbols.data, b->count);
	symbol_builder_release(b);
	struct symbol_table *t = finish_packing(&p);

	scratch_release(&p.stream);
	scratch_release(&p.starts);
	scratch_release(&p.positions);
	return t;
}

void symbol_table_free(struct symbol_table *t)
{
	if (!t)
		return;
	free(t->starts);
	free(t->positions);
	free(t->stream);
	free(t);
}

static uint64_t get_varint(const uint8_t **p)
{
	uint64_t value = 0;

	for (int shift = 0;; shift += 7) {
		uint8_t byte = *(*p)++;

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return value;
	}
}

static void get_names(const uint8_t **p, uint32_t *name, struct symbol_match *ret)
{
	uint64_t word;

	ret->name_count = 0;
	do {
		word = get_varint(p);
		uint64_t zigzag = word >> 1;

		*name += (uint32_t)(zigzag >> 1) ^ (uint32_t)(0 - (zigzag & 1));
		ret->names[ret->name_count++] = *name;
	} while (word & 1);
}

/* The last block that starts at or before the address; there is one. */
static size_t find_block(const struct symbol_table *t, uint64_t address)
{
	size_t lo = 0, hi = t->block_count;

	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;

		if (t->starts[mid] <= address)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

bool symbol_table_find(const struct symbol_table *t, uint64_t address, struct symbol_match *ret)
{
	if (!t || address < t->starts[0] || address >= t->end)
		return false;
	size_t block = find_block(t, address), left = MIN((size_t)BLOCK, t->count - block * BLOCK);
	const uint8_t *p = t->stream + t->positions[block];
	uint64_t at = t->starts[block];
	uint32_t name = 0;

	for (; left; left--) {
		ret->start = at + get_varint(&p);
		if (address < ret->start)
			return false;
		at = ret->end = ret->start + get_varint(&p);
		get_names(&p, &name, ret);
		if (address < ret->end)
			return true;
	}
	return false;
}

size_t symbol_table_count(const struct symbol_table *t)
{
	return t ? t->count : 0;
}

size_t symbol_table_bytes(const struct symbol_table *t)
{
	if (!t)
		return 0;
	return sizeof(*t) + t->stream_size +
		t->block_count * (sizeof(t->starts[0]) + sizeof(t->positions[0]));
}
