// SPDX-License-Identifier: Apache-2.0
#include "profiler/stack_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define CHUNK_BYTES (64 << 10)
#define SPARE_MAX   24 /* chunks: 15 s of two busy CPUs */
#define BUCKETS_MAX 4096 /* kept, likewise */

struct stack_chunk {
	struct stack_chunk *next;
	size_t used;
	uint8_t bytes[] __attribute__((aligned(8)));
};

_Static_assert(sizeof(struct stack) <= CHUNK_BYTES, "the largest stack fits");

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

static void free_chunks(struct stack_chunk *chunk)
{
	while (chunk) {
		struct stack_chunk *next = chunk->next;

		free(chunk);
		chunk = next;
	}
}

/* The first few of both lists. */
static struct stack_chunk *keep_some(struct stack_table *t)
{
	struct stack_chunk *kept = NULL;

	for (size_t i = 0; i < SPARE_MAX && (t->chunks || t->spare); i++) {
		struct stack_chunk **from = t->chunks ? &t->chunks : &t->spare;
		struct stack_chunk *chunk = *from;

		*from = chunk->next;
		chunk->next = kept;
		kept = chunk;
	}
	free_chunks(t->chunks);
	free_chunks(t->spare);
	return kept;
}

void stack_table_reset(struct stack_table *t)
{
	struct stack_chunk *spare = keep_some(t);
	struct hashmap stacks = t->stacks;

	if (stacks.bucket_count > BUCKETS_MAX)
		hashmap_release(&stacks);
	hashmap_clear(&stacks);
	*t = (struct stack_table){.stacks = stacks, .spare = spare};
	list_init(&t->order);
}

void stack_table_release(struct stack_table *t)
{
	stack_table_reset(t);
	hashmap_release(&t->stacks);
	free_chunks(t->spare);
	t->spare = NULL;
}

static void *allocate(struct stack_table *t, size_t size)
{
	struct stack_chunk *chunk = t->chunks;

	size = (size + 7) & ~(size_t)7;
	if (!chunk || chunk->used + size > CHUNK_BYTES) {
		chunk = t->spare;
		if (chunk)
			t->spare = chunk->next;
		else
			chunk = xmalloc(sizeof(*chunk) + CHUNK_BYTES);
		chunk->used = 0;
		chunk->next = t->chunks;
		t->chunks = chunk;
	}
	void *allocated = chunk->bytes + chunk->used;

	chunk->used += size;
	return allocated;
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
	size = MIN(size, sizeof(*record));
	ticks = record->counted ? 0 : 1;
	struct stack *s = find(t, &record->key);

	if (!s && t->bytes + size > STACK_TABLE_BYTES_MAX) {
		t->full = true;
		t->refused += ticks;
		return true;
	}
	if (!s) {
		s = allocate(t, offsetof(struct stack, record) + size);
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
