// SPDX-License-Identifier: Apache-2.0
/*
 *	chain ──> shared_table (count of users) <── chain of another container's file
 *	  └─ names: source, reference -> string, read from this chain's own files
 *
 * The table of a source is made when all sources before it had no name for an address: so most files have
 * one table, and a Go program that is not stripped never has its .gopclntab read. What none names is
 * called after the start of the function in the call frame information, which takes no table: its own is
 * searched in the file.
 */
#include "symbols/name_chain.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "symbols/eh_frame.h"

static const struct name_source *const sources[] = {&elf_symbols_source, &go_symbols_source,
	&plt_source};

#define PSEUDO_KEY                                                                                 \
	(UINT64_C(1) << 63) /* no other key is that large; addresses of programs are not */

#define LINE_KEY (UINT64_C(1) << 62)

#define SOURCES ARRAY_SIZE(sources)

_Static_assert(SOURCES <= NAME_SOURCES_MAX, "a chain has room for all sources");

struct shared_table {
	struct hashmap_entry entry;
	size_t users;
	struct symbol_table *table; /* NULL: known to be empty */
};

struct resolved_name {
	struct hashmap_entry entry;
	uint64_t key;
	enum name_origin origin;
	uint32_t line; /* of those that are files */
	char text[];
};

static bool table_is(const struct hashmap_entry *e, const void *key)
{
	(void)e;
	(void)key;
	return true; /* the digest is the hash */
}

static bool name_is(const struct hashmap_entry *e, const void *key)
{
	return container_of(e, struct resolved_name, entry)->key == *(const uint64_t *)key;
}

void name_store_init(struct name_store *store, size_t max_bytes)
{
	*store = (struct name_store){.max_bytes = max_bytes};
	hashmap_init(&store->tables, table_is);
}

void name_store_release(struct name_store *store)
{
	hashmap_release(&store->tables);
}

void name_chain_init(struct name_chain *chain)
{
	*chain = (struct name_chain){0};
	hashmap_init(&chain->names, name_is);
}

void name_chain_tables(const struct name_chain *chain, size_t *ret_symbols, size_t *ret_bytes)
{
	*ret_symbols = *ret_bytes = 0;
	for (size_t i = 0; i < SOURCES; i++) {
		const struct shared_table *t = chain->tables[i];

		if (!t || !t->table)
			continue;
		*ret_symbols += symbol_table_count(t->table);
		*ret_bytes += symbol_table_bytes(t->table);
	}
}

void name_chain_drop_tables(struct name_store *store, struct name_chain *chain)
{
	for (size_t i = 0; i < SOURCES; i++) {
		struct shared_table *t = chain->tables[i];

		chain->tables[i] = NULL;
		if (!t || --t->users)
			continue;
		store->table_bytes -= symbol_table_bytes(t->table);
		hashmap_remove(&store->tables, &t->entry);
		symbol_table_free(t->table);
		free(t);
	}
	chain->loaded = 0;
}

void name_chain_drop_names(struct name_store *store, struct name_chain *chain)
{
	hashmap_for_each(e, &chain->names) {
		hashmap_remove(&chain->names, e);
		free(container_of(e, struct resolved_name, entry));
	}
	hashmap_release(&chain->names);
	store->name_bytes -= chain->name_bytes;
	chain->name_bytes = 0;
}

static void load_table(struct name_store *store, struct name_chain *chain,
	const struct name_files *files, size_t i)
{
	struct symbol_builder builder cleanup_symbol_builder = {0};
	uint64_t digest = 0;

	if (sources[i]->read(files, &builder, &digest) < 0)
		store->damaged++; /* what could be read is used */
	digest = hash_combine(digest, i);
	struct hashmap_entry *e = hashmap_get(&store->tables, digest, NULL);
	struct shared_table *t;

	if (e) {
		t = container_of(e, struct shared_table, entry);
	} else {
		t = xcalloc(1, sizeof(*t));
		t->table = symbol_builder_finish(&builder);
		store->table_bytes += symbol_table_bytes(t->table);
		hashmap_add(&store->tables, &t->entry, digest);
	}
	t->users++;
	chain->tables[i] = t;
	chain->loaded |= 1u << i;
}

/* An empty name is remembered as well: it says that there is none. */
static struct resolved_name *remember(struct name_store *store, struct name_chain *chain,
	uint64_t key, enum name_origin origin, const struct strbuf *name)
{
	struct resolved_name *r = xmalloc(sizeof(*r) + name->len + 1);
	size_t bytes = sizeof(*r) + name->len + 1;

	r->key = key;
	r->origin = origin;
	r->line = 0;
	memcpy(r->text, name->buf, name->len + 1);
	hashmap_add(&chain->names, &r->entry, hash_u64(key));
	chain->name_bytes += bytes;
	store->name_bytes += bytes;
	return r;
}

static bool has_room(const struct name_store *store, const struct name_chain *chain)
{
	return chain->name_bytes <= store->max_bytes / 8 && store->name_bytes <= store->max_bytes;
}

/* "libfoo.so!sub_1190": after where the function begins, as long as anything says where that is. */
static const struct resolved_name *pseudo_name_of(struct name_store *store,
	struct name_chain *chain, const struct name_files *files, uint64_t address,
	const char *prefix)
{
	struct eh_frame *eh_frame = files->eh_frame ? files->eh_frame(files->owner) : NULL;
	struct strbuf name cleanup_strbuf = STRBUF_INIT;
	struct fde fde;

	if (!eh_frame || eh_frame_find(eh_frame, address, &fde) < 0)
		return NULL;
	uint64_t key = PSEUDO_KEY | fde.start;
	struct hashmap_entry *e = hashmap_get(&chain->names, hash_u64(key), &key);

	if (e)
		return container_of(e, struct resolved_name, entry);
	if (!has_room(store, chain))
		return NULL;
	strbuf_addf(&name, "%s!sub_%" PRIx64, prefix, fde.start);
	return remember(store, chain, key, NAME_PSEUDO, &name);
}

struct question {
	const struct name_files *files;
	const struct symbol_match *match;
	size_t source;
};

static int make_name(enum demangle_mode mode, const struct question *q, struct strbuf *out,
	enum name_origin *ret_origin)
{
	struct strbuf name cleanup_strbuf = STRBUF_INIT;

	int r = sources[q->source]->name(q->files, q->match, &name, ret_origin);

	if (r == 0 && (*ret_origin == NAME_GO || !demangle(mode, name.buf, out)))
		strbuf_add(out, name.buf, name.len);
	return r;
}

static const struct resolved_name *known_name(const struct name_chain *chain,
	const struct symbol_match *match, size_t source, uint64_t *ret_key)
{
	uint64_t key = (uint64_t)chain->generation << 40 | (uint64_t)match->names[0] << 8 | source;
	struct hashmap_entry *e = hashmap_get(&chain->names, hash_u64(key), &key);

	*ret_key = key;
	return e ? container_of(e, struct resolved_name, entry) : NULL;
}

static const struct resolved_name *name_of(struct name_store *store, struct name_chain *chain,
	const struct question *q, enum name_missing *ret_missing)
{
	uint64_t key;
	const struct resolved_name *known = known_name(chain, q->match, q->source, &key);
	struct strbuf name cleanup_strbuf = STRBUF_INIT;
	enum name_origin origin = NAME_NONE;

	if (known)
		return known;
	if (!has_room(store, chain)) {
		*ret_missing = MISSING_BUDGET;
		return NULL;
	}
	if (!q->files->unchanged(q->files->owner)) {
		*ret_missing = MISSING_FILE;
		return NULL;
	}
	if (make_name(store->demangle, q, &name, &origin) == -EAGAIN) {
		*ret_missing = MISSING_BUDGET;
		return NULL;
	}
	return remember(store, chain, key, origin, &name);
}

/* Why none of the sources has a name. */
static enum name_missing why_unnamed(const struct name_files *files)
{
	bool complete = files->main->image.symtab.size || files->debug;

	return complete ? MISSING_SYMBOL : MISSING_STRIPPED;
}

static bool table_ready(struct name_store *store, struct name_chain *chain,
	const struct name_files *files, size_t i)
{
	if (chain->loaded & 1u << i)
		return true;
	if (!files->unchanged(files->owner))
		return false;
	load_table(store, chain, files, i);
	return true;
}

enum name_missing name_chain_find(struct name_store *store, struct name_chain *chain,
	const struct name_files *files, uint64_t address, const char *prefix,
	struct name_answer *ret)
{
	enum name_missing missing = why_unnamed(files);
	struct symbol_match match;

	*ret = (struct name_answer){0};
	if (chain->generation != files->generation) {
		/* Names that were given stay alive, and are not found any more. */
		name_chain_drop_tables(store, chain);
		chain->generation = files->generation;
	}
	for (size_t i = 0; i < SOURCES; i++) {
		if (!table_ready(store, chain, files, i))
			return MISSING_FILE;
		if (!symbol_table_find(chain->tables[i]->table, address, &match))
			continue;
		struct question q = {files, &match, i};
		const struct resolved_name *name = name_of(store, chain, &q, &missing);

		if (!name || !*name->text)
			continue;
		*ret = (struct name_answer){name->text, name->origin, match.start};
		return MISSING_NOT;
	}
	const struct resolved_name *pseudo = pseudo_name_of(store, chain, files, address, prefix);

	if (pseudo)
		*ret = (struct name_answer){pseudo->text, NAME_PSEUDO, pseudo->key & ~PSEUDO_KEY};
	return missing;
}

bool name_chain_find_known(const struct name_chain *chain, uint32_t generation, uint64_t address,
	struct name_answer *ret)
{
	struct symbol_match match;
	uint64_t key;

	for (size_t i = 0; i < SOURCES; i++) {
		if (chain->generation != generation || !(chain->loaded & 1u << i))
			return false;
		if (!symbol_table_find(chain->tables[i]->table, address, &match))
			continue;
		const struct resolved_name *name = known_name(chain, &match, i, &key);

		if (!name)
			return false;
		if (!*name->text)
			continue;
		*ret = (struct name_answer){name->text, name->origin, match.start};
		return true;
	}
	return false;
}

static const struct resolved_name *line_of(struct name_store *store, struct name_chain *chain,
	const struct name_files *files, uint64_t address)
{
	uint64_t key = LINE_KEY | address;
	struct hashmap_entry *e = hashmap_get(&chain->names, hash_u64(key), &key);
	struct strbuf file cleanup_strbuf = STRBUF_INIT;

	if (e)
		return container_of(e, struct resolved_name, entry);
	uint32_t line;

	if (!has_room(store, chain) || !files->unchanged(files->owner) ||
		files->line(files->owner, address, &file, &line) < 0)
		return NULL;
	struct resolved_name *r = remember(store, chain, key, NAME_NONE, &file);

	r->line = line;
	return r;
}

void name_chain_line(struct name_store *store, struct name_chain *chain,
	const struct name_files *files, uint64_t address, uint64_t start, struct name_line *ret)
{
	const struct resolved_name *at = line_of(store, chain, files, address);
	const struct resolved_name *first =
		at && at->line ? line_of(store, chain, files, start) : NULL;

	*ret = (struct name_line){0};
	if (!at || !at->line)
		return;
	*ret = (struct name_line){at->text, at->line,
		first && strcmp(first->text, at->text) == 0 ? first->line : 0};
}
