// SPDX-License-Identifier: Apache-2.0
/*
 * The files that processes map, each once: module, symbol tables, names. A dso is one file contents
 * under one path beneath one root (device, inode, size, times, path), never "the file with this build id": a
 * build id is what a file says about itself, and a container may lie about its own. What files of one content share is
 * the address table, found by a digest of the very bytes it was made from (see name_source.h); names
 * are always read from the file that is asked about. So nothing that a container writes can show up in
 * another's profile.
 */
#ifndef SYMBOLS_DSO_H
#define SYMBOLS_DSO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hashmap.h"
#include "base/list.h"
#include "proc/file_root.h"
#include "proc/mapped_file.h"
#include "proc/maps.h"
#include "symbols/byte_source.h"
#include "symbols/dso_files.h"
#include "symbols/elf_image.h"
#include "symbols/frame.h"
#include "symbols/name_chain.h"

struct dso;
struct symbolizer_file; /* symbolizer.h */

struct dso_cache {
	struct hashmap dsos; /* by identity, path and root */
	struct hashmap mapped; /* by what maps show, see mapped_as.h */
	struct hashmap roots; /* how many dsos each has: see root_share.h */
	uint64_t walks; /* the number of the last one, see dso_walked() */
	struct name_store store;
	struct dso_files_budget files;
	struct list_node loaded; /* dsos that hold tables or names, least recently used first */
	size_t max_bytes; /* of tables and names */
	uint32_t *next_module_id; /* the symbolizer's */
	bool renamed; /* names were made in another way than they are to be made now */
	uint64_t
		refused; /* no regular file, not readable without waiting, not ELF, damaged, too large */
};

struct dso_cache_options {
	size_t max_bytes;
	uint32_t *next_module_id;
	int host_dir; /* of a process of the host, which must outlive the cache; -1: none */
};

void dso_cache_init(struct dso_cache *cache, const struct dso_cache_options *options);
void dso_cache_release(struct dso_cache *cache);

/*
 * The file behind a mapping of the process whose directory this is; opened now, parsed when first asked
 * about. A file that cannot be had or must not be touched is a dso too, without names. The caller owns a
 * reference. NULL only where there are too many files, in all or of that process's root.
 */
struct dso *dso_get(struct dso_cache *cache, int process_dir, const struct map_entry *entry);
/*
 * The file behind a mapping that was there at before_ns (CLOCK_REALTIME), see mapped_file_find_again(). Where the
 * directory is not the process's own, a file that changed since then is not it. NULL where it is not there.
 */
struct dso *dso_get_again(struct dso_cache *cache, int process_dir, const struct map_entry *entry,
	bool own, int64_t before_ns);
/*
 * The same where no process is left to ask: a file that another process beneath the same root maps, or did, and
 * still open.
 */
struct dso *dso_get_known(struct dso_cache *cache, const struct map_entry *entry,
	const struct root_id *root, int64_t before_ns);
/* A file that cannot be had any more: it has a path and no names. */
struct dso *dso_get_absent(struct dso_cache *cache, const struct map_entry *entry,
	const struct root_id *root);
/* The vDSO: this process's own image, which is every 64-bit process's. NULL where there is none. */
struct dso *dso_get_vdso(struct dso_cache *cache);
struct dso *dso_ref(struct dso *dso);
void dso_unref(struct dso_cache *cache, struct dso *dso);

/* Beneath which it was opened. */
const struct root_id *dso_root(const struct dso *dso);
/* For counting distinct ones: whether it was met in the walk of that number, of which each has its own. */
bool dso_walked(const struct dso *dso, uint64_t walk);
void dso_set_walked(struct dso *dso, uint64_t walk);

const struct module *dso_module(const struct dso *dso);
/* Made from the line in maps, without size and times, where the file could not be had. */
const struct file_identity *dso_identity(const struct dso *dso);

/* For others that parse the file. Its headers, read if need be; NULL where it cannot be had. */
const struct elf_image *dso_image(struct dso_cache *cache, struct dso *dso);
/* Its bytes, if it can be read now and is what it was; the descriptor stays the cache's. */
bool dso_source(struct dso *dso, struct byte_source *ret);

/*
 * Whether two modules are one file, mapped beneath different roots or under different paths: its code is the
 * same, its debug file need not be. Equal ones have one hash.
 */
bool dso_same_file(const struct dso *a, const struct dso *b);
uint64_t dso_file_hash(const struct dso *dso);
/* Whether answering takes the file and its descriptor was given up. */
bool dso_needs_file(const struct dso *dso);
/*
 * Whether answering well takes a living process that maps the file: its descriptor was given up, or its
 * debug file was not looked for. Then dso_visit() may help.
 */
bool dso_needs_process(const struct dso *dso);
void dso_visit(struct dso_cache *cache, struct dso *dso, int process_dir, uint64_t map_start,
	uint64_t map_end);

/*
 * The byte at `offset` of the file: its address (the offset itself where no segment holds it) and
 * the function there. The name lives until dso_cache_end_round() at least.
 */
void dso_resolve(struct dso_cache *cache, struct dso *dso, uint64_t offset, struct frame *ret);

/* The same where the name is known and so takes no file; else false. */
bool dso_resolve_known(struct dso_cache *cache, struct dso *dso, uint64_t offset,
	struct frame *ret);

void dso_cache_visit(const struct dso_cache *cache,
	void (*visit)(void *ctx, const struct symbolizer_file *file), void *ctx);

/* How names are shown from now on; those that were asked about are made again after the round. */
void dso_cache_set_demangle(struct dso_cache *cache, enum demangle_mode mode);
/* Whether frames get source lines, in the same way. */
void dso_cache_set_lines(struct dso_cache *cache, bool lines);
/* Frees what is over budget. */
void dso_cache_end_round(struct dso_cache *cache);

#endif
