// SPDX-License-Identifier: Apache-2.0
/*
 * New ranges are first made disjoint among themselves, by a sweep over their addresses with a heap of those
 * that cover the current one, the latest on top; then they are merged into the list, where they win:
 *
 *	told:   1 |-------|      2 |---|        swept:  |-1-|-2-|-1-|
 *	list:      |------ a ------|            merged: |-1-|-2-|-1-| a |
 *
 * That is n log n for the new ones and linear in the list, once a round; inserting one by one would
 * be quadratic for a runtime that writes 100,000 at once.
 */
#include "symbols/jit_map.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/macros.h"
#include "base/scratch.h"

struct told {
	struct jit_range range;
	uint32_t order;
};

/* Disjoint pieces, ascending. */
struct pieces {
	struct scratch memory;
	size_t count;
};

static void emit(struct pieces *out, uint64_t start, uint64_t end, uint32_t name)
{
	struct jit_range *list = out->memory.data;
	struct jit_range *last = out->count ? &list[out->count - 1] : NULL;

	if (last && last->name == name && last->start + last->size == start &&
		end - last->start <= UINT32_MAX) {
		last->size = (uint32_t)(end - last->start);
		return;
	}
	if ((out->count + 1) * sizeof(*list) > out->memory.size)
		scratch_grow(&out->memory, (out->count + 1) * 2 * sizeof(*list));
	list = out->memory.data;
	list[out->count++] = (struct jit_range){start, (uint32_t)(end - start), name};
}

static uint64_t end_of(const struct jit_range *r)
{
	return r->start + r->size;
}

static int by_start(const void *a, const void *b)
{
	const struct told *x = a, *y = b;

	return (x->range.start > y->range.start) - (x->range.start < y->range.start);
}

/* A heap of indices into `told`, the greatest order first. */
struct heap {
	const struct told *told;
	uint32_t *at;
	size_t count;
};

static bool above(const struct heap *h, size_t i, size_t k)
{
	return h->told[h->at[i]].order > h->told[h->at[k]].order;
}

static void swap(struct heap *h, size_t i, size_t k)
{
	uint32_t kept = h->at[i];

	h->at[i] = h->at[k];
	h->at[k] = kept;
}

static void push(struct heap *h, uint32_t index)
{
	size_t i = h->count++;

	h->at[i] = index;
	for (; i && above(h, i, (i - 1) / 2); i = (i - 1) / 2)
		swap(h, i, (i - 1) / 2);
}

static void pop(struct heap *h)
{
	size_t i = 0;

	h->at[0] = h->at[--h->count];
	for (;;) {
		size_t left = 2 * i + 1, right = left + 1, top = i;

		if (left < h->count && above(h, left, top))
			top = left;
		if (right < h->count && above(h, right, top))
			top = right;
		if (top == i)
			return;
		swap(h, i, top);
		i = top;
	}
}

static void sweep(const struct told *told, size_t count, struct pieces *out)
{
	struct scratch memory cleanup_scratch = {0};
	struct heap heap = {.told = told};
	uint64_t at = 0;

	scratch_grow(&memory, count * sizeof(*heap.at));
	heap.at = memory.data;
	for (size_t i = 0; i < count || heap.count;) {
		if (!heap.count)
			at = told[i].range.start;
		while (i < count && told[i].range.start <= at)
			push(&heap, (uint32_t)i++);
		while (heap.count && end_of(&told[heap.at[0]].range) <= at)
			pop(&heap);
		if (!heap.count)
			continue;
		const struct jit_range *top = &told[heap.at[0]].range;
		uint64_t end = end_of(top);

		if (i < count)
			end = MIN(end, told[i].range.start);
		emit(out, at, end, top->name);
		at = end;
	}
}

static void merge(const struct jit_map *old, const struct pieces *new, struct pieces *out)
{
	const struct jit_range *b = new->memory.data, *b_end = b + new->count;
	uint64_t covered = 0;

	for (size_t i = 0; i < old->count; i++) {
		const struct jit_range *a = &old->list[i];
		uint64_t at = MAX(a->start, covered), end = end_of(a);

		for (; b < b_end && b->start < end; b++) {
			if (b->start > at)
				emit(out, at, b->start, a->name);
			emit(out, b->start, end_of(b), b->name);
			covered = end_of(b);
			at = MAX(at, covered);
		}
		if (at < end)
			emit(out, at, end, a->name);
	}
	for (; b < b_end; b++)
		emit(out, b->start, end_of(b), b->name);
}

void jit_map_add(struct jit_map *map, const struct jit_range *ranges, size_t count)
{
	struct scratch memory cleanup_scratch = {0};
	struct pieces swept = {0}, merged = {0};

	if (!count)
		return;
	scratch_grow(&memory, count * sizeof(struct told));
	struct told *told = memory.data;

	for (size_t i = 0; i < count; i++)
		told[i] = (struct told){ranges[i], (uint32_t)i};
	qsort(told, count, sizeof(*told), by_start);
	sweep(told, count, &swept);
	merge(map, &swept, &merged);
	free(map->list);
	map->list = xmemdup(merged.memory.data, merged.count * sizeof(map->list[0]));
	map->count = merged.count;
	scratch_release(&swept.memory);
	scratch_release(&merged.memory);
}

const struct jit_range *jit_map_find(const struct jit_map *map, uint64_t address)
{
	size_t lo = 0, hi = map->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (end_of(&map->list[mid]) <= address)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < map->count && map->list[lo].start <= address ? &map->list[lo] : NULL;
}

size_t jit_map_bytes(const struct jit_map *map)
{
	return map->count * sizeof(map->list[0]);
}

void jit_map_release(struct jit_map *map)
{
	free(map->list);
	*map = (struct jit_map){0};
}
