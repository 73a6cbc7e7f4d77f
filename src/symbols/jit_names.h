// SPDX-License-Identifier: Apache-2.0
/*
 * Names of the code that one process generates, from what its runtime writes about it. Files are found
 * and held while the process lives, read when a name is wanted; so they are there after it has ended.
 */
#ifndef SYMBOLS_JIT_NAMES_H
#define SYMBOLS_JIT_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hashmap.h"
#include "base/list.h"
#include "symbols/frame.h"
#include "symbols/process_maps.h"

struct jit_names;

/* What the processes share. */
struct jit_store {
	struct list_node by_use; /* of those that hold files or ranges, least recently used first */
	size_t count, max_bytes, bytes; /* of ranges and names */
	uint64_t cut_short; /* files that were too large, or had too many ranges */
	uint64_t work; /* of reading in this round (jit_file.h) */
	struct hashmap containers; /* what that was for processes of each container */
};

void jit_store_init(struct jit_store *store, size_t max_bytes);
void jit_store_end_round(struct jit_store *store);
void jit_store_release(struct jit_store *store); /* after all jit_names */

struct jit_names *jit_names_new(struct jit_store *store);
void jit_names_free(struct jit_names *j); /* NULL is fine */

/* Whether the process has memory that its runtime may write about. */
bool jit_names_wanted(const struct process_maps *maps);
/* Finds the files of the living process, or notices that they were replaced. Some 100 us. */
void jit_names_find_files(struct jit_names *j, int process_dir, const struct process_maps *maps);
/*
 * Names the function at `address` in *ret (function, origin, missing), if it can. In a round's first call (the number
 * changes) the files are read on, within what a round and a container may take. The text lives until jit_names_end_round().
 */
bool jit_names_resolve(struct jit_names *j, uint64_t address, uint64_t round, struct frame *ret);
/* Forgets the texts; before and after it keeps to the store's budget. */
void jit_names_end_round(struct jit_names *j);

#endif
