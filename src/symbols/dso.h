// SPDX-License-Identifier: Apache-2.0
/*
 * The files that processes map, each once: module, symbol tables, names. A dso is one file contents
 * under one path (device, inode, size, times, path), never "the file with this build id": a build id is
 * what a file says about itself, and a container may lie about its own. What files of one content share is
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
#include "proc/mapped_file.h"
#include "proc/maps.h"
#include "symbols/frame.h"

struct dso;

struct dso_cache {
	struct hashmap dsos; /* by identity and path */
	struct hashmap tables; /* shared address tables by digest */
	struct list_node open; /* dsos that hold a descriptor, least recently used first */
	size_t open_count;
	struct list_node loaded; /* dsos that hold tables or names, least recently used first */
	size_t max_bytes; /* of tables and names */
	size_t table_bytes, name_bytes;
	uint32_t *next_module_id; /* the symbolizer's */
	uint64_t round;
	uint64_t
		refused; /* no regular file, not readable without waiting, not ELF, damaged, too large */
};

void dso_cache_init(struct dso_cache *cache, size_t max_bytes, uint32_t *next_module_id);
void dso_cache_release(struct dso_cache *cache);

/*
 * The file behind a mapping of the process whose directory this is; opened now, parsed when first asked
 * about. A file that cannot be had or must not be touched is a dso too, without names. The caller owns a
 * reference. NULL only where there are too many files.
 */
struct dso *dso_get(struct dso_cache *cache, int process_dir, const struct map_entry *entry);
/* The vDSO: this process's own image, which is every 64-bit process's. NULL where there is none. */
struct dso *dso_get_vdso(struct dso_cache *cache);
struct dso *dso_ref(struct dso *dso);
void dso_unref(struct dso_cache *cache, struct dso *dso);

const struct module *dso_module(const struct dso *dso);

/* Whether answering takes the file and its descriptor was given up. Then dso_reopen() may help. */
bool dso_needs_file(const struct dso *dso);
void dso_reopen(struct dso_cache *cache, struct dso *dso, int process_dir, uint64_t map_start,
	uint64_t map_end);

/*
 * The byte at `offset` of the file: its address (the offset itself where no segment holds it) and
 * the function there or NULL. The name lives until dso_cache_end_round() at least.
 */
const char *dso_resolve(struct dso_cache *cache, struct dso *dso, uint64_t offset,
	uint64_t *ret_address);

/* Frees what is over budget. */
void dso_cache_end_round(struct dso_cache *cache);

#endif
