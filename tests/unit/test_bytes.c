// SPDX-License-Identifier: Apache-2.0
/* base/cursor, base/scratch, base/sha1 */
#include <string.h>

#include "base/cursor.h"
#include "base/hex.h"
#include "base/macros.h"
#include "base/scratch.h"
#include "base/sha1.h"
#include "unit.h"

START_TEST(a_cursor_never_leaves_its_bytes)
{
	const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7};
	struct cursor c = cursor_over(bytes, sizeof(bytes));

	ck_assert_uint_ne(cursor_u32(&c), 0);
	ck_assert_uint_eq(c.left, 3);
	ck_assert_uint_eq(cursor_u32(&c), 0);
	ck_assert(c.failed);
	ck_assert_ptr_null(cursor_take(&c, 1));
	ck_assert_ptr_null(cursor_take(&c, 0));

	c = cursor_over(bytes, sizeof(bytes));
	ck_assert_ptr_eq(cursor_take(&c, 1), bytes);
	cursor_align(&c, bytes, 4);
	ck_assert_ptr_eq(c.next, bytes + 4);
	cursor_align(&c, bytes, 4);
	ck_assert_ptr_eq(c.next, bytes + 4);
	cursor_take(&c, 1);
	cursor_align(&c, bytes, 8);
	ck_assert_uint_eq(c.left, 0);
	ck_assert(!c.failed);
	ck_assert_ptr_null(cursor_take(&c, SIZE_MAX));
}
END_TEST

START_TEST(scratch_keeps_its_contents_and_starts_at_zero)
{
	struct scratch s = {0};

	scratch_grow(&s, 1);
	ck_assert_uint_ge(s.size, 1);
	memset(s.data, 7, s.size);
	size_t old = s.size;

	scratch_grow(&s, 10 * old);
	ck_assert_uint_ge(s.size, 10 * old);
	ck_assert_uint_eq(((uint8_t *)s.data)[old - 1], 7);
	ck_assert_uint_eq(((uint8_t *)s.data)[old], 0);
	scratch_grow(&s, 1);
	ck_assert_uint_ge(s.size, 10 * old);
	scratch_release(&s);
	ck_assert_ptr_null(s.data);
	scratch_release(&s);
}
END_TEST

START_TEST(sha1_gives_the_published_digests)
{
	static const struct {
		const char *text;
		size_t times;
		const char *digest;
	} cases[] = {
		{"", 1, "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
		{"abc", 1, "a9993e364706816aba3e25717850c26c9cd0d89d"},
		{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
			"84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
		{"a", 1000000, "34aa973cd4c4daa4f61eeb2bdbad27316534016f"},
		{"0123456701234567012345670123456701234567012345670123456701234567", 10,
			"dea356a2cddd90c7a7ecedc5ebb563934f460452"},
	};
	static char data[1000000];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t len = strlen(cases[i].text);
		uint8_t digest[SHA1_SIZE];
		char hex[2 * SHA1_SIZE + 1];

		for (size_t k = 0; k < cases[i].times; k++)
			memcpy(data + k * len, cases[i].text, len);
		sha1(data, len * cases[i].times, digest);
		hex_encode(hex, digest, sizeof(digest));
		ck_assert_str_eq(hex, cases[i].digest);
	}
}
END_TEST

UNIT_MAIN("bytes", a_cursor_never_leaves_its_bytes, scratch_keeps_its_contents_and_starts_at_zero,
	sha1_gives_the_published_digests)
