// SPDX-License-Identifier: Apache-2.0
/*
 * The sources of names of one module, asked one after the other, with what they have answered. Tables are
 * made when first needed, and shared by all chains that were made from the same bytes.
 */
#ifndef SYMBOLS_NAME_CHAIN_H
#define SYMBOLS_NAME_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hashmap.h"
#include "symbols/demangle.h"
#include "symbols/frame.h"
#include "symbols/name_source.h"

#define NAME_SOURCES_MAX 4

/* What all chains share. */
struct name_store {
	struct hashmap tables; /* by digest */
	size_t max_bytes; /* of tables, and of names; keeping to it is the owner's business */
	size_t table_bytes, name_bytes;
	enum demangle_mode demangle; /* of names that are made from now on */
	uint64_t damaged; /* tables that could be read in part only */
};

struct shared_table;

struct name_chain {
	struct shared_table *tables[NAME_SOURCES_MAX];
	uint32_t loaded; /* a bit per source whose table is there */
	uint32_t generation; /* of the files that the tables were made from */
	struct hashmap names;
	size_t name_bytes;
};

struct name_answer {
	const char *text; /* lives until name_chain_drop_names() */
	enum name_origin origin;
	uint64_t start; /* of the function */
};

void name_store_init(struct name_store *store, size_t max_bytes);
void name_store_release(struct name_store *store); /* after all chains */

void name_chain_init(struct name_chain *chain);
void name_chain_drop_tables(struct name_store *store, struct name_chain *chain);
void name_chain_drop_names(struct name_store *store, struct name_chain *chain);
/* What its tables hold now, those that it shares with other chains as well. */
void name_chain_tables(const struct name_chain *chain, size_t *ret_symbols, size_t *ret_bytes);
/*
 * Where in its source the address is, and the function that begins at `start`; remembered as names are. The
 * path lives as long as names do; NULL where it is not known.
 */
struct name_line {
	const char *file;
	uint32_t line, first_line;
};
void name_chain_line(struct name_store *store, struct name_chain *chain,
	const struct name_files *files, uint64_t address, uint64_t start, struct name_line *ret);

/*
 * Names the function at `address`; `prefix` goes before those that are called after their address:
 * "prefix!sub_1190". MISSING_NOT, or why there is no name (MISSING_FILE where the files have changed).
 */
enum name_missing name_chain_find(struct name_store *store, struct name_chain *chain,
	const struct name_files *files, uint64_t address, const char *prefix,
	struct name_answer *ret);

/* The same from what is in memory; false where it takes the files, or there is no name. */
bool name_chain_find_known(const struct name_chain *chain, uint32_t generation, uint64_t address,
	struct name_answer *ret);

#endif
