// SPDX-License-Identifier: Apache-2.0
/*
 * Makes room where the tables' memory is full. Pages that no walk has used since the last time are dropped (a clock
 * with one hand over all pages of all binaries), and if that is not enough those that were used.
 *
 * What pages leave is small pieces, with mappings and indexes of others between. Where none is large enough, a
 * chunk is cleared: its pages are dropped, and what must stay is copied elsewhere.
 *
 *	chunk:	| rows | mappings of a process | rows | index of a binary | free |
 *		 dropped     copied              dropped    copied          not taken from meanwhile
 *
 * The kernel reads the originals until it has quiesced; until then they rest in the slab.
 */
#include "unwind/rows.h"
#include "unwind/unwinder_inside.h"

#include <string.h>

#define EVICTIONS_MAX     32 /* a round */
#define CLEARINGS_MAX     2 /* a round: each drops a chunk's pages and a share of all others */
#define EVICTIONS_AT_ONCE 4 /* for one piece: what they free must lie side by side */
#define ROOM_MAX          (64 << 10) /* for larger pieces that is hopeless: a chunk is cleared at once */
#define EVICT_SHARE       4 /* of the pages, when there is no room */
#define STAYING_SHARE     2 /* no chunk is cleared where mappings and indexes have half of all room */

/* Moves the hand on by one page. False at the end of a turn. */
static bool advance_hand(struct unwinder *u)
{
	const struct binary *b = u->by_number[u->hand_binary];

	if (b && u->hand_page + 1 < b->page_count) {
		u->hand_page++;
		return true;
	}
	u->hand_page = 0;
	u->hand_binary = (u->hand_binary + 1) % UNWIND_BINARIES_MAX;
	return u->hand_binary != 0;
}

static bool evict_at_hand(struct unwinder *u)
{
	struct binary *b = u->by_number[u->hand_binary];
	uint8_t *used = b ? unwind_page_used(u, b) : NULL;

	if (!b || u->hand_page >= b->page_count || !unwind_page_refs(u, b)[u->hand_page])
		return false;
	if (used[u->hand_page]) {
		used[u->hand_page] = 0;
		return false;
	}
	unwind_drop_page(u, b, u->hand_page);
	u->stats.pages_evicted++;
	return true;
}

void unwind_quiesce(struct unwinder *u)
{
	u->store.quiesce(u->store.ctx);
	slab_quiesced(u->slab);
}

static void evict(struct unwinder *u)
{
	size_t wanted = page_table_count(u->pages) / EVICT_SHARE + 1;

	for (int turns = 0; wanted && turns < 3;) {
		if (evict_at_hand(u))
			wanted--;
		turns += !advance_hand(u);
	}
	unwind_quiesce(u);
}

static bool is_in_vain(const struct unwinder *u, size_t size)
{
	return size >= u->no_room_for || u->evictions == EVICTIONS_MAX;
}

bool unwind_make_room(struct unwinder *u, size_t size)
{
	if (is_in_vain(u, size))
		return false;
	u->evictions++;
	evict(u);
	slab_join(u->slab);
	return true;
}

void unwind_made_no_room(struct unwinder *u, size_t size)
{
	u->no_room_for = MIN(u->no_room_for, size);
	u->stats.no_room++;
}

static uint32_t chunk_of(uint32_t ref)
{
	return ref >> SLAB_REF_OFFSET_BITS;
}

/*
 * The chunk where the least lies that must stay, so that it may be cleared for a piece of that size; -1 where
 * none may: whoever has large files is not to have all room.
 */
static int chunk_to_clear(const struct unwinder *u, size_t size)
{
	size_t bytes[SLAB_CHUNKS_MAX] = {0}, total = size;
	uint32_t count = (uint32_t)(slab_bytes(u->slab) / SLAB_CHUNK_SIZE);
	int best = -1;

	hashmap_for_each(e, &u->processes) {
		const struct process *p = container_of(e, struct process, entry);

		bytes[chunk_of(p->mappings)] += unwind_mappings_bytes(p->count);
		total += unwind_mappings_bytes(p->count);
	}
	hashmap_for_each(e, &u->binaries) {
		const struct binary *b = container_of(e, struct binary, entry);

		bytes[chunk_of(b->pages)] += unwind_index_bytes(b);
		total += unwind_index_bytes(b);
	}
	for (uint32_t i = 0; i < count; i++) {
		bool is_written = u->being_written && i == chunk_of(u->being_written);

		if (!is_written && (best < 0 || bytes[i] < bytes[best]))
			best = (int)i;
	}
	return total <= slab_bytes(u->slab) / STAYING_SHARE ? best : -1;
}

static void drop_pages_in(struct unwinder *u, uint32_t chunk)
{
	hashmap_for_each(e, &u->binaries) {
		struct binary *b = container_of(e, struct binary, entry);

		for (uint32_t page = 0; page < b->page_count; page++) {
			uint32_t ref = unwind_page_refs(u, b)[page];

			if (!ref || chunk_of(ref) != chunk)
				continue;
			unwind_drop_page(u, b, page);
			u->stats.pages_evicted++;
		}
	}
}

/* Copies a piece that is in the chunk to another one. False where there is no room. */
static bool move(struct unwinder *u, uint32_t chunk, uint32_t *ref, size_t size)
{
	if (!*ref || chunk_of(*ref) != chunk)
		return true;
	uint32_t new = slab_take(u->slab, size);

	if (!new)
		return false;
	memcpy(slab_at(u->slab, new), slab_at(u->slab, *ref), size);
	slab_give(u->slab, *ref, size);
	*ref = new;
	return true;
}

static bool move_indexes(struct unwinder *u, uint32_t chunk)
{
	bool all = true;

	hashmap_for_each(e, &u->binaries) {
		struct binary *b = container_of(e, struct binary, entry);

		all &= move(u, chunk, &b->pages, unwind_index_bytes(b));
		__atomic_store_n(&u->store.binaries[b->number].pages, b->pages, __ATOMIC_RELEASE);
	}
	return all;
}

/* The kernel is told of all: it may remember where the indexes were with any of them. */
static bool move_mappings(struct unwinder *u, uint32_t chunk)
{
	bool all = true;

	hashmap_for_each(e, &u->processes) {
		struct process *p = container_of(e, struct process, entry);

		if (!p->mappings)
			continue;
		all &= move(u, chunk, &p->mappings, unwind_mappings_bytes(p->count));
		unwind_tell_kernel(u, p);
	}
	return all;
}

/* Room for a piece of that size, in one chunk. True where it is worth trying again. */
static bool clear_chunk(struct unwinder *u, size_t size)
{
	if (!page_table_count(u->pages) || u->clearings == CLEARINGS_MAX || is_in_vain(u, size))
		return false;
	int chunk = chunk_to_clear(u, size);

	if (chunk < 0)
		return false;
	u->clearings++;
	drop_pages_in(u, (uint32_t)chunk);
	unwind_make_room(u, size); /* in the others, for what is moved there */
	slab_rest_chunk(u->slab, (uint32_t)chunk);
	bool cleared = move_indexes(u, (uint32_t)chunk);

	cleared &= move_mappings(u, (uint32_t)chunk);
	unwind_quiesce(u);
	slab_join(u->slab);
	return cleared;
}

uint32_t unwind_take(struct unwinder *u, size_t size)
{
	uint32_t ref = slab_take(u->slab, size);

	for (int i = 0; !ref && size <= ROOM_MAX && i < EVICTIONS_AT_ONCE; i++) {
		if ((i && !page_table_count(u->pages)) || !unwind_make_room(u, size))
			break;
		ref = slab_take(u->slab, size);
	}
	if (!ref && clear_chunk(u, size))
		ref = slab_take(u->slab, size);
	if (!ref)
		unwind_made_no_room(u, size);
	return ref;
}
