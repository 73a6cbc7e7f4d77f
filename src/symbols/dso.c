// SPDX-License-Identifier: Apache-2.0
/*
 * Life of a dso: NEW (opened, nothing read) -> READ (headers parsed; build id and segments stay) or
 * REFUSED (shows as module+0xoffset). A READ one comes and goes between having tables and names and having
 * none: these are what takes memory, and they can be made again from the file.
 *
 *	struct dso ──> dso_files: the mapped file, its debug file
 *	          └──> name_chain: tables, shared with those of the same bytes; names
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
#include "symbols/dso_files.h"
#include "symbols/mapped_as.h"
#include "symbols/root_share.h"
#include "symbols/symbolizer.h"

/* All files of all processes; a host with a hundred different containers maps some thousands. */
#define MAX_DSOS      16384
/* Of one root: a container that maps ever new files leaves room for the others'. */
#define MAX_OF_ROOT   (MAX_DSOS / 4)
#define MAX_PATH_TEXT 4096
/* No vDSO has more than a few pages. */
#define VDSO_MAX      65536
/* Of the line programs of one file, which are held while frames of a round are named. LLVM's have 50 MiB. */
#define LINES_MAX     (16 << 20)

enum dso_state { DSO_NEW, DSO_READ, DSO_REFUSED };

struct dso {
	struct hashmap_entry entry;
	struct mapped_as mapped; /* of a MODULE_FILE */
	size_t refs;
	struct root_id root;
	struct root_share *share;
	uint64_t walk;
	char *path; /* as in maps */
	char *printable; /* the same, for module.path */
	enum dso_state state;
	enum name_missing refused_as;
	bool too_large; /* its tables alone are over budget: no names, but all else */
	struct dso_files files;
	struct list_node loaded_node;
	struct module module;
	char build_id[2 * BUILD_ID_MAX + 1];
	struct name_chain chain;
};

/* Beneath which root matters, because that is where its debug file is looked for. */
struct dso_key {
	struct file_identity identity;
	struct root_id root;
	const char *path;
};

static bool dso_is(const struct hashmap_entry *e, const void *key)
{
	const struct dso *dso = container_of(e, struct dso, entry);
	const struct dso_key *k = key;

	return file_identity_equal(&dso->files.identity, &k->identity) &&
		root_id_equal(&dso->root, &k->root) && strcmp(dso->path, k->path) == 0;
}

void dso_cache_init(struct dso_cache *cache, const struct dso_cache_options *options)
{
	*cache = (struct dso_cache){
		.max_bytes = options->max_bytes,
		.next_module_id = options->next_module_id,
	};
	name_store_init(&cache->store, options->max_bytes);
	dso_files_budget_init(&cache->files, options->host_dir);
	hashmap_init(&cache->dsos, dso_is);
	root_shares_init(&cache->roots);
	mapped_as_init_table(&cache->mapped);
	list_init(&cache->loaded);
}

static void refuse(struct dso_cache *cache, struct dso *dso, enum name_missing why)
{
	dso->state = DSO_REFUSED;
	dso->refused_as = why;
	dso->mapped.unusable = true;
	dso_files_close(&dso->files);
	cache->refused++;
}

static struct dso *dso_new(struct dso_cache *cache, const struct dso_key *key,
	enum module_kind kind)
{
	struct dso *dso = xcalloc(1, sizeof(*dso));
	struct strbuf printable cleanup_strbuf = STRBUF_INIT;

	text_add_safe(&printable, key->path, strlen(key->path), MAX_PATH_TEXT);
	dso->refs = 1;
	dso_files_init(&dso->files, &cache->files, &key->identity);
	dso->root = key->root;
	dso->share = root_share_take(&cache->roots, &key->root);
	dso->path = xstrdup(key->path);
	dso->printable = strbuf_detach(&printable);
	list_init(&dso->loaded_node);
	name_chain_init(&dso->chain);
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
	if (dso->module.kind == MODULE_FILE)
		hashmap_remove(&cache->mapped, &dso->mapped.entry);
	dso_files_release(&dso->files);
	name_chain_drop_tables(&cache->store, &dso->chain);
	name_chain_drop_names(&cache->store, &dso->chain);
	list_remove(&dso->loaded_node);
	root_share_give_back(&cache->roots, dso->share);
	free(dso->printable);
	free(dso->path);
	free(dso);
}

static uint64_t hash_key(const struct dso_key *key)
{
	uint64_t hash = hash_combine(hash_bytes(&key->identity, sizeof(key->identity)),
		hash_string(key->path));

	return hash_combine(hash, hash_combine(key->root.dev, key->root.inode));
}

static struct dso *find(struct dso_cache *cache, const struct dso_key *key)
{
	struct hashmap_entry *e = hashmap_get(&cache->dsos, hash_key(key), key);

	return e ? dso_ref(container_of(e, struct dso, entry)) : NULL;
}

static struct dso *add(struct dso_cache *cache, const struct dso_key *key, enum module_kind kind)
{
	struct dso *dso = dso_new(cache, key, kind);

	hashmap_add(&cache->dsos, &dso->entry, hash_key(key));
	return dso;
}

/* With all that is known of a file that cannot be had. */
static struct dso_key key_of(int process_dir, const struct map_entry *entry)
{
	struct dso_key key = {
		.identity = {.dev = (uint64_t)entry->dev_major << 32 | entry->dev_minor,
			.inode = entry->inode},
		.path = entry->path,
	};

	if (process_dir >= 0)
		root_id_of_process(process_dir, &key.root);
	return key;
}

/* path_fd: what mapped_file_find() said, with its identity in the key. */
static struct dso *get_found(struct dso_cache *cache, int process_dir,
	const struct map_entry *entry, int path_fd, const struct dso_key *key)
{
	struct dso *dso = find(cache, key);

	if (dso) {
		if (dso_needs_file(dso) && path_fd >= 0) {
			int fd = mapped_file_open(process_dir, path_fd);

			if (fd >= 0)
				dso_files_hold(&dso->files, fd);
		}
		return dso;
	}
	if (cache->dsos.count >= MAX_DSOS ||
		root_share_is_used_up(&cache->roots, &key->root, MAX_OF_ROOT))
		return NULL;
	dso = add(cache, key, MODULE_FILE);
	dso->mapped.path = dso->path;
	mapped_as_add(&cache->mapped, &dso->mapped, entry, &key->root, process_dir, path_fd);
	int fd = path_fd < 0 ? path_fd : mapped_file_open(process_dir, path_fd);

	if (fd >= 0)
		dso_files_hold(&dso->files, fd);
	else if (fd != -EMFILE && fd != -ENFILE) /* those pass */
		refuse(cache, dso, MISSING_FILE);
	return dso;
}

struct dso *dso_get(struct dso_cache *cache, int process_dir, const struct map_entry *entry)
{
	struct dso_key key = key_of(process_dir, entry);
	int path_fd cleanup_close = mapped_file_find(process_dir, entry, &key.identity);

	return get_found(cache, process_dir, entry, path_fd, &key);
}

struct dso *dso_get_again(struct dso_cache *cache, int process_dir, const struct map_entry *entry,
	bool own, int64_t before_ns)
{
	struct dso_key key = key_of(process_dir, entry);
	int path_fd cleanup_close = mapped_file_find_again(process_dir, entry, own, &key.identity);

	if (path_fd < 0 || (!own && key.identity.ctime_ns > before_ns))
		return NULL;
	return get_found(cache, process_dir, entry, path_fd, &key);
}

struct dso *dso_get_known(struct dso_cache *cache, const struct map_entry *entry,
	const struct root_id *root, int64_t before_ns)
{
	struct mapped_as *found = mapped_as_find(&cache->mapped, entry, root);
	struct dso *dso = found ? container_of(found, struct dso, mapped) : NULL;

	if (!dso || !dso_files_unchanged(&dso->files) || dso_files_are_mixed(&dso->files) ||
		dso->files.identity.ctime_ns > before_ns)
		return NULL;
	return dso_ref(dso);
}

struct dso *dso_get_absent(struct dso_cache *cache, const struct map_entry *entry,
	const struct root_id *root)
{
	struct dso_key key = key_of(-1, entry);

	key.root = *root;
	return get_found(cache, -1, entry, -ENOENT, &key);
}

struct dso *dso_get_vdso(struct dso_cache *cache)
{
	const uint8_t *image = (const uint8_t *)(uintptr_t)getauxval(AT_SYSINFO_EHDR);
	const struct dso_key key = {.path = "[vdso]"};
	struct dso *dso = image ? find(cache, &key) : NULL;

	if (dso || !image)
		return dso;
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)(const void *)image;
	uint64_t size = header->e_shoff + (uint64_t)header->e_shnum * header->e_shentsize;

	dso = add(cache, &key, MODULE_VDSO);
	dso->files.memory = image;
	dso->files.memory_size = (size_t)size;
	if (header->e_ident[EI_CLASS] != ELFCLASS64 || size > VDSO_MAX)
		refuse(cache, dso, MISSING_DAMAGED);
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

const struct root_id *dso_root(const struct dso *dso)
{
	return &dso->root;
}

bool dso_walked(const struct dso *dso, uint64_t walk)
{
	return dso->walk == walk;
}

void dso_set_walked(struct dso *dso, uint64_t walk)
{
	dso->walk = walk;
}

const struct module *dso_module(const struct dso *dso)
{
	return &dso->module;
}

const struct file_identity *dso_identity(const struct dso *dso)
{
	return &dso->files.identity;
}

/* What is no file (the vDSO) has no identity, and is itself alone. */
bool dso_same_file(const struct dso *a, const struct dso *b)
{
	return a == b ||
		(a->module.kind == MODULE_FILE && b->module.kind == MODULE_FILE &&
			file_identity_equal(&a->files.identity, &b->files.identity));
}

uint64_t dso_file_hash(const struct dso *dso)
{
	return hash_bytes(&dso->files.identity, sizeof(dso->files.identity));
}

bool dso_needs_file(const struct dso *dso)
{
	return dso->state != DSO_REFUSED && dso->files.fd < 0 && !dso->files.memory;
}

bool dso_needs_process(const struct dso *dso)
{
	return dso_needs_file(dso) ||
		(dso->state != DSO_REFUSED && dso_files_want_debug(&dso->files));
}

static void reopen(struct dso *dso, int process_dir, const struct map_entry *entry)
{
	struct file_identity now;
	int path_fd cleanup_close = mapped_file_find(process_dir, entry, &now);

	if (path_fd < 0 || !file_identity_equal(&now, &dso->files.identity))
		return;
	int fd = mapped_file_open(process_dir, path_fd);

	if (fd >= 0)
		dso_files_hold(&dso->files, fd);
}

static void read_headers(struct dso_cache *cache, struct dso *dso)
{
	const struct elf_image *image = &dso->files.main.image;

	if (dso_files_read(&dso->files) < 0) {
		refuse(cache, dso, MISSING_DAMAGED);
		return;
	}
	const struct elf_segment *code = elf_image_code_segment(image);

	if (code) {
		dso->module.start = code->address;
		dso->module.end = code->address + code->memory_size;
		dso->module.file_offset = code->offset;
	}
	hex_encode(dso->build_id, image->build_id, image->build_id_len);
	dso->state = DSO_READ;
}

void dso_visit(struct dso_cache *cache, struct dso *dso, int process_dir, uint64_t map_start,
	uint64_t map_end)
{
	struct map_entry entry = {
		.start = map_start,
		.end = map_end,
		.path = dso->path,
		.inode = dso->mapped.inode,
		.dev_major = dso->mapped.dev_major,
		.dev_minor = dso->mapped.dev_minor,
	};

	struct file_root root cleanup_file_root = {.fd = -1};

	if (dso->files.fd < 0)
		reopen(dso, process_dir, &entry);
	if (dso->files.fd < 0)
		return;
	if (dso->state == DSO_NEW)
		read_headers(cache, dso);
	if (dso->state == DSO_READ && dso_files_want_debug(&dso->files) &&
		file_root_of_process(process_dir, &root) == 0 &&
		root_id_equal(&root.id, &dso->root))
		dso_files_look_for_debug(&dso->files, &root, dso->path);
}

static void enforce_budget(struct dso_cache *cache, const struct dso *keep)
{
	list_for_each_safe(n, &cache->loaded) {
		struct dso *dso = list_entry(n, struct dso, loaded_node);

		if (cache->store.table_bytes <= cache->max_bytes)
			return;
		if (dso != keep)
			name_chain_drop_tables(&cache->store, &dso->chain);
	}
}

static void touch(struct dso_cache *cache, struct dso *dso)
{
	list_remove(&dso->loaded_node);
	list_append(&cache->loaded, &dso->loaded_node);
	dso_files_touch(&dso->files);
}

static void add_line(struct dso_cache *cache, struct dso *dso, const struct name_files *files,
	uint64_t start, struct frame *ret)
{
	struct name_line line;

	name_chain_line(&cache->store, &dso->chain, files, ret->address, start, &line);
	ret->file = line.file;
	ret->line = line.line;
	ret->first_line = line.first_line;
}

static void name(struct dso_cache *cache, struct dso *dso, struct frame *ret)
{
	struct name_files files = dso_files_names(&dso->files);
	struct name_answer answer;

	ret->missing = name_chain_find(&cache->store, &dso->chain, &files, ret->address,
		dso->module.name, &answer);
	ret->function = answer.text;
	ret->origin = answer.text && dso->files.memory ? NAME_VDSO : answer.origin;
	if (files.line && answer.text)
		add_line(cache, dso, &files, answer.start, ret);
	enforce_budget(cache, dso);
	if (cache->store.table_bytes <= cache->max_bytes)
		return;
	name_chain_drop_tables(&cache->store, &dso->chain);
	dso->too_large = true;
	cache->refused++;
	*ret = (struct frame){
		.module = ret->module,
		.address = ret->address,
		.missing = MISSING_BUDGET,
	};
}

const struct elf_image *dso_image(struct dso_cache *cache, struct dso *dso)
{
	if (dso->state == DSO_NEW && (dso->files.fd >= 0 || dso->files.memory))
		read_headers(cache, dso);
	return dso->state == DSO_READ ? &dso->files.main.image : NULL;
}

bool dso_source(struct dso *dso, struct byte_source *ret)
{
	if (!dso_files_unchanged(&dso->files))
		return false;
	dso_files_touch(&dso->files);
	*ret = dso->files.memory ? byte_source_memory(dso->files.memory, dso->files.memory_size)
				 : byte_source_fd(dso->files.fd, dso->files.identity.size);
	return true;
}

void dso_resolve(struct dso_cache *cache, struct dso *dso, uint64_t offset, struct frame *ret)
{
	*ret = (struct frame){
		.module = &dso->module,
		.address = offset,
		.missing = MISSING_FILE,
	};
	if (dso->state == DSO_NEW && (dso->files.fd >= 0 || dso->files.memory))
		read_headers(cache, dso);
	if (dso->state == DSO_REFUSED)
		ret->missing = dso->refused_as;
	if (dso->state != DSO_READ)
		return;
	if (!elf_image_address(&dso->files.main.image, offset, &ret->address)) {
		ret->missing = MISSING_DAMAGED;
		return;
	}
	if (dso->too_large) {
		ret->missing = MISSING_BUDGET;
		return;
	}
	touch(cache, dso);
	name(cache, dso, ret);
}

bool dso_resolve_known(struct dso_cache *cache, struct dso *dso, uint64_t offset, struct frame *ret)
{
	struct name_answer answer;
	uint64_t address;

	if (dso->state != DSO_READ || cache->files.lines_max || !dso_files_settled(&dso->files) ||
		!elf_image_address(&dso->files.main.image, offset, &address) ||
		!name_chain_find_known(&dso->chain, dso->files.generation, address, &answer))
		return false;
	touch(cache, dso);
	*ret = (struct frame){
		.module = &dso->module,
		.address = address,
		.function = answer.text,
		.origin = dso->files.memory ? NAME_VDSO : answer.origin,
	};
	return true;
}

void dso_cache_visit(const struct dso_cache *cache,
	void (*visit)(void *ctx, const struct symbolizer_file *file), void *ctx)
{
	hashmap_for_each(e, &cache->dsos) {
		const struct dso *dso = container_of(e, struct dso, entry);
		struct symbolizer_file file = {
			.module = &dso->module,
			.refused = dso->state == DSO_REFUSED || dso->too_large,
			.name_bytes = dso->chain.name_bytes,
			.users = dso->refs,
		};

		name_chain_tables(&dso->chain, &file.symbols, &file.table_bytes);
		visit(ctx, &file);
	}
}

void dso_cache_set_demangle(struct dso_cache *cache, enum demangle_mode mode)
{
	cache->renamed |= cache->store.demangle != mode;
	cache->store.demangle = mode;
}

void dso_cache_set_lines(struct dso_cache *cache, bool lines)
{
	cache->renamed |= (cache->files.lines_max != 0) != lines;
	cache->files.lines_max = lines ? LINES_MAX : 0;
}

void dso_cache_end_round(struct dso_cache *cache)
{
	dso_files_budget_renew(&cache->files);
	hashmap_for_each(e, &cache->dsos) {
		struct dso *dso = container_of(e, struct dso, entry);

		if (dso->refs)
			continue;
		hashmap_remove(&cache->dsos, e);
		dso_free(cache, dso);
	}
	list_for_each_safe(n, &cache->loaded) {
		struct dso *dso = list_entry(n, struct dso, loaded_node);

		dso_files_drop(&dso->files);
		if (cache->renamed)
			name_chain_drop_names(&cache->store, &dso->chain);
		if (cache->store.table_bytes + cache->store.name_bytes <= cache->max_bytes)
			continue;
		name_chain_drop_tables(&cache->store, &dso->chain);
		name_chain_drop_names(&cache->store, &dso->chain);
		list_remove(&dso->loaded_node);
	}
	cache->renamed = false;
}

void dso_cache_release(struct dso_cache *cache)
{
	hashmap_for_each(e, &cache->dsos) {
		struct dso *dso = container_of(e, struct dso, entry);

		hashmap_remove(&cache->dsos, e);
		dso_free(cache, dso);
	}
	hashmap_release(&cache->dsos);
	hashmap_release(&cache->mapped);
	hashmap_release(&cache->roots);
	name_store_release(&cache->store);
	dso_files_budget_release(&cache->files);
}
