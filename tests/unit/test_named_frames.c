// SPDX-License-Identifier: Apache-2.0
#include "unit/unit.h"

#include "base/hash.h"
#include "base/macros.h"
#include "symbols/named_frames.h"

static struct named_frames n;

static struct frame *add(const struct named_key *key, uint64_t address)
{
	return named_frames_add(&n, key, &(struct frame){.address = address});
}

START_TEST(each_word_of_a_key_tells_frames_apart)
{
	const struct named_key keys[] = {{{1, 2, 3, 4}}, {{0, 2, 3, 4}}, {{1, 0, 3, 4}},
		{{1, 2, 0, 4}}, {{1, 2, 3, 0}}, {{0}}};
	struct frame *added[ARRAY_SIZE(keys)];

	named_frames_init(&n);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		ck_assert_ptr_null(named_frames_find(&n, &keys[i]));
		added[i] = add(&keys[i], i);
	}
	named_frames_put(&n, &(struct frame){.address = 7});
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		ck_assert_ptr_eq(named_frames_find(&n, &keys[i]), added[i]);
		ck_assert_uint_eq(added[i]->address, i);
	}
	named_frames_clear(&n);
	ck_assert_ptr_null(named_frames_find(&n, &keys[0]));
	named_frames_release(&n);
}
END_TEST

START_TEST(frames_stand_still_while_there_is_room)
{
	static struct frame *added[NAMED_FRAMES_MAX];

	named_frames_init(&n);
	for (uint64_t round = 0; round < 3; round++) {
		for (uint64_t i = 0; i < NAMED_FRAMES_MAX; i++) {
			named_frames_reserve(&n, NAMED_FRAMES_MAX - i);
			added[i] = add(&(struct named_key){{i, round}}, i + round);
		}
		for (uint64_t i = 0; i < NAMED_FRAMES_MAX; i++)
			ck_assert_uint_eq(added[i]->address, i + round);
		named_frames_reserve(&n, 1);
		ck_assert_ptr_null(named_frames_find(&n, &(struct named_key){{0, round}}));
	}
	named_frames_release(&n);
}
END_TEST

/* Keys that somebody made for it: a few are found, none is mistaken for another, and others do not suffer. */
START_TEST(equal_hashes_cost_no_long_searches)
{
	struct named_key same[100];
	const struct named_key other = {{hash_u64(77), 1}};
	size_t count = 0, found = 0;

	for (uint64_t i = 0; count < ARRAY_SIZE(same); i++)
		if ((hash_combine(i, 0) & (ARRAY_SIZE(n.index) - 1)) == 5)
			same[count++] = (struct named_key){{i}};
	named_frames_init(&n);
	for (size_t i = 0; i < count; i++)
		add(&same[i], i);
	add(&other, 1000);
	for (size_t i = 0; i < count; i++) {
		const struct frame *frame = named_frames_find(&n, &same[i]);

		found += frame != NULL;
		ck_assert(!frame || frame->address == i);
	}
	ck_assert_uint_ge(found, 8);
	ck_assert_uint_le(found, 32);
	ck_assert_uint_eq(named_frames_find(&n, &other)->address, 1000);
	named_frames_release(&n);
}
END_TEST

UNIT_MAIN("named_frames", each_word_of_a_key_tells_frames_apart,
	frames_stand_still_while_there_is_room, equal_hashes_cost_no_long_searches)
