// SPDX-License-Identifier: Apache-2.0
/*
 * One entry for a code object, with a sorted list of the lines of its instructions seen. Frames point to
 * the strings, so nothing goes before the end of a round; what one round may add is bounded by the budget, too.
 */
#include "interp/name_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"

#define ROUNDS_KEPT 2

struct key {
	uint32_t process;
	const struct interp_frame *record;
};

static bool is_code(const struct hashmap_entry *e, const void *key)
{
	const struct named_code *c = container_of(e, struct named_code, entry);
	const struct key *k = key;

	return c->process == k->process && c->code == k->record->code &&
		c->check == k->record->check;
}

void name_cache_init(struct name_cache *c, size_t max_bytes)
{
	*c = (struct name_cache){.max_bytes = max_bytes, .round = 1};
	hashmap_init(&c->codes, is_code);
}

static size_t bytes_of(const struct named_code *code)
{
	size_t strings = code->function ? strlen(code->function) + strlen(code->file) + 2 : 0;

	return sizeof(*code) + strings + code->line_capacity * sizeof(code->lines[0]);
}

static void forget(struct name_cache *c, struct named_code *code)
{
	c->bytes -= bytes_of(code);
	hashmap_remove(&c->codes, &code->entry);
	free(code->function);
	free(code->file);
	free(code->lines);
	free(code);
}

static void forget_unused_since(struct name_cache *c, uint64_t round)
{
	hashmap_for_each(e, &c->codes) {
		struct named_code *code = container_of(e, struct named_code, entry);

		if (code->used_round < round)
			forget(c, code);
	}
}

void name_cache_release(struct name_cache *c)
{
	forget_unused_since(c, UINT64_MAX);
	hashmap_release(&c->codes);
}

static uint64_t hash_of(uint32_t process, const struct interp_frame *record)
{
	return hash_combine(record->code, (uint64_t)process << 32 | record->check);
}

struct named_code *name_cache_find(struct name_cache *c, uint32_t process,
	const struct interp_frame *record)
{
	struct key key = {process, record};
	struct hashmap_entry *e = hashmap_get(&c->codes, hash_of(process, record), &key);

	if (!e)
		return NULL;
	struct named_code *code = container_of(e, struct named_code, entry);

	code->used_round = c->round;
	return code;
}

struct named_code *name_cache_add(struct name_cache *c, uint32_t process,
	const struct interp_frame *record, const char *function, const struct interp_name *name)
{
	struct named_code *code = xcalloc(1, sizeof(*code));

	code->process = process;
	code->code = record->code;
	code->check = record->check;
	code->used_round = c->round;
	if (name) {
		code->function = xstrdup(function);
		code->file = xstrdup(name->file.buf);
		code->first_line = name->first_line;
	}
	hashmap_add(&c->codes, &code->entry, hash_of(process, record));
	c->bytes += bytes_of(code);
	return code;
}

/* The first position whose `at` is not below. */
static size_t position(const struct named_code *code, uint32_t at)
{
	size_t lo = 0, hi = code->line_count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (code->lines[mid].at < at)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool name_cache_line(const struct named_code *code, uint32_t at, uint32_t *ret)
{
	size_t i = position(code, at);

	if (i == code->line_count || code->lines[i].at != at)
		return false;
	*ret = code->lines[i].line;
	return true;
}

void name_cache_add_line(struct name_cache *c, struct named_code *code, uint32_t at, uint32_t line)
{
	size_t i = position(code, at);

	if (code->line_count == code->line_capacity) {
		c->bytes -= code->line_capacity * sizeof(code->lines[0]);
		code->line_capacity = grow_capacity(code->line_capacity, code->line_count + 1);
		code->lines =
			xreallocarray(code->lines, code->line_capacity, sizeof(code->lines[0]));
		c->bytes += code->line_capacity * sizeof(code->lines[0]);
	}
	memmove(code->lines + i + 1, code->lines + i,
		(code->line_count - i) * sizeof(code->lines[0]));
	code->lines[i] = (struct named_line){at, line};
	code->line_count++;
}

void name_cache_end_round(struct name_cache *c)
{
	if (c->round > ROUNDS_KEPT)
		forget_unused_since(c, c->round - ROUNDS_KEPT);
	for (uint64_t since = c->round; c->bytes > c->max_bytes && since <= c->round + 1; since++)
		forget_unused_since(c, since);
	c->round++;
}
