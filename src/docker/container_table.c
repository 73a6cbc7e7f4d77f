// SPDX-License-Identifier: Apache-2.0
#include "docker/container_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"

static bool container_is(const struct hashmap_entry *e, const void *id)
{
	return !strcmp(container_of(e, struct known_container, entry)->id, id);
}

void container_table_init(struct container_table *t)
{
	hashmap_init(&t->by_id, container_is);
}

void container_table_release(struct container_table *t)
{
	hashmap_for_each(e, &t->by_id)
		container_table_remove(t, container_of(e, struct known_container, entry));
	hashmap_release(&t->by_id);
}

struct known_container *container_table_get(const struct container_table *t, const char *id)
{
	struct hashmap_entry *e = hashmap_get(&t->by_id, hash_string(id), id);

	return e ? container_of(e, struct known_container, entry) : NULL;
}

struct known_container *container_table_add(struct container_table *t, const char *id)
{
	struct known_container *k = container_table_get(t, id);

	if (k)
		return k;
	if (t->by_id.count == CONTAINER_TABLE_MAX)
		return NULL;
	k = xcalloc(1, sizeof(*k));
	memcpy(k->id, id, sizeof(k->id));
	hashmap_add(&t->by_id, &k->entry, hash_string(id));
	return k;
}

void container_table_remove(struct container_table *t, struct known_container *k)
{
	hashmap_remove(&t->by_id, &k->entry);
	docker_endpoint_release(&k->endpoint);
	free(k);
}

void known_container_take(struct known_container *k, struct docker_summary *s)
{
	static const char prefix[] = "container:";

	docker_endpoint_release(&k->endpoint);
	k->endpoint = s->endpoint;
	s->endpoint = (struct docker_endpoint){0};
	k->owner[0] = '\0';
	if (s->network_mode && !strncmp(s->network_mode, prefix, strlen(prefix)))
		docker_id_set(k->owner, s->network_mode + strlen(prefix));
}

const struct docker_endpoint *container_table_endpoint(const struct container_table *t,
	const struct known_container *k)
{
	const struct known_container *at = k;

	for (int i = 0; i < CONTAINER_TABLE_MAX_CHAIN; i++) {
		if (at->endpoint.listed || !at->owner[0])
			return &at->endpoint;
		at = container_table_get(t, at->owner);
		if (!at)
			break;
	}
	return &k->endpoint;
}
