// SPDX-License-Identifier: Apache-2.0
/*
 * Intrusive hash table with chaining. The user embeds a struct hashmap_entry and owns the objects:
 *
 *	struct thing { struct hashmap_entry entry; uint64_t id; };
 *	static bool thing_is(const struct hashmap_entry *e, const void *key)
 *	{ return container_of(e, struct thing, entry)->id == *(const uint64_t *)key; }
 *
 *	struct hashmap things;
 *	hashmap_init(&things, thing_is);
 *	hashmap_add(&things, &t->entry, hash_u64(t->id));
 *	struct hashmap_entry *e = hashmap_get(&things, hash_u64(id), &id);
 *
 * hashmap_release() frees the table only. Iterate with hashmap_for_each; the body may remove the
 * current entry, and nothing else may change.
 */
#ifndef BASE_HASHMAP_H
#define BASE_HASHMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hashmap_entry {
	struct hashmap_entry *next;
	uint64_t hash;
};

/* Whether the entry is the one that `key` names. Called only where the hashes are equal. */
typedef bool (*hashmap_is_fn)(const struct hashmap_entry *entry, const void *key);

struct hashmap {
	struct hashmap_entry **buckets;
	size_t bucket_count; /* 0 or a power of two */
	size_t count;
	hashmap_is_fn is;
};

void hashmap_init(struct hashmap *map, hashmap_is_fn is);
void hashmap_release(struct hashmap *map);
/* Empties it, and keeps its room. */
void hashmap_clear(struct hashmap *map);

/* Adds without looking for an equal one. The entry must be in no table. */
void hashmap_add(struct hashmap *map, struct hashmap_entry *entry, uint64_t hash);
/* NULL where there is none. */
struct hashmap_entry *hashmap_get(const struct hashmap *map, uint64_t hash, const void *key);
/* The entry must be in the table. */
void hashmap_remove(struct hashmap *map, struct hashmap_entry *entry);

/* For hashmap_for_each: the first entry, and the one after `entry`; NULL at the end. */
struct hashmap_entry *hashmap_first(const struct hashmap *map);
struct hashmap_entry *hashmap_next(const struct hashmap *map, const struct hashmap_entry *entry);

#define hashmap_for_each(e, map)                                                                   \
	for (struct hashmap_entry *e = hashmap_first(map),                                         \
				  *e##_next_ = e ? hashmap_next(map, e) : NULL;                    \
		e; e = e##_next_, e##_next_ = e ? hashmap_next(map, e) : NULL)

#endif
