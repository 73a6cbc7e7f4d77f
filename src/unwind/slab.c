// SPDX-License-Identifier: Apache-2.0
/*
 * Pieces come in sizes of 8 bytes up to 128, then of four steps to each power of two, so that at most a
 * fifth is lost and what is given back fits again. Free pieces of one size form a list through their
 * first bytes; new ones are cut from the last chunk's end, whose rest is put on the lists when the next
 * chunk begins.
 *
 *	take:  free list of the size -> rest of the last chunk -> a new chunk -> part of a larger piece
 *	give:  resting --slab_quiesced()--> free list --slab_join()--> free lists of larger ones
 */
#include "unwind/slab.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define UNIT             8
#define EXACT_UNITS      16 /* sizes up to here are their own class */
#define CLASSES          (EXACT_UNITS + 4 * 13 + 1) /* up to a chunk of 2^17 units */
#define CHUNK_UNITS      (SLAB_CHUNK_SIZE / UNIT)
#define REF(chunk, unit) ((chunk) << SLAB_REF_OFFSET_BITS | (unit))

struct resting {
	uint32_t ref;
	uint32_t class;
};

struct slab {
	struct slab_source source;
	uint32_t max_chunks, chunk_count;
	uint8_t *chunks[SLAB_CHUNKS_MAX];
	uint32_t next_unit; /* of the last chunk */
	uint32_t free[CLASSES]; /* ref of the first free piece */
	struct resting *resting;
	size_t resting_count, resting_capacity;
	size_t used_units; /* including what rests */
};

/* The class for so many units, and how many units a piece of it has. */
static uint32_t class_of(size_t units, uint32_t *ret_units)
{
	if (units <= EXACT_UNITS) {
		*ret_units = (uint32_t)units;
		return (uint32_t)units;
	}
	uint32_t log = 63 - (uint32_t)__builtin_clzll((uint64_t)units - 1); /* 2^log < units */
	uint32_t step = 1U << (log - 2);
	uint32_t quarter = (uint32_t)(units - 1 - ((size_t)1 << log)) / step; /* 0 to 3 */

	*ret_units = (1U << log) + (quarter + 1) * step;
	return EXACT_UNITS + 1 + (log - 4) * 4 + quarter;
}

struct slab *slab_new(const struct slab_source *source, size_t max_bytes)
{
	struct slab *s = xcalloc(1, sizeof(*s));
	size_t chunks = (max_bytes + SLAB_CHUNK_SIZE - 1) / SLAB_CHUNK_SIZE;

	s->source = *source;
	s->max_chunks = (uint32_t)MIN(chunks, (size_t)SLAB_CHUNKS_MAX);
	s->next_unit = CHUNK_UNITS;
	return s;
}

void slab_free(struct slab *s)
{
	if (!s)
		return;
	free(s->resting);
	free(s);
}

uint8_t *slab_chunk(const struct slab *s, uint32_t ref)
{
	uint32_t chunk = ref >> SLAB_REF_OFFSET_BITS;

	return chunk < s->chunk_count ? s->chunks[chunk] : NULL;
}

void *slab_at(const struct slab *s, uint32_t ref)
{
	uint8_t *chunk = ref ? slab_chunk(s, ref) : NULL;

	return chunk ? chunk + (size_t)(ref & (CHUNK_UNITS - 1)) * UNIT : NULL;
}

static void put_on_list(struct slab *s, uint32_t ref, uint32_t class)
{
	memcpy(slab_at(s, ref), &s->free[class], sizeof(uint32_t));
	s->free[class] = ref;
}

/* Puts `count` units from ref on the lists, in the largest pieces that fit. */
static void share_out(struct slab *s, uint32_t ref, uint32_t count)
{
	while (count) {
		uint32_t units = count, class;

		for (;; units--) {
			uint32_t rounded;

			class = class_of(units, &rounded);
			if (rounded == units)
				break;
		}
		put_on_list(s, ref, class);
		ref += units;
		count -= units;
	}
}

static bool add_chunk(struct slab *s)
{
	if (s->chunk_count >= s->max_chunks)
		return false;
	void *chunk = s->source.add_chunk(s->source.ctx, s->chunk_count);

	if (!chunk)
		return false;
	if (s->chunk_count) /* its rest is too small for what is wanted */
		share_out(s, REF(s->chunk_count - 1, s->next_unit), CHUNK_UNITS - s->next_unit);
	s->chunks[s->chunk_count++] = chunk;
	s->next_unit = s->chunk_count == 1 ? 1 : 0; /* ref 0 is none */
	return true;
}

static uint32_t units_of_class(uint32_t class)
{
	if (class <= EXACT_UNITS)
		return class;
	uint32_t log = 4 + (class - EXACT_UNITS - 1) / 4, quarter = (class - EXACT_UNITS - 1) % 4;

	return (1U << log) + (quarter + 1) * (1U << (log - 2));
}

static uint32_t take_from_list(struct slab *s, uint32_t class)
{
	uint32_t ref = s->free[class];

	if (ref)
		memcpy(&s->free[class], slab_at(s, ref), sizeof(uint32_t));
	return ref;
}

/* From a larger piece, when there is nothing else. */
static uint32_t split_larger(struct slab *s, uint32_t class, uint32_t units)
{
	uint32_t ref = 0;

	while (!ref && ++class < CLASSES)
		ref = take_from_list(s, class);
	if (ref)
		share_out(s, ref + units, units_of_class(class) - units);
	return ref;
}

uint32_t slab_take(struct slab *s, size_t size)
{
	size_t wanted = (size + UNIT - 1) / UNIT;
	uint32_t units, class, ref;

	if (!wanted || wanted >= CHUNK_UNITS)
		return 0;
	class = class_of(wanted, &units);
	if (units >= CHUNK_UNITS)
		return 0;
	ref = take_from_list(s, class);
	if (!ref && (s->next_unit + units <= CHUNK_UNITS || add_chunk(s))) {
		ref = REF(s->chunk_count - 1, s->next_unit);
		s->next_unit += units;
	}
	if (!ref)
		ref = split_larger(s, class, units);
	if (ref)
		s->used_units += units;
	return ref;
}

static void rest(struct slab *s, uint32_t ref, uint32_t class)
{
	if (s->resting_count == s->resting_capacity) {
		s->resting_capacity = grow_capacity(s->resting_capacity, s->resting_count + 1);
		s->resting = xreallocarray(s->resting, s->resting_capacity, sizeof(*s->resting));
	}
	s->resting[s->resting_count++] = (struct resting){ref, class};
}

void slab_give(struct slab *s, uint32_t ref, size_t size)
{
	uint32_t units;

	if (ref)
		rest(s, ref, class_of((size + UNIT - 1) / UNIT, &units));
}

void slab_quiesced(struct slab *s)
{
	for (size_t i = 0; i < s->resting_count; i++) {
		put_on_list(s, s->resting[i].ref, s->resting[i].class);
		s->used_units -= units_of_class(s->resting[i].class);
	}
	s->resting_count = 0;
}

struct piece {
	uint32_t ref, units;
};

static int by_ref(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	return (x->ref > y->ref) - (x->ref < y->ref);
}

static struct piece *take_all_free(struct slab *s, size_t *ret_count)
{
	struct piece *list = NULL;
	size_t count = 0, capacity = 0;

	for (uint32_t class = 0; class < CLASSES; class ++)
		for (uint32_t ref; (ref = take_from_list(s, class)); count++) {
			if (count == capacity) {
				capacity = grow_capacity(capacity, count + 1);
				list = xreallocarray(list, capacity, sizeof(*list));
			}
			list[count] = (struct piece){ref, units_of_class(class)};
		}
	*ret_count = count;
	return list;
}

void slab_rest_chunk(struct slab *s, uint32_t chunk)
{
	if (chunk + 1 == s->chunk_count && s->next_unit < CHUNK_UNITS) {
		share_out(s, REF(chunk, s->next_unit), CHUNK_UNITS - s->next_unit);
		s->next_unit = CHUNK_UNITS;
	}
	size_t count;
	struct piece *list = take_all_free(s, &count);

	for (size_t i = 0; i < count; i++) {
		uint32_t units, class = class_of(list[i].units, &units);

		if (list[i].ref >> SLAB_REF_OFFSET_BITS == chunk) {
			rest(s, list[i].ref, class);
			s->used_units += units;
		} else {
			put_on_list(s, list[i].ref, class);
		}
	}
	free(list);
}

void slab_join(struct slab *s)
{
	size_t count, next;
	struct piece *list = take_all_free(s, &count);

	if (count)
		qsort(list, count, sizeof(*list), by_ref);
	for (size_t i = 0; i < count; i = next) {
		uint32_t end = list[i].ref + list[i].units;

		/* The first unit of a chunk is not behind the last of the one before. */
		for (next = i + 1; next < count && list[next].ref == end && end % CHUNK_UNITS;
			next++)
			end += list[next].units;
		share_out(s, list[i].ref, end - list[i].ref);
	}
	free(list);
}

size_t slab_bytes(const struct slab *s)
{
	return (size_t)s->chunk_count * SLAB_CHUNK_SIZE;
}

size_t slab_used(const struct slab *s)
{
	return s->used_units * UNIT;
}
