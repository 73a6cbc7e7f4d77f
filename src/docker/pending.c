// SPDX-License-Identifier: Apache-2.0
#include "docker/pending.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"

static bool entry_is(const struct hashmap_entry *e, const void *id)
{
	return !strcmp(container_of(e, struct pending_entry, entry)->id, id);
}

void pending_init(struct pending *p)
{
	hashmap_init(&p->by_id, entry_is);
	p->bytes = p->overflow = 0;
}

void pending_clear(struct pending *p)
{
	hashmap_for_each(e, &p->by_id) {
		struct pending_entry *entry = container_of(e, struct pending_entry, entry);

		hashmap_remove(&p->by_id, e);
		pairs_release(&entry->attributes);
		free(entry);
	}
	p->bytes = p->overflow = 0;
}

void pending_release(struct pending *p)
{
	pending_clear(p);
	hashmap_release(&p->by_id);
}

void pending_move(struct pending *to, struct pending *from)
{
	hashmap_release(&to->by_id);
	*to = *from;
	pending_init(from);
}

struct pending_entry *pending_get(const struct pending *p, const char *id)
{
	struct hashmap_entry *e = hashmap_get(&p->by_id, hash_string(id), id);

	return e ? container_of(e, struct pending_entry, entry) : NULL;
}

void pending_add(struct pending *p, struct docker_event *e, bool keep)
{
	struct pending_entry *entry = pending_get(p, e->id);

	if (!entry && p->by_id.count == PENDING_MAX) {
		p->overflow++;
		return;
	}
	if (!entry) {
		entry = xcalloc(1, sizeof(*entry));
		memcpy(entry->id, e->id, sizeof(entry->id));
		hashmap_add(&p->by_id, &entry->entry, hash_string(e->id));
	}
	if (strcmp(e->action, "start"))
		return;
	entry->started = true;
	if (!keep || e->attributes.bytes > PENDING_MAX_BYTES - p->bytes)
		return;
	p->bytes += e->attributes.bytes;
	p->bytes -= entry->attributes.bytes;
	pairs_release(&entry->attributes);
	entry->attributes = e->attributes;
	e->attributes = (struct pairs){0};
}

/* The engine adds keys of its own to the labels; all of them are taken out. */
void pending_summary(const struct pending_entry *p, struct docker_summary *s)
{
	static const char *const own[] = {"image", "name", "exitCode", "signal", "execDuration",
		"execID", "oldName", "comment"};
	const char *name = pairs_get(&p->attributes, "name");

	memcpy(s->id, p->id, sizeof(s->id));
	if (name)
		s->name = xasprintf("/%s", name);
	s->image = xstrdup(pairs_get(&p->attributes, "image") ?: "");
	for (size_t i = 0; i < p->attributes.count; i++)
		pairs_add(&s->labels, p->attributes.list[i].key, p->attributes.list[i].value);
	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		pairs_remove(&s->labels, own[i]);
	docker_summary_complete(s);
}
