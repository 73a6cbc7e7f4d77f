// SPDX-License-Identifier: Apache-2.0
#include "unit/unit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/hashmap.h"
#include "base/hex.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "base/units.h"
#include "base/utf8.h"

START_TEST(a_strbuf_grows_and_is_always_terminated)
{
	struct strbuf sb = STRBUF_INIT;

	ck_assert_str_eq(sb.buf, "");
	for (int i = 0; i < 1000; i++)
		strbuf_addf(&sb, "%d,", i);
	ck_assert_uint_eq(sb.len, 3890);
	ck_assert_int_eq(sb.buf[sb.len], '\0');
	strbuf_consume(&sb, 2);
	ck_assert_int_eq(sb.buf[0], '1');
	strbuf_consume(&sb, 100000);
	ck_assert_uint_eq(sb.len, 0);
	strbuf_release(&sb);
	ck_assert_uint_eq(sb.alloc, 0);
	char *s = strbuf_detach(&sb);

	ck_assert_str_eq(s, "");
	free(s);
}
END_TEST

struct thing {
	struct hashmap_entry entry;
	uint64_t id;
};

static bool thing_is(const struct hashmap_entry *e, const void *key)
{
	return container_of(e, struct thing, entry)->id == *(const uint64_t *)key;
}

START_TEST(a_hashmap_finds_what_was_added_and_not_what_was_removed)
{
	static struct thing things[1000];
	struct hashmap map;
	size_t seen = 0;

	hashmap_init(&map, thing_is);
	for (uint64_t i = 0; i < ARRAY_SIZE(things); i++) {
		things[i].id = i;
		/* Few hash values, so that chains are long. */
		hashmap_add(&map, &things[i].entry, hash_u64(i % 97));
	}
	hashmap_for_each(e, &map) {
		if (container_of(e, struct thing, entry)->id % 3 == 0)
			hashmap_remove(&map, e);
		seen++;
	}
	ck_assert_uint_eq(seen, ARRAY_SIZE(things));
	for (uint64_t i = 0; i < ARRAY_SIZE(things); i++) {
		struct hashmap_entry *e = hashmap_get(&map, hash_u64(i % 97), &i);

		ck_assert_int_eq(e == NULL, i % 3 == 0);
	}
	ck_assert_uint_eq(map.count, 666);
	hashmap_clear(&map);
	ck_assert_uint_eq(map.count, 0);
	ck_assert_ptr_null(hashmap_first(&map));
	hashmap_add(&map, &things[0].entry, hash_u64(0));
	ck_assert_ptr_eq(hashmap_get(&map, hash_u64(0), &(uint64_t){0}), &things[0].entry);
	ck_assert_ptr_eq(hashmap_first(&map), &things[0].entry);
	hashmap_release(&map);
}
END_TEST

START_TEST(errors_are_prefixed_and_cut)
{
	struct error err = {0};

	ck_assert_int_eq(error_set(&err, -EINVAL, "bad %s", "thing"), -EINVAL);
	error_prefix(&err, "rule %d", 3);
	ck_assert_str_eq(err.message, "rule 3: bad thing");
	for (int i = 0; i < 200; i++)
		error_prefix(&err, "again");
	ck_assert_str_eq(err.message + strlen(err.message) - 3, "...");
	ck_assert_int_eq(error_set(NULL, -ENOENT, "x"), -ENOENT);
}
END_TEST

static const struct {
	const char *text;
	int result;
	int64_t ns;
} durations[] = {
	{"0", 0, 0},
	{"15s", 0, 15 * NSEC_PER_SEC},
	{"1h30m", 0, 5400 * NSEC_PER_SEC},
	{"1d12h", 0, 129600 * NSEC_PER_SEC},
	{"500ms", 0, 500 * NSEC_PER_MSEC},
	{"1y2w3d4h5m6s7ms", 0, INT64_C(33019506007) * NSEC_PER_MSEC},
	{"", -EINVAL, 0},
	{"15", -EINVAL, 0},
	{"1s1m", -EINVAL, 0},
	{"1s1s", -EINVAL, 0},
	{"-1s", -EINVAL, 0},
	{"1.5s", -EINVAL, 0},
	{"1 s", -EINVAL, 0},
	{"s", -EINVAL, 0},
	{"300y", -ERANGE, 0},
	{"99999999999999999999s", -ERANGE, 0},
};

START_TEST(durations_are_read_as_prometheus_reads_them)
{
	for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
		int64_t ns = 0;
		int r = duration_parse(durations[i].text, &ns);

		ck_assert_msg(r == durations[i].result && (r < 0 || ns == durations[i].ns),
			"%s: %d, %" PRId64, durations[i].text, r, ns);
	}
}
END_TEST

START_TEST(durations_and_sizes_are_shown_for_people)
{
	struct strbuf sb = STRBUF_INIT;

	duration_add(&sb, 90 * NSEC_PER_SEC);
	strbuf_add_char(&sb, ' ');
	duration_add(&sb, 0);
	strbuf_add_char(&sb, ' ');
	duration_add(&sb, 1500 * NSEC_PER_MSEC);
	strbuf_add_char(&sb, ' ');
	size_add(&sb, 1536);
	ck_assert_str_eq(sb.buf, "1m30s 0s 1s500ms 1.5 KiB");
	strbuf_release(&sb);
}
END_TEST

START_TEST(sizes_are_read)
{
	uint64_t n;

	ck_assert_int_eq(size_parse("1024", &n), 0);
	ck_assert_uint_eq(n, 1024);
	ck_assert_int_eq(size_parse("512MiB", &n), 0);
	ck_assert_uint_eq(n, 512 << 20);
	ck_assert_int_eq(size_parse("1KB", &n), 0);
	ck_assert_uint_eq(n, 1024);
	ck_assert_int_eq(size_parse("16777216TB", &n), -ERANGE);
	ck_assert_int_eq(size_parse("1M", &n), -EINVAL);
	ck_assert_int_eq(size_parse("", &n), -EINVAL);
	ck_assert_int_eq(size_parse("1 MB", &n), -EINVAL);
}
END_TEST

START_TEST(utf8_is_judged_as_go_judges_it)
{
	ck_assert(utf8_valid("h\xc3\xa9llo \xf0\x9f\x90\x8b", 11));
	ck_assert(!utf8_valid("\xc0\x80", 2)); /* overlong */
	ck_assert(!utf8_valid("\xed\xa0\x80", 3)); /* surrogate */
	ck_assert(!utf8_valid("\xf4\x90\x80\x80", 4)); /* too large */
	ck_assert(!utf8_valid("\xe2\x82", 2)); /* cut */
	struct strbuf sb = STRBUF_INIT;

	utf8_repair(&sb, "a\xff\xe2\x82z", 5);
	ck_assert_str_eq(sb.buf, "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz");
	strbuf_release(&sb);
	ck_assert_uint_eq(utf8_cut("ab\xc3\xa9", 4, 3), 2);
	ck_assert_uint_eq(utf8_cut("ab\xc3\xa9", 4, 4), 4);
	for (uint32_t cp = 1; cp < 0x110000; cp++) {
		char bytes[UTF8_MAX];
		uint32_t back = 0;

		if (cp >= 0xd800 && cp <= 0xdfff)
			continue;
		size_t n = utf8_encode(bytes, cp);

		ck_assert_uint_eq(utf8_decode(bytes, n, &back), n);
		ck_assert_uint_eq(back, cp);
	}
}
END_TEST

START_TEST(hostile_text_is_made_harmless)
{
	struct strbuf sb = STRBUF_INIT;

	text_add_safe(&sb, "a\n\x1b[31m\"\xff\xe2\x80\xae", 12, 100);
	ck_assert_str_eq(sb.buf, "a\\n\\x1b[31m\\\"\\xff\\xe2\\x80\\xae");
	strbuf_reset(&sb);
	text_add_safe(&sb, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 32, 16);
	ck_assert_str_eq(sb.buf, "aaaaaaaaaaaaa...");
	strbuf_reset(&sb);
	text_add_json(&sb, "a\"\n\x01\xff", 5);
	ck_assert_str_eq(sb.buf, "\"a\\\"\\n\\u0001\xef\xbf\xbd\"");
	strbuf_release(&sb);
}
END_TEST

START_TEST(hex_is_written_and_recognised)
{
	char out[9];

	hex_encode(out, "\x00\xde\xad\xff", 4);
	ck_assert_str_eq(out, "00deadff");
	ck_assert(hex_is_lower(out, 8));
	ck_assert(!hex_is_lower("0A", 2));
}
END_TEST

UNIT_MAIN("base", a_strbuf_grows_and_is_always_terminated,
	a_hashmap_finds_what_was_added_and_not_what_was_removed, errors_are_prefixed_and_cut,
	durations_are_read_as_prometheus_reads_them, durations_and_sizes_are_shown_for_people,
	sizes_are_read, utf8_is_judged_as_go_judges_it, hostile_text_is_made_harmless,
	hex_is_written_and_recognised)
