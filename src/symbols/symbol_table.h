// SPDX-License-Identifier: Apache-2.0
/*
 * Address ranges and where their names are, about five bytes each. It knows no names, only 32-bit
 * references that its owner turns into strings.
 */
#ifndef SYMBOLS_SYMBOL_TABLE_H
#define SYMBOLS_SYMBOL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/scratch.h"

/* Aliases of one address beyond this many are forgotten. */
#define SYMBOL_MAX_NAMES 8

/* Symbols of one table, 32 bytes each while they are sorted. Chrome with all its symbols has 1.5 million. */
#define SYMBOLS_MAX (2u << 20)

/* How much a symbol is to be trusted: where two claim an address, the greater wins. */
enum symbol_class {
	SYMBOL_UNSIZED_LABEL, /* untyped and without a size: an assembler's label */
	SYMBOL_UNSIZED, /* a function without a size */
	SYMBOL_LABEL, /* untyped, with a size */
	SYMBOL_FUNCTION, /* a function with a size */
};

struct symbol {
	uint64_t start;
	uint64_t limit; /* its end; without a size, how far it may reach at most */
	uint32_t name;
	enum symbol_class class;
	bool exported; /* global or weak: preferred to a local alias */
};

/*
 * Collects symbols in any order and any number of times the same. Zero-initialised is empty. Among
 * those of one start only the best class, then the largest, then the exported are kept. Ranges may nest:
 * the inner one (the greatest start) owns its addresses. One without a size ends at the next symbol's
 * start and never reaches into a sized one.
 */
struct symbol_builder {
	struct scratch symbols;
	size_t count;
	size_t sorted; /* so many at the front are in order */
};

/* Ignored where limit <= start, and where there are SYMBOLS_MAX already. */
void symbol_builder_add(struct symbol_builder *b, const struct symbol *symbol);
/* Sorts what is there. Whether one of these starts at `start`; what was added later is not seen. */
void symbol_builder_sort(struct symbol_builder *b);
bool symbol_builder_has(const struct symbol_builder *b, uint64_t start);
void symbol_builder_release(struct symbol_builder *b);
#define cleanup_symbol_builder __attribute__((cleanup(symbol_builder_release)))

struct symbol_table;

/* NULL where there is no symbol. The builder is empty afterwards. */
struct symbol_table *symbol_builder_finish(struct symbol_builder *b);
void symbol_table_free(struct symbol_table *t);

struct symbol_match {
	uint64_t start, end; /* of the part around the address that belongs to the symbol */
	size_t name_count; /* >= 1, equally good so far */
	uint32_t names[SYMBOL_MAX_NAMES];
};

/* NULL is an empty table. */
bool symbol_table_find(const struct symbol_table *t, uint64_t address, struct symbol_match *ret);
/* The number of ranges, and the bytes they take. */
size_t symbol_table_count(const struct symbol_table *t);
size_t symbol_table_bytes(const struct symbol_table *t);

#endif
