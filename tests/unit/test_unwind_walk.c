// SPDX-License-Identifier: Apache-2.0
/* A page's rows as the walk looks them up: for every address the right one, and where it begins and ends. */
#include "unwind/walk.c"

#include <stdlib.h>

#include "unit.h"

#define REF  5u /* some place in the first chunk */
#define PAGE 0x401000u /* of code, in the file */
#define BIAS 0x7f0000000000u /* of the file in the process */

static uint8_t *chunk;

static void setup(void)
{
	chunk = aligned_alloc(8, SLAB_CHUNK_SIZE + SLAB_GUARD);
	ck_assert_ptr_nonnull(chunk);
	memset(chunk, 0xa5, SLAB_CHUNK_SIZE + SLAB_GUARD);
}

static void teardown(void)
{
	free(chunk);
}

/* Row i begins at `at[i]` and has rule i + 1. */
static void write_page(const uint16_t *at, uint16_t count)
{
	uint16_t *page = (uint16_t *)(void *)(chunk + walk_offset(REF));

	page[0] = count;
	page[1] = 0;
	for (uint16_t i = 0; i < count; i++) {
		page[2 + i] = at[i];
		page[2 + count + i] = i + 1;
	}
}

static void check_page(const uint16_t *at, uint16_t count)
{
	uint16_t row = 0;

	write_page(at, count);
	for (uint32_t offset = 0; offset < UNWIND_PAGE_SIZE; offset++) {
		struct unwind_state s = {.bias = BIAS};

		if (row + 1 < count && offset == at[row + 1])
			row++;
		uint32_t end = row + 1 < count ? at[row + 1] : UNWIND_PAGE_SIZE;

		ck_assert_uint_eq(walk_find_row(&s, chunk, REF, PAGE + offset), row + 1u);
		ck_assert_uint_eq(s.row_start, (uint64_t)BIAS + PAGE + at[row]);
		ck_assert_uint_eq(s.row_size, end - at[row]);
	}
}

START_TEST(one_row_is_the_whole_page)
{
	check_page((const uint16_t[]){0}, 1);
}
END_TEST

START_TEST(a_row_ends_where_the_next_begins)
{
	check_page((const uint16_t[]){0, 1}, 2);
	check_page((const uint16_t[]){0, 4095}, 2);
	check_page((const uint16_t[]){0, 16, 17, 300, 4000}, 5);
}
END_TEST

/* Around where the search takes more steps, up to the most rows that there can be. */
START_TEST(however_many_rows_there_are)
{
	static const uint16_t counts[] = {63, 64, 65, 127, 128, 129, 255, 1024, ROWS_PER_PAGE_MAX};
	static uint16_t at[ROWS_PER_PAGE_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		for (uint16_t row = 0; row < counts[i]; row++)
			at[row] = (uint16_t)(2 * row);
		check_page(at, counts[i]);
	}
}
END_TEST

UNIT_MAIN_FIXTURE("unwind_walk", setup, teardown, one_row_is_the_whole_page,
	a_row_ends_where_the_next_begins, however_many_rows_there_are)
