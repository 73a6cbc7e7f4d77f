// SPDX-License-Identifier: Apache-2.0
/*
 * Open addressing with linear probing, at most half full. Half of each element's hash is kept in its
 * slot: growing needs no look at the elements, and few unequal ones are ever compared.
 */
#include "export/dedup.h"

#include <stdlib.h>

#include "base/alloc.h"

#define FIRST_SIZE 64

void dedup_release(struct dedup *d)
{
	free(d->slots);
	*d = (struct dedup){0};
}

uint32_t dedup_find(const struct dedup *d, uint64_t hash, dedup_same_fn same, const void *key)
{
	if (!d->size)
		return DEDUP_NONE;
	for (size_t i = (uint32_t)hash & (d->size - 1);; i = (i + 1) & (d->size - 1)) {
		const struct dedup_slot *slot = &d->slots[i];

		if (!slot->element)
			return DEDUP_NONE;
		if (slot->hash == (uint32_t)hash && same(key, slot->element - 1))
			return slot->element - 1;
	}
}

static void insert(struct dedup *d, uint32_t hash, uint32_t element)
{
	size_t i = hash & (d->size - 1);

	while (d->slots[i].element)
		i = (i + 1) & (d->size - 1);
	d->slots[i] = (struct dedup_slot){.hash = hash, .element = element};
}

static void grow(struct dedup *d)
{
	struct dedup old = *d;

	d->size = old.size ? 2 * old.size : FIRST_SIZE;
	d->slots = xcalloc(d->size, sizeof(d->slots[0]));
	for (size_t i = 0; i < old.size; i++)
		if (old.slots[i].element)
			insert(d, old.slots[i].hash, old.slots[i].element);
	free(old.slots);
}

void dedup_add(struct dedup *d, uint64_t hash, uint32_t element)
{
	if (2 * (d->count + 1) > d->size)
		grow(d);
	insert(d, (uint32_t)hash, element + 1);
	d->count++;
}
