// SPDX-License-Identifier: Apache-2.0
/*
 * Two hash tables over the same targets:
 *
 *	origins: (source, origin) -> target                    one to one
 *	keys:    a container id or a pid -> target_key -> list of targets that select it
 *
 * Several sources may know one container, so a key has a list; `better` picks from it at lookup.
 */
#include "target/target_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"

struct target_key {
	struct hashmap_entry entry;
	struct list_node targets; /* of struct target.in_key */
	uint32_t pid; /* 0: a container's */
	char id[]; /* "" for a pid's */
};

struct origin {
	unsigned source;
	const char *id;
};

static uint64_t origin_hash(const struct origin *o)
{
	return hash_combine(o->source, hash_string(o->id));
}

static bool origin_is(const struct hashmap_entry *e, const void *key)
{
	const struct target *t = container_of(e, struct target, by_origin);
	const struct origin *o = key;

	return t->source == o->source && strcmp(t->origin, o->id) == 0;
}

static uint64_t key_hash(const struct target_selector *s)
{
	return s->pid ? hash_u64(s->pid) : hash_string(s->container_id);
}

static bool key_is(const struct hashmap_entry *e, const void *key)
{
	const struct target_key *k = container_of(e, struct target_key, entry);
	const struct target_selector *s = key;

	return k->pid == s->pid && (s->pid || strcmp(k->id, s->container_id) == 0);
}

void target_table_init(struct target_table *table)
{
	list_init(&table->targets);
	hashmap_init(&table->origins, origin_is);
	hashmap_init(&table->keys, key_is);
}

static void unindex(struct target_table *table, struct target *t)
{
	struct target_key *key = t->key;

	if (!key)
		return;
	list_remove(&t->in_key);
	t->key = NULL;
	if (list_empty(&key->targets)) {
		hashmap_remove(&table->keys, &key->entry);
		free(key);
	}
}

static void target_free(struct target_table *table, struct target *t)
{
	unindex(table, t);
	list_remove(&t->in_table);
	hashmap_remove(&table->origins, &t->by_origin);
	labels_release(&t->discovered);
	labels_release(&t->labels);
	free(t->origin);
	free(t->name);
	free(t->service_name);
	target_quality_release(&t->quality);
	free(t);
}

void target_table_release(struct target_table *table)
{
	list_for_each_safe(n, &table->targets)
		target_free(table, list_entry(n, struct target, in_table));
	hashmap_release(&table->origins);
	hashmap_release(&table->keys);
}

struct target *target_table_find(const struct target_table *table, unsigned source,
	const char *origin)
{
	struct origin key = {.source = source, .id = origin};
	struct hashmap_entry *e = hashmap_get(&table->origins, origin_hash(&key), &key);

	return e ? container_of(e, struct target, by_origin) : NULL;
}

struct target *target_table_add(struct target_table *table, unsigned source, const char *origin)
{
	struct target *t = target_table_find(table, source, origin);

	if (t) {
		t->gone = false;
		t->rounds_gone = 0;
		return t;
	}
	t = xcalloc(1, sizeof(*t));
	t->source = source;
	t->origin = xstrdup(origin);
	t->name = xstrdup(origin);
	list_init(&t->in_key);
	list_append(&table->targets, &t->in_table);
	hashmap_add(&table->origins, &t->by_origin,
		origin_hash(&(struct origin){.source = source, .id = origin}));
	return t;
}

static struct target_key *key_get(const struct target_table *table, const struct target_selector *s)
{
	struct hashmap_entry *e = hashmap_get(&table->keys, key_hash(s), s);

	return e ? container_of(e, struct target_key, entry) : NULL;
}

static struct target_key *key_add(struct target_table *table, const struct target_selector *s)
{
	const char *id = s->pid ? "" : s->container_id;
	size_t len = strlen(id) + 1;
	struct target_key *key = xmalloc(sizeof(*key) + len);

	key->pid = s->pid;
	memcpy(key->id, id, len);
	list_init(&key->targets);
	hashmap_add(&table->keys, &key->entry, key_hash(s));
	return key;
}

void target_table_index(struct target_table *table, struct target *t)
{
	struct target_selector s = target_selector_of(&t->labels);

	unindex(table, t);
	if (!s.pid && !s.container_id) {
		if (t->verdict == TARGET_PROFILED)
			t->verdict = TARGET_NO_KEY;
		return;
	}
	t->key = key_get(table, &s);
	if (!t->key)
		t->key = key_add(table, &s);
	list_append(&t->key->targets, &t->in_key);
}

void target_table_gone(struct target *target)
{
	target->gone = true;
}

void target_table_sweep(struct target_table *table)
{
	list_for_each_safe(n, &table->targets) {
		struct target *t = list_entry(n, struct target, in_table);

		if (t->gone && t->rounds_gone++ >= TARGET_KEEP_ROUNDS)
			target_free(table, t);
	}
}

/* Whether a is to be charged rather than b; both select the same key, a stands later in its list. */
static bool better(const struct target *a, const struct target *b)
{
	bool profiled_a = a->verdict == TARGET_PROFILED, profiled_b = b->verdict == TARGET_PROFILED;

	if (profiled_a != profiled_b)
		return profiled_a;
	if (a->gone != b->gone)
		return b->gone;
	return a->source >= b->source;
}

static struct target *best(const struct target_table *table, const struct target_selector *s)
{
	const struct target_key *key = key_get(table, s);
	struct target *found = NULL;

	if (!key)
		return NULL;
	list_for_each(n, &key->targets) {
		struct target *t = list_entry(n, struct target, in_key);

		if (!found || better(t, found))
			found = t;
	}
	return found;
}

struct target *target_table_by_container(const struct target_table *table, const char *id)
{
	return best(table, &(struct target_selector){.container_id = id});
}

struct target *target_table_by_pid(const struct target_table *table, uint32_t pid)
{
	return pid ? best(table, &(struct target_selector){.pid = pid}) : NULL;
}
