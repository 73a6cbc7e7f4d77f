// SPDX-License-Identifier: Apache-2.0
/*
 * What the parts of the unwinder know of each other: unwinder.c, unwinder_pages.c, unwinder_room.c,
 * walk.c.
 */
#ifndef UNWIND_UNWINDER_INSIDE_H
#define UNWIND_UNWINDER_INSIDE_H

#include "base/hashmap.h"
#include "base/list.h"
#include "symbols/eh_frame.h"
#include "unwind/page_table.h"
#include "unwind/rows.h"
#include "unwind/rule_table.h"
#include "unwind/unwinder.h"

struct binary {
	struct hashmap_entry entry; /* by file */
	struct list_node parsers; /* while eh_frame is there; least recently used first */
	struct dso *dso; /* a reference: of those that are this file, the one it is read through */
	uint32_t number;
	uint32_t users; /* mappings of processes */
	uint32_t idle_rounds;
	uint32_t new_rules;
	uint32_t pages; /* ref of the index */
	uint32_t first_page, page_count;
	struct byte_source source; /* of the dso, while it can be read */
	struct eh_frame *eh_frame;
};

struct process {
	struct hashmap_entry entry;
	struct process_id id;
	uint32_t mappings, count; /* ref */
	bool quiet;
};

#define UNREAD_MAX 1024

struct unwinder {
	struct unwind_store store;
	struct dso_cache *dsos; /* not owned */
	struct slab *slab;
	struct rule_table *rules;
	struct page_table *pages;
	struct hashmap binaries, processes;
	struct binary *by_number[UNWIND_BINARIES_MAX];
	uint32_t next_number; /* where to look for a free one */
	uint32_t hand_binary, hand_page; /* of the clock */
	struct list_node parsers;
	size_t parser_count;
	unsigned restarts; /* in this round */
	unsigned evictions; /* in this round */
	unsigned clearings; /* of chunks, in this round */
	size_t no_room_for; /* the least that they made no room for, in bytes */
	uint32_t being_written; /* mappings that are no process's yet, 0: none */
	bool any_quiet; /* processes */
	struct {
		uint32_t binary, page;
	} unread[UNREAD_MAX]; /* pages asked for in this round while their file could not be read */
	size_t unread_count;
	struct unwinder_stats stats;
	struct page_rows rows; /* being built */
	struct unwind_rows parsed;
};

/* The index of the binary's pages: refs of their rows, and whether each was used. */
uint32_t *unwind_page_refs(const struct unwinder *u, const struct binary *b);
uint8_t *unwind_page_used(const struct unwinder *u, const struct binary *b);
size_t unwind_index_bytes(const struct binary *b);
void unwind_drop_page(struct unwinder *u, struct binary *b, uint32_t page);
void unwind_drop_parser(struct unwinder *u, struct binary *b);
/* They are to be asked for again. */
void unwind_drop_unread(struct unwinder *u);
/*
 * Drops pages so that a piece of that size may be had: true where it is worth trying again. Each time waits for the
 * kernel, so there are only so many in a round, and none for what one was in vain for.
 */
bool unwind_make_room(struct unwinder *u, size_t size);
void unwind_made_no_room(struct unwinder *u, size_t size);
/* The kernel runs no program any more that ran before: what rests may be had. */
void unwind_quiesce(struct unwinder *u);
/* slab_take(), making room if need be; counts what is not had. */
uint32_t unwind_take(struct unwinder *u, size_t size);

struct process *unwind_find_process(const struct unwinder *u, const struct process_id *id);
const struct unwind_mapping *unwind_mappings_of(const struct unwinder *u, const struct process *p);
size_t unwind_mappings_bytes(size_t count);
void unwind_tell_kernel(struct unwinder *u, const struct process *p);

struct slab *unwinder_slab(const struct unwinder *u);
const struct unwind_store *unwinder_store(const struct unwinder *u);
/* The process's array for walk_begin(); false where it was never told. */
bool unwinder_mappings(struct unwinder *u, const struct process_id *id, uint32_t *ret_mappings,
	uint32_t *ret_count);

#endif
