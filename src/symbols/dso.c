// SPDX-License-Identifier: Apache-2.0
/*
 * Life of a dso: NEW (opened, nothing read) -> READ (headers parsed; build id and segments stay) or
 * REFUSED (shows as module+0xoffset). A READ one comes and goes between having tables and names and having
 * none: these are what takes memory, and they can be made again from the file.
 *
 *	struct dso ──> shared_table (count of users) <── struct dso of another container
 *	   └─ names: reference -> string, read from this dso's own file
 *
 * Bounds: tables and names together keep to max_bytes. Tables are dropped as soon as a new one goes over;
 * names only at the end of a round, because frames point to them; a file may have names of up to an eighth
 * of the budget in one round, all files together of the whole.
 */
#include "symbols/dso.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/hex.h"
#include "base/text.h"
#include "symbols/name_source.h"

#define MAX_OPEN      256 /* descriptors held; the usual RLIMIT_NOFILE is 1024 */
/* All files of all processes; a host with a hundred different containers maps some thousands. */
#define MAX_DSOS      16384
#define MAX_PATH_TEXT 4096
/* No vDSO has more than a few pages. */
#define VDSO_MAX      65536

static const struct name_source *const sources[] = {&elf_symbols_source};

#define SOURCES ARRAY_SIZE(sources)

enum dso_state { DSO_NEW, DSO_READ, DSO_REFUSED };

struct shared_table {
	struct hashmap_entry entry;
	size_t users;
	struct symbol_table *table; /* NULL: known to be empty */
};

struct resolved_name {
	struct hashmap_entry entry;
	uint64_t key;
	char text[];
};

struct dso {
	struct hashmap_entry entry;
	size_t refs;
	struct file_identity identity;
	char *path; /* as in maps */
	char *printable; /* the same, for module.path */
	uint32_t dev_major, dev_minor; /* as in maps */
	uint64_t inode;
	enum dso_state state;
	int fd;
	const uint8_t *memory; /* the vDSO's image, else NULL */
	size_t memory_size;
	struct list_node open_node, loaded_node;
	struct module module;
	char build_id[2 * BUILD_ID_MAX + 1];
	struct elf_image image;
	bool loaded;
	struct shared_table *tables[SOURCES];
	struct hashmap names;
	size_t name_bytes;
};

struct dso_key {
	const struct file_identity *identity;
	const char *path;
};

static bool dso_is(const struct hashmap_entry *e, const void *key)
{
	const struct dso *dso = container_of(e, struct dso, entry);
	const struct dso_key *k = key;

	return file_identity_equal(&dso->identity, k->identity) && strcmp(dso->path, k->path) == 0;
}

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

void dso_cache_init(struct dso_cache *cache, size_t max_bytes, uint32_t *next_module_id)
{
	*cache = (struct dso_cache){.max_bytes = max_bytes, .next_module_id = next_module_id};
	hashmap_init(&cache->dsos, dso_is);
	hashmap_init(&cache->tables, table_is);
	list_init(&cache->open);
	list_init(&cache->loaded);
}

static struct byte_source source_of(const struct dso *dso)
{
	if (dso->memory)
		return byte_source_memory(dso->memory, dso->memory_size);
	return byte_source_fd(dso->fd, dso->identity.size);
}

static void close_file(struct dso_cache *cache, struct dso *dso)
{
	if (dso->fd < 0)
		return;
	close(dso->fd);
	dso->fd = -1;
	list_remove(&dso->open_node);
	cache->open_count--;
}

static void hold_file(struct dso_cache *cache, struct dso *dso, int fd)
{
	if (cache->open_count == MAX_OPEN)
		close_file(cache, list_entry(cache->open.next, struct dso, open_node));
	dso->fd = fd;
	list_append(&cache->open, &dso->open_node);
	cache->open_count++;
}

static void refuse(struct dso_cache *cache, struct dso *dso)
{
	dso->state = DSO_REFUSED;
	close_file(cache, dso);
	cache->refused++;
}

static void drop_tables(struct dso_cache *cache, struct dso *dso)
{
	for (size_t i = 0; i < SOURCES; i++) {
		struct shared_table *t = steal_ptr(&dso->tables[i]);

		if (!t || --t->users)
			continue;
		cache->table_bytes -= symbol_table_bytes(t->table);
		hashmap_remove(&cache->tables, &t->entry);
		symbol_table_free(t->table);
		free(t);
	}
	dso->loaded = false;
}

static void drop_names(struct dso_cache *cache, struct dso *dso)
{
	hashmap_for_each(e, &dso->names) {
		hashmap_remove(&dso->names, e);
		free(container_of(e, struct resolved_name, entry));
	}
	hashmap_release(&dso->names);
	cache->name_bytes -= dso->name_bytes;
	dso->name_bytes = 0;
}

static struct dso *dso_new(struct dso_cache *cache, const struct file_identity *identity,
	const char *path, enum module_kind kind)
{
	struct dso *dso = xcalloc(1, sizeof(*dso));
	struct strbuf printable cleanup_strbuf = STRBUF_INIT;

	text_add_safe(&printable, path, strlen(path), MAX_PATH_TEXT);
	dso->refs = 1;
	dso->identity = *identity;
	dso->path = xstrdup(path);
	dso->printable = strbuf_detach(&printable);
	dso->fd = -1;
	list_init(&dso->open_node);
	list_init(&dso->loaded_node);
	hashmap_init(&dso->names, name_is);
	dso->module = (struct module){
		.kind = kind,
		.id = (*cache->next_module_id)++,
		.path = dso->printable,
		.build_id = dso->build_id,
	};
	const char *slash = strrchr(dso->module.path, '/');

	dso->module.name = slash && slash[1] ? slash + 1 : dso->module.path;
	return dso;
}

static void dso_free(struct dso_cache *cache, struct dso *dso)
{
	close_file(cache, dso);
	drop_tables(cache, dso);
	drop_names(cache, dso);
	list_remove(&dso->loaded_node);
	elf_image_release(&dso->image);
	free(dso->printable);
	free(dso->path);
	free(dso);
}

static void add_to_cache(struct dso_cache *cache, struct dso *dso)
{
	uint64_t hash = hash_combine(hash_bytes(&dso->identity, sizeof(dso->identity)),
		hash_string(dso->path));

	hashmap_add(&cache->dsos, &dso->entry, hash);
}

static struct dso *find(struct dso_cache *cache, const struct file_identity *identity,
	const char *path)
{
	uint64_t hash = hash_combine(hash_bytes(identity, sizeof(*identity)), hash_string(path));
	struct hashmap_entry *e =
		hashmap_get(&cache->dsos, hash, &(struct dso_key){identity, path});

	return e ? dso_ref(container_of(e, struct dso, entry)) : NULL;
}

struct dso *dso_get(struct dso_cache *cache, int process_dir, const struct map_entry *entry)
{
	struct file_identity identity = {.dev = (uint64_t)entry->dev_major << 32 | entry->dev_minor,
		.inode = entry->inode};
	int path_fd cleanup_close = mapped_file_find(process_dir, entry, &identity);
	struct dso *dso = find(cache, &identity, entry->path);

	if (dso) {
		if (dso_needs_file(dso) && path_fd >= 0) {
			int fd = mapped_file_open(process_dir, path_fd);

			if (fd >= 0)
				hold_file(cache, dso, fd);
		}
		return dso;
	}
	if (cache->dsos.count >= MAX_DSOS)
		return NULL;
	dso = dso_new(cache, &identity, entry->path, MODULE_FILE);
	dso->dev_major = entry->dev_major;
	dso->dev_minor = entry->dev_minor;
	dso->inode = entry->inode;
	add_to_cache(cache, dso);
	int fd = path_fd < 0 ? path_fd : mapped_file_open(process_dir, path_fd);

	if (fd >= 0)
		hold_file(cache, dso, fd);
	else if (fd != -EMFILE && fd != -ENFILE) /* those pass */
		refuse(cache, dso);
	return dso;
}

struct dso *dso_get_vdso(struct dso_cache *cache)
{
	const uint8_t *image = (const uint8_t *)(uintptr_t)getauxval(AT_SYSINFO_EHDR);
	struct file_identity identity = {0};
	struct dso *dso = image ? find(cache, &identity, "[vdso]") : NULL;

	if (dso || !image)
		return dso;
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)(const void *)image;
	uint64_t size = header->e_shoff + (uint64_t)header->e_shnum * header->e_shentsize;

	dso = dso_new(cache, &identity, "[vdso]", MODULE_VDSO);
	add_to_cache(cache, dso);
	dso->memory = image;
	dso->memory_size = (size_t)size;
	if (header->e_ident[EI_CLASS] != ELFCLASS64 || size > VDSO_MAX)
		refuse(cache, dso);
	return dso;
}

struct dso *dso_ref(struct dso *dso)
{
	dso->refs++;
	return dso;
}

void dso_unref(struct dso_cache *cache, struct dso *dso)
{
	/* Freed in dso_cache_end_round(): frames may still point to it. */
	(void)cache;
	dso->refs--;
}

const struct module *dso_module(const struct dso *dso)
{
	return &dso->module;
}

bool dso_needs_file(const struct dso *dso)
{
	return dso->state != DSO_REFUSED && dso->fd < 0 && !dso->memory;
}

void dso_reopen(struct dso_cache *cache, struct dso *dso, int process_dir, uint64_t map_start,
	uint64_t map_end)
{
	struct map_entry entry = {
		.start = map_start,
		.end = map_end,
		.path = dso->path,
		.inode = dso->inode,
		.dev_major = dso->dev_major,
		.dev_minor = dso->dev_minor,
	};
	struct file_identity now;
	int path_fd cleanup_close = mapped_file_find(process_dir, &entry, &now);

	if (path_fd < 0 || !file_identity_equal(&now, &dso->identity))
		return;
	int fd = mapped_file_open(process_dir, path_fd);

	if (fd >= 0)
		hold_file(cache, dso, fd);
}

/* The file may have been written to since: what is read now is then of another content. */
static bool file_unchanged(const struct dso *dso)
{
	struct file_identity now;

	if (dso->memory)
		return true;
	return dso->fd >= 0 && file_identity_of(dso->fd, &now) == 0 &&
		file_identity_equal(&now, &dso->identity);
}

static void read_headers(struct dso_cache *cache, struct dso *dso)
{
	struct byte_source source = source_of(dso);

	if (!file_unchanged(dso) || elf_image_read(&source, &dso->image) < 0) {
		refuse(cache, dso);
		return;
	}
	const struct elf_segment *code = elf_image_code_segment(&dso->image);

	if (code) {
		dso->module.start = code->address;
		dso->module.end = code->address + code->memory_size;
		dso->module.file_offset = code->offset;
	}
	hex_encode(dso->build_id, dso->image.build_id, dso->image.build_id_len);
	dso->state = DSO_READ;
}

static struct shared_table *load_table(struct dso_cache *cache, struct dso *dso, size_t i)
{
	struct symbol_builder builder cleanup_symbol_builder = {0};
	struct byte_source source = source_of(dso);
	uint64_t digest = 0;

	if (sources[i]->read(&source, &dso->image, &builder, &digest) < 0)
		cache->refused++; /* damaged: what could be read is used */
	digest = hash_combine(digest, i);
	struct hashmap_entry *e = hashmap_get(&cache->tables, digest, NULL);
	struct shared_table *t;

	if (e) {
		t = container_of(e, struct shared_table, entry);
	} else {
		t = xcalloc(1, sizeof(*t));
		t->table = symbol_builder_finish(&builder);
		cache->table_bytes += symbol_table_bytes(t->table);
		hashmap_add(&cache->tables, &t->entry, digest);
	}
	t->users++;
	return t;
}

static void enforce_budget(struct dso_cache *cache, const struct dso *keep)
{
	list_for_each_safe(n, &cache->loaded) {
		struct dso *dso = list_entry(n, struct dso, loaded_node);

		if (cache->table_bytes <= cache->max_bytes)
			return;
		if (dso != keep)
			drop_tables(cache, dso);
	}
}

static void load_tables(struct dso_cache *cache, struct dso *dso)
{
	for (size_t i = 0; i < SOURCES; i++)
		dso->tables[i] = load_table(cache, dso, i);
	dso->loaded = true;
	enforce_budget(cache, dso);
	if (cache->table_bytes <= cache->max_bytes)
		return;
	drop_tables(cache, dso); /* alone larger than everything may be */
	refuse(cache, dso);
}

static const char *remember(struct dso_cache *cache, struct dso *dso, uint64_t key,
	const struct strbuf *name)
{
	struct resolved_name *r = xmalloc(sizeof(*r) + name->len + 1);
	size_t bytes = sizeof(*r) + name->len + 1;

	r->key = key;
	memcpy(r->text, name->buf, name->len + 1);
	hashmap_add(&dso->names, &r->entry, hash_u64(key));
	dso->name_bytes += bytes;
	cache->name_bytes += bytes;
	return r->text[0] ? r->text : NULL;
}

/* An empty name is remembered as well: it says that there is none. */
static const char *name_of(struct dso_cache *cache, struct dso *dso, size_t i,
	const struct symbol_match *match)
{
	uint64_t key = (uint64_t)match->names[0] << 8 | i;
	struct hashmap_entry *e = hashmap_get(&dso->names, hash_u64(key), &key);
	struct strbuf name cleanup_strbuf = STRBUF_INIT;

	if (e) {
		const char *text = container_of(e, struct resolved_name, entry)->text;

		return *text ? text : NULL;
	}
	if (dso->name_bytes > cache->max_bytes / 8 || cache->name_bytes > cache->max_bytes ||
		!file_unchanged(dso))
		return NULL;
	struct byte_source source = source_of(dso);

	if (sources[i]->name(&source, &dso->image, match, &name) < 0)
		strbuf_reset(&name);
	return remember(cache, dso, key, &name);
}

static void touch(struct dso_cache *cache, struct dso *dso)
{
	list_remove(&dso->loaded_node);
	list_append(&cache->loaded, &dso->loaded_node);
	if (dso->fd < 0)
		return;
	list_remove(&dso->open_node);
	list_append(&cache->open, &dso->open_node);
}

const char *dso_resolve(struct dso_cache *cache, struct dso *dso, uint64_t offset,
	uint64_t *ret_address)
{
	struct symbol_match match;

	*ret_address = offset;
	if (dso->state == DSO_NEW && !dso_needs_file(dso))
		read_headers(cache, dso);
	if (dso->state != DSO_READ || !elf_image_address(&dso->image, offset, ret_address))
		return NULL;
	touch(cache, dso);
	if (!dso->loaded && file_unchanged(dso))
		load_tables(cache, dso);
	for (size_t i = 0; i < SOURCES && dso->loaded; i++) {
		if (!symbol_table_find(dso->tables[i]->table, *ret_address, &match))
			continue;
		const char *name = name_of(cache, dso, i, &match);

		if (name)
			return name;
	}
	return NULL;
}

void dso_cache_end_round(struct dso_cache *cache)
{
	hashmap_for_each(e, &cache->dsos) {
		struct dso *dso = container_of(e, struct dso, entry);

		if (dso->refs)
			continue;
		hashmap_remove(&cache->dsos, e);
		dso_free(cache, dso);
	}
	list_for_each_safe(n, &cache->loaded) {
		struct dso *dso = list_entry(n, struct dso, loaded_node);

		if (cache->table_bytes + cache->name_bytes <= cache->max_bytes)
			return;
		drop_tables(cache, dso);
		drop_names(cache, dso);
		list_remove(&dso->loaded_node);
	}
}

void dso_cache_release(struct dso_cache *cache)
{
	hashmap_for_each(e, &cache->dsos) {
		struct dso *dso = container_of(e, struct dso, entry);

		hashmap_remove(&cache->dsos, e);
		dso_free(cache, dso);
	}
	hashmap_release(&cache->dsos);
	hashmap_release(&cache->tables);
}
