// SPDX-License-Identifier: Apache-2.0
/*
 * Most strings are short, valid and known already: those cost one pass over their bytes and one look
 * into the table. The others are repaired in `scratch` first.
 *
 *	bytes:    \0 c p u \0 n a n o s e c o n d s \0 ...
 *	offsets:  0  1        5
 */
#include "export/string_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/utf8.h"

#define CUT_MARK "..."

void string_table_init(struct string_table *t)
{
	*t = (struct string_table){.bytes = STRBUF_INIT, .scratch = STRBUF_INIT};
	string_table_add(t, "", 0);
}

void string_table_release(struct string_table *t)
{
	strbuf_release(&t->bytes);
	strbuf_release(&t->scratch);
	free(t->offsets);
	dedup_release(&t->dedup);
}

const char *string_table_get(const struct string_table *t, uint32_t number)
{
	return t->bytes.buf + t->offsets[number];
}

struct key {
	const struct string_table *table;
	const char *s;
	size_t len;
};

static bool same_string(const void *key, uint32_t number)
{
	const struct key *k = key;
	const char *s = string_table_get(k->table, number);

	return strncmp(s, k->s, k->len) == 0 && s[k->len] == '\0';
}

static uint32_t intern(struct string_table *t, const char *s, size_t len)
{
	struct key key = {.table = t, .s = s, .len = len};
	uint64_t hash = hash_bytes(s, len);
	uint32_t number = dedup_find(&t->dedup, hash, same_string, &key);

	if (number != DEDUP_NONE)
		return number;
	if (t->count == t->capacity) {
		t->capacity = grow_capacity(t->capacity, t->count + 1);
		t->offsets = xreallocarray(t->offsets, t->capacity, sizeof(t->offsets[0]));
	}
	number = (uint32_t)t->count++;
	t->offsets[number] = (uint32_t)t->bytes.len;
	strbuf_add(&t->bytes, s, len);
	strbuf_add_char(&t->bytes, '\0');
	dedup_add(&t->dedup, hash, number);
	return number;
}

uint32_t string_table_add(struct string_table *t, const char *s, size_t len)
{
	size_t max = t->bytes.len < STRING_TABLE_FULL ? STRING_MAX : STRING_MAX_FULL;

	if (len <= max && utf8_valid(s, len))
		return intern(t, s, len);
	strbuf_reset(&t->scratch);
	utf8_repair(&t->scratch, s, MIN(len, max + UTF8_MAX));
	if (t->scratch.len > max) {
		size_t keep = utf8_cut(t->scratch.buf, t->scratch.len, max - strlen(CUT_MARK));

		strbuf_set_len(&t->scratch, keep);
		strbuf_add_str(&t->scratch, CUT_MARK);
	}
	return intern(t, t->scratch.buf, t->scratch.len);
}
