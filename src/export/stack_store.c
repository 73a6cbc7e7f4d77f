// SPDX-License-Identifier: Apache-2.0
#include "export/stack_store.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"

struct frame_key {
	const struct stack_store *store;
	struct stack_frame frame;
};

struct node_key {
	const struct stack_store *store;
	struct stack_node node;
};

void stack_store_init(struct stack_store *s)
{
	*s = (struct stack_store){0};
	string_table_init(&s->strings);
	s->node_capacity = 64;
	s->nodes = xcalloc(s->node_capacity, sizeof(s->nodes[0]));
	s->node_count = 1;
}

void stack_store_release(struct stack_store *s)
{
	string_table_release(&s->strings);
	free(s->frames);
	free(s->nodes);
	dedup_release(&s->frame_dedup);
	dedup_release(&s->node_dedup);
	*s = (struct stack_store){0};
}

void stack_store_seal(struct stack_store *s)
{
	dedup_release(&s->frame_dedup);
	dedup_release(&s->node_dedup);
}

static bool same_frame(const void *key, uint32_t i)
{
	const struct frame_key *k = key;
	const struct stack_frame *f = &k->store->frames[i];

	return f->name == k->frame.name && f->module == k->frame.module &&
		f->kernel == k->frame.kernel;
}

uint32_t stack_store_frame(struct stack_store *s, const char *name, const char *module, bool kernel)
{
	struct frame_key key = {.store = s,
		.frame = {.name = string_table_add(&s->strings, name, strlen(name)),
			.module = string_table_add(&s->strings, module, strlen(module)),
			.kernel = kernel}};
	uint64_t hash = hash_combine(key.frame.name, (uint64_t)key.frame.module << 1 | kernel);
	uint32_t i = dedup_find(&s->frame_dedup, hash, same_frame, &key);

	if (i != DEDUP_NONE)
		return i;
	if (s->frame_count == s->frame_capacity) {
		s->frame_capacity = grow_capacity(s->frame_capacity, s->frame_count + 1);
		s->frames = xreallocarray(s->frames, s->frame_capacity, sizeof(s->frames[0]));
	}
	i = (uint32_t)s->frame_count++;
	s->frames[i] = key.frame;
	dedup_add(&s->frame_dedup, hash, i);
	return i;
}

static bool same_node(const void *key, uint32_t i)
{
	const struct node_key *k = key;
	const struct stack_node *n = &k->store->nodes[i];

	return n->parent == k->node.parent && n->frame == k->node.frame;
}

uint32_t stack_store_child(struct stack_store *s, uint32_t parent, uint32_t frame)
{
	struct node_key key = {.store = s, .node = {.parent = parent, .frame = frame}};
	uint64_t hash = hash_combine(parent, frame);
	uint32_t i = dedup_find(&s->node_dedup, hash, same_node, &key);

	if (i != DEDUP_NONE)
		return i;
	if (s->node_count == s->node_capacity) {
		s->node_capacity = grow_capacity(s->node_capacity, s->node_count + 1);
		s->nodes = xreallocarray(s->nodes, s->node_capacity, sizeof(s->nodes[0]));
	}
	i = (uint32_t)s->node_count++;
	s->nodes[i] = key.node;
	dedup_add(&s->node_dedup, hash, i);
	return i;
}

size_t stack_store_needed(const struct stack_store *s)
{
	return s->strings.bytes.len + s->strings.count * sizeof(s->strings.offsets[0]) +
		s->frame_count * sizeof(s->frames[0]) + s->node_count * sizeof(s->nodes[0]) +
		2 * (s->strings.count + s->frame_count + s->node_count) * sizeof(struct dedup_slot);
}

size_t stack_store_bytes(const struct stack_store *s)
{
	return s->strings.bytes.alloc + s->strings.scratch.alloc +
		s->strings.capacity * sizeof(s->strings.offsets[0]) +
		s->frame_capacity * sizeof(s->frames[0]) + s->node_capacity * sizeof(s->nodes[0]) +
		(s->strings.dedup.size + s->frame_dedup.size + s->node_dedup.size) *
		sizeof(struct dedup_slot);
}
