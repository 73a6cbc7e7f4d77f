// SPDX-License-Identifier: Apache-2.0
/* The tables' memory: pieces, rules and pages of rows, as the walker finds them. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "unit.h"
#include "unwind/page_table.h"
#include "unwind/rule_table.h"
#include "unwind/slab.h"

#define CHUNK_BYTES (SLAB_CHUNK_SIZE + SLAB_GUARD)

struct memory {
	uint8_t *chunks[SLAB_CHUNKS_MAX];
	uint32_t count, refuse_from; /* 0: never */
};

static void *add_chunk(void *ctx, uint32_t number)
{
	struct memory *m = ctx;

	ck_assert_uint_eq(number, m->count);
	if (m->refuse_from && number >= m->refuse_from)
		return NULL;
	return m->chunks[m->count++] = xcalloc(1, CHUNK_BYTES);
}

static struct slab *new_slab(struct memory *m, size_t chunks)
{
	struct slab_source source = {.add_chunk = add_chunk, .ctx = m};

	*m = (struct memory){0};
	return slab_new(&source, chunks * SLAB_CHUNK_SIZE);
}

static void free_slab(struct slab *s, struct memory *m)
{
	slab_free(s);
	for (uint32_t i = 0; i < m->count; i++)
		free(m->chunks[i]);
}

START_TEST(pieces_do_not_overlap_and_come_back_after_a_rest)
{
	struct memory m;
	struct slab *s = new_slab(&m, 4);
	uint32_t refs[1000];
	size_t sizes[1000];

	srandom(1);
	for (int i = 0; i < 1000; i++) {
		sizes[i] = 1 + (size_t)random() % 2000;
		refs[i] = slab_take(s, sizes[i]);
		ck_assert_uint_ne(refs[i], 0);
		memset(slab_at(s, refs[i]), i & 0xff, sizes[i]);
	}
	for (int i = 0; i < 1000; i++)
		for (size_t at = 0; at < sizes[i]; at++)
			ck_assert_uint_eq(((uint8_t *)slab_at(s, refs[i]))[at], i & 0xff);
	size_t bytes = slab_bytes(s), used = slab_used(s);

	for (int i = 0; i < 1000; i++)
		slab_give(s, refs[i], sizes[i]);
	/* What may still be read is not given out again. */
	uint32_t other = slab_take(s, sizes[0]);

	for (int i = 0; i < 1000; i++)
		ck_assert_uint_ne(other, refs[i]);
	slab_give(s, other, sizes[0]);
	slab_quiesced(s);
	ck_assert_uint_eq(slab_used(s), 0);
	for (int i = 0; i < 1000; i++)
		ck_assert_uint_ne(slab_take(s, sizes[i]), 0);
	ck_assert_uint_eq(slab_used(s), used);
	ck_assert_uint_eq(slab_bytes(s), bytes);
	free_slab(s, &m);
}
END_TEST

START_TEST(a_full_slab_says_so)
{
	struct memory m;
	struct slab *s = new_slab(&m, 2);
	uint32_t last = 0, ref;
	size_t taken = 0;

	ck_assert_uint_eq(slab_take(s, 0), 0);
	ck_assert_uint_eq(slab_take(s, SLAB_CHUNK_SIZE), 0);
	while ((ref = slab_take(s, 10000))) {
		last = ref;
		taken++;
	}
	/* A fifth may be lost to the steps of sizes. */
	ck_assert_uint_ge(taken * 10000, 2 * SLAB_CHUNK_SIZE * 75 / 100);
	ck_assert_uint_eq(m.count, 2);
	/* The rest of the first chunk serves smaller ones. */
	ck_assert_uint_ne(slab_take(s, 64), 0);
	slab_give(s, last, 10000);
	ck_assert_uint_eq(slab_take(s, 10000), 0);
	slab_quiesced(s);
	ck_assert_uint_eq(slab_take(s, 10000), last);
	/* A larger piece is cut where there is nothing else. */
	while (slab_take(s, 64))
		;
	slab_give(s, last, 10000);
	slab_quiesced(s);
	for (size_t i = 0; i < 100; i++)
		ck_assert_uint_ne(slab_take(s, 64), 0);
	ck_assert_ptr_null(slab_at(s, 0));
	ck_assert_ptr_null(slab_at(s, UINT32_MAX));
	free_slab(s, &m);
}
END_TEST

/* Pieces of all sizes come and go at random, with neighbours joined now and then. */
START_TEST(free_neighbours_are_joined)
{
	enum { PIECES = 3000 };
	static uint32_t refs[PIECES];
	static size_t sizes[PIECES];
	struct memory m;
	struct slab *s = new_slab(&m, 3);

	srandom(1);
	for (int step = 0; step < 40 * PIECES; step++) {
		int i = (int)(random() % PIECES);
		uint8_t *bytes = slab_at(s, refs[i]);

		for (size_t at = 0; bytes && at < sizes[i]; at += 64)
			ck_assert_uint_eq(bytes[at], i & 0xff);
		slab_give(s, refs[i], sizes[i]);
		sizes[i] = 1 + (size_t)random() % (step % 5 ? 1000 : 9000);
		refs[i] = slab_take(s, sizes[i]);
		if (refs[i])
			memset(slab_at(s, refs[i]), i & 0xff, sizes[i]);
		if (step % 100 == 0)
			slab_quiesced(s);
		if (step % 1000 == 0)
			slab_join(s);
	}
	for (int i = 0; i < PIECES; i++)
		slab_give(s, refs[i], sizes[i]);
	slab_quiesced(s);
	ck_assert_uint_eq(slab_used(s), 0);
	slab_join(s);
	/* Nothing was lost: each chunk is there in one piece, or nearly. */
	for (int i = 0; i < 3; i++)
		ck_assert_uint_ne(slab_take(s, SLAB_CHUNK_SIZE / 8 * 6), 0);
	free_slab(s, &m);
}
END_TEST

/* Also of the chunk that pieces are cut from. */
START_TEST(from_a_chunk_that_rests_nothing_is_taken)
{
	struct memory m;
	struct slab *s = new_slab(&m, 2);
	uint32_t refs[2][64], ref;

	for (size_t i = 0; i < 64; i++)
		refs[0][i] = slab_take(s, 16000);
	for (size_t i = 0; i < 64; i++)
		refs[1][i] = slab_take(s, 8000);
	ck_assert_uint_eq(refs[1][63] >> SLAB_REF_OFFSET_BITS, 1);
	for (size_t i = 0; i < 64; i += 2) {
		slab_give(s, refs[0][i], 16000);
		slab_give(s, refs[1][i], 8000);
	}
	slab_quiesced(s);
	slab_rest_chunk(s, 1);
	while ((ref = slab_take(s, 5000)))
		ck_assert_uint_eq(ref >> SLAB_REF_OFFSET_BITS, 0);
	for (size_t i = 1; i < 64; i += 2)
		slab_give(s, refs[1][i], 8000);
	slab_quiesced(s);
	slab_join(s);
	ck_assert_uint_ne(ref = slab_take(s, SLAB_CHUNK_SIZE / 2), 0);
	ck_assert_uint_eq(ref >> SLAB_REF_OFFSET_BITS, 1);
	free_slab(s, &m);
}
END_TEST

START_TEST(a_chunk_that_is_not_to_be_had_is_no_room)
{
	struct memory m;
	struct slab *s = new_slab(&m, 4);

	m.refuse_from = 1;
	ck_assert_uint_ne(slab_take(s, SLAB_CHUNK_SIZE / 2), 0);
	ck_assert_uint_eq(slab_take(s, SLAB_CHUNK_SIZE / 2), 0);
	ck_assert_uint_ne(slab_take(s, 100), 0);
	free_slab(s, &m);
}
END_TEST

START_TEST(a_rule_has_one_number_until_there_are_too_many)
{
	struct unwind_rule *memory = xcalloc(UNWIND_RULES_MAX, sizeof(*memory));
	struct rule_table *t = rule_table_new(memory, UNWIND_RULES_MAX);
	struct unwind_rule rule = {.cfa = UNWIND_CFA_SP, .cfa_offset = 8, .ra_offset = -8};
	uint16_t number = rule_table_number(t, &rule);

	ck_assert_uint_eq(memory[RULE_NONE].cfa, UNWIND_CFA_NONE);
	ck_assert_uint_eq(memory[RULE_UNSUPPORTED].cfa, UNWIND_CFA_UNSUPPORTED);
	ck_assert_mem_eq(&memory[number], &rule, sizeof(rule));
	ck_assert_uint_eq(rule_table_number(t, &rule), number);
	for (int32_t i = 0; rule_table_count(t) < UNWIND_RULES_MAX; i++) {
		rule.cfa_offset = 16 + 8 * i;
		ck_assert_uint_ne(rule_table_number(t, &rule), number);
	}
	rule.cfa_offset = 4;
	ck_assert_uint_eq(rule_table_number(t, &rule), RULE_UNSUPPORTED);
	ck_assert(rule_table_is_full(t));
	rule.cfa_offset = 8;
	ck_assert_uint_eq(rule_table_number(t, &rule), number);
	rule_table_reset(t);
	ck_assert(!rule_table_is_full(t));
	rule.cfa_offset = 4;
	ck_assert_uint_eq(rule_table_number(t, &rule), number);
	rule_table_free(t);
	free(memory);
}
END_TEST

static struct page_rows rows_of(uint16_t count, uint16_t seed)
{
	struct page_rows rows = {.count = count};

	for (uint16_t i = 0; i < count; i++) {
		rows.at[i] = i;
		rows.rule[i] = (uint16_t)(seed + i);
	}
	return rows;
}

START_TEST(equal_pages_are_one_as_long_as_somebody_uses_it)
{
	struct memory m;
	struct slab *s = new_slab(&m, 8);
	struct page_table *t = page_table_new(s);
	enum { KINDS = 700 };
	uint32_t refs[KINDS];

	for (int round = 0; round < 2; round++)
		for (uint16_t i = 0; i < KINDS; i++) {
			struct page_rows rows = rows_of((uint16_t)(1 + i % 50), i);
			uint32_t ref = page_table_take(t, &rows);

			ck_assert_uint_ne(ref, 0);
			if (round)
				ck_assert_uint_eq(ref, refs[i]);
			refs[i] = ref;
			const uint16_t *block = slab_at(s, ref);

			ck_assert_uint_eq(block[0], rows.count);
			ck_assert_mem_eq(block + 2, rows.at, rows.count * sizeof(uint16_t));
			ck_assert_mem_eq(block + 2 + rows.count, rows.rule,
				rows.count * sizeof(uint16_t));
		}
	ck_assert_uint_eq(page_table_count(t), KINDS);
	for (int i = 0; i < KINDS; i++)
		page_table_give(t, refs[i]);
	ck_assert_uint_eq(page_table_count(t), KINDS);
	for (int i = 0; i < KINDS; i += 2)
		page_table_give(t, refs[i]);
	ck_assert_uint_eq(page_table_count(t), KINDS / 2);
	for (int i = 1; i < KINDS; i += 2)
		page_table_give(t, refs[i]);
	ck_assert_uint_eq(page_table_count(t), 0);
	page_table_give(t, 0);
	slab_quiesced(s);
	ck_assert_uint_eq(slab_used(s), 0);
	page_table_free(t);
	free_slab(s, &m);
}
END_TEST

UNIT_MAIN("unwind_tables", pieces_do_not_overlap_and_come_back_after_a_rest, a_full_slab_says_so,
	free_neighbours_are_joined, from_a_chunk_that_rests_nothing_is_taken,
	a_chunk_that_is_not_to_be_had_is_no_room, a_rule_has_one_number_until_there_are_too_many,
	equal_pages_are_one_as_long_as_somebody_uses_it)
