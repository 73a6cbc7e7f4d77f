// SPDX-License-Identifier: Apache-2.0
#include "profiler/stack_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static bool stack_is(const struct hashmap_entry *e, const void *key)
{
	const struct stack *s = container_of(e, struct stack, entry);

	return memcmp(&s->record.key, key, sizeof(s->record.key)) == 0;
}

void stack_table_init(struct stack_table *t)
{
	*t = (struct stack_table){0};
	hashmap_init(&t->stacks, stack_is);
	list_init(&t->order);
}

void stack_table_reset(struct stack_table *t)
{
	list_for_each_safe(n, &t->order)
		free(list_entry(n, struct stack, in_order));
	hashmap_release(&t->stacks);
	stack_table_init(t);
}

static struct stack *find(const struct stack_table *t, const struct stack_key *key)
{
	struct hashmap_entry *e = hashmap_get(&t->stacks, key->hash, key);

	return e ? container_of(e, struct stack, entry) : NULL;
}

static bool record_valid(const struct stack_record *r, size_t size)
{
	if (size < STACK_RECORD_HEAD || r->kernel_count > KERNEL_FRAMES_MAX ||
		r->user_count > USER_FRAMES_MAX || r->interp_count > INTERP_WORDS_MAX ||
		r->interp_count % 2)
		return false;
	size_t addresses = (size_t)r->interp_count + r->kernel_count + r->user_count;

	return size >= STACK_RECORD_HEAD + addresses * sizeof(r->ips[0]);
}

bool stack_table_add(struct stack_table *t, const void *data, size_t size)
{
	const struct stack_record *record = data;
	uint64_t ticks;

	if (!record_valid(record, size))
		return false;
	ticks = record->counted ? 0 : 1;
	struct stack *s = find(t, &record->key);

	if (!s && t->bytes + size > STACK_TABLE_BYTES_MAX) {
		t->full = true;
		t->refused += ticks;
		return true;
	}
	if (!s) {
		s = xmalloc(offsetof(struct stack, record) + size);
		memcpy(&s->record, record, size);
		s->ticks = 0;
		hashmap_add(&t->stacks, &s->entry, record->key.hash);
		list_append(&t->order, &s->in_order);
		t->bytes += size;
	}
	s->ticks += ticks;
	return true;
}

bool stack_table_count(struct stack_table *t, const struct stack_key *key, uint64_t ticks)
{
	struct stack *s = find(t, key);

	if (s)
		s->ticks += ticks;
	return s != NULL;
}
