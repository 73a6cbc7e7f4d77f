// SPDX-License-Identifier: Apache-2.0
#include "base/hashmap.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define MIN_BUCKETS 16

void hashmap_init(struct hashmap *map, hashmap_is_fn is)
{
	*map = (struct hashmap){.is = is};
}

void hashmap_release(struct hashmap *map)
{
	free(map->buckets);
	map->buckets = NULL;
	map->bucket_count = 0;
	map->count = 0;
}

void hashmap_clear(struct hashmap *map)
{
	if (map->count)
		memset(map->buckets, 0, map->bucket_count * sizeof(map->buckets[0]));
	map->count = 0;
}

static struct hashmap_entry **bucket(const struct hashmap *map, uint64_t hash)
{
	return &map->buckets[hash & (map->bucket_count - 1)];
}

static void resize(struct hashmap *map, size_t bucket_count)
{
	struct hashmap_entry **old = map->buckets;
	size_t old_count = map->bucket_count;

	map->buckets = xcalloc(bucket_count, sizeof(struct hashmap_entry *));
	map->bucket_count = bucket_count;
	for (size_t i = 0; i < old_count; i++) {
		struct hashmap_entry *next;

		for (struct hashmap_entry *e = old[i]; e; e = next) {
			struct hashmap_entry **to = bucket(map, e->hash);

			next = e->next;
			e->next = *to;
			*to = e;
		}
	}
	free(old);
}

void hashmap_add(struct hashmap *map, struct hashmap_entry *entry, uint64_t hash)
{
	if (map->count >= map->bucket_count)
		resize(map, map->bucket_count ? map->bucket_count * 2 : MIN_BUCKETS);
	struct hashmap_entry **to = bucket(map, hash);

	entry->hash = hash;
	entry->next = *to;
	*to = entry;
	map->count++;
}

struct hashmap_entry *hashmap_get(const struct hashmap *map, uint64_t hash, const void *key)
{
	if (!map->bucket_count)
		return NULL;
	for (struct hashmap_entry *e = *bucket(map, hash); e; e = e->next)
		if (e->hash == hash && map->is(e, key))
			return e;
	return NULL;
}

void hashmap_remove(struct hashmap *map, struct hashmap_entry *entry)
{
	struct hashmap_entry **at = bucket(map, entry->hash);

	while (*at != entry)
		at = &(*at)->next;
	*at = entry->next;
	entry->next = NULL;
	map->count--;
}

static struct hashmap_entry *first_from(const struct hashmap *map, size_t index)
{
	for (; index < map->bucket_count; index++)
		if (map->buckets[index])
			return map->buckets[index];
	return NULL;
}

struct hashmap_entry *hashmap_first(const struct hashmap *map)
{
	return first_from(map, 0);
}

struct hashmap_entry *hashmap_next(const struct hashmap *map, const struct hashmap_entry *entry)
{
	if (entry->next)
		return entry->next;
	return first_from(map, (entry->hash & (map->bucket_count - 1)) + 1);
}
