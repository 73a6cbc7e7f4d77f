// SPDX-License-Identifier: Apache-2.0
/*
 * A hash table by contents, and by ref for giving back: both find the same slot, because the hash of the
 * contents can be computed from the ref. Open addressing; a slot that becomes free is closed by moving
 * later ones up, so there are no tombstones.
 */
#include "unwind/page_table.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"

#define SLOTS_MIN 256

struct slot {
	uint32_t ref; /* 0: free */
	uint32_t users;
	uint32_t hash;
};

struct page_table {
	struct slab *slab;
	struct slot *slots;
	size_t size, count; /* size: a power of two, more than half free */
};

static size_t row_bytes(uint16_t count)
{
	return (size_t)count * sizeof(uint16_t);
}

/* | count, 0 | at[count] | rule[count] | */
static size_t block_bytes(uint16_t count)
{
	return ROWS_HEAD + 2 * row_bytes(count);
}

size_t page_table_bytes_of(const struct page_rows *rows)
{
	return block_bytes(rows->count);
}

static uint32_t hash_rows(const uint16_t *at, const uint16_t *rule, uint16_t count)
{
	return (uint32_t)hash_combine(hash_bytes(at, row_bytes(count)),
		hash_bytes(rule, row_bytes(count)));
}

static bool same_rows(const struct page_table *t, uint32_t ref, const struct page_rows *rows)
{
	const uint16_t *block = slab_at(t->slab, ref);

	return block[0] == rows->count &&
		memcmp(block + 2, rows->at, row_bytes(rows->count)) == 0 &&
		memcmp(block + 2 + rows->count, rows->rule, row_bytes(rows->count)) == 0;
}

struct page_table *page_table_new(struct slab *slab)
{
	struct page_table *t = xcalloc(1, sizeof(*t));

	t->slab = slab;
	t->size = SLOTS_MIN;
	t->slots = xcalloc(t->size, sizeof(*t->slots));
	return t;
}

void page_table_free(struct page_table *t)
{
	if (!t)
		return;
	free(t->slots);
	free(t);
}

static void insert(struct page_table *t, const struct slot *slot)
{
	size_t i = slot->hash & (t->size - 1);

	while (t->slots[i].ref)
		i = (i + 1) & (t->size - 1);
	t->slots[i] = *slot;
}

static void resize(struct page_table *t, size_t size)
{
	struct slot *old = t->slots;
	size_t old_size = t->size;

	t->slots = xcalloc(size, sizeof(*t->slots));
	t->size = size;
	for (size_t i = 0; i < old_size; i++)
		if (old[i].ref)
			insert(t, &old[i]);
	free(old);
}

static uint32_t write_block(struct page_table *t, const struct page_rows *rows)
{
	uint32_t ref = slab_take(t->slab, block_bytes(rows->count));
	uint16_t *block = slab_at(t->slab, ref);

	if (!ref)
		return 0;
	block[0] = rows->count;
	block[1] = 0;
	memcpy(block + 2, rows->at, row_bytes(rows->count));
	memcpy(block + 2 + rows->count, rows->rule, row_bytes(rows->count));
	return ref;
}

uint32_t page_table_take(struct page_table *t, const struct page_rows *rows)
{
	struct slot new = {.hash = hash_rows(rows->at, rows->rule, rows->count), .users = 1};

	for (size_t i = new.hash &(t->size - 1); t->slots[i].ref; i = (i + 1) & (t->size - 1)) {
		struct slot *slot = &t->slots[i];

		if (slot->hash == new.hash && same_rows(t, slot->ref, rows)) {
			slot->users++;
			return slot->ref;
		}
	}
	new.ref = write_block(t, rows);
	if (!new.ref)
		return 0;
	if (2 * (t->count + 1) > t->size)
		resize(t, 2 * t->size);
	insert(t, &new);
	t->count++;
	return new.ref;
}

/* Moves up those that would not be found any more across the hole at `i`. */
static void close_hole(struct page_table *t, size_t i)
{
	size_t mask = t->size - 1;

	for (size_t j = (i + 1) & mask; t->slots[j].ref; j = (j + 1) & mask) {
		size_t home = t->slots[j].hash & mask;

		if (((j - home) & mask) < ((j - i) & mask))
			continue;
		t->slots[i] = t->slots[j];
		i = j;
	}
	t->slots[i] = (struct slot){0};
}

void page_table_give(struct page_table *t, uint32_t ref)
{
	const uint16_t *block = slab_at(t->slab, ref);

	if (!block)
		return;
	uint16_t count = block[0];
	uint32_t hash = hash_rows(block + 2, block + 2 + count, count);
	size_t i = hash & (t->size - 1);

	while (t->slots[i].ref && t->slots[i].ref != ref)
		i = (i + 1) & (t->size - 1);
	if (!t->slots[i].ref || --t->slots[i].users)
		return;
	close_hole(t, i);
	t->count--;
	slab_give(t->slab, ref, block_bytes(count));
	if (t->size > SLOTS_MIN && 8 * t->count < t->size)
		resize(t, t->size / 2);
}

size_t page_table_count(const struct page_table *t)
{
	return t->count;
}

size_t page_table_bytes(const struct page_table *t)
{
	return t->size * sizeof(*t->slots);
}
