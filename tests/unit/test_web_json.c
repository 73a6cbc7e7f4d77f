// SPDX-License-Identifier: Apache-2.0
#include "unit/unit.h"

#include <math.h>
#include <string.h>

#include "web/json.h"

START_TEST(commas_come_by_themselves)
{
	struct strbuf out cleanup_strbuf = STRBUF_INIT;
	struct json j = {.out = &out};

	json_open(&j, NULL, '{');
	json_string(&j, "a", "x");
	json_open(&j, "b", '[');
	json_open(&j, NULL, '{');
	json_close(&j, '}');
	json_number(&j, NULL, -3);
	json_double(&j, NULL, 0.25);
	json_double(&j, NULL, (double)NAN);
	json_close(&j, ']');
	json_bool(&j, "c", true);
	json_null(&j, "d");
	json_time(&j, "e", 1700000000123456789);
	json_time(&j, "f", 0);
	json_close(&j, '}');
	ck_assert_str_eq(out.buf,
		"{\"a\":\"x\",\"b\":[{},-3,0.25,null],\"c\":true,\"d\":null,"
		"\"e\":\"2023-11-14T22:13:20.123Z\",\"f\":\"0001-01-01T00:00:00Z\"}");
}
END_TEST

START_TEST(a_hostile_text_stays_a_text)
{
	struct strbuf out cleanup_strbuf = STRBUF_INIT;
	struct json j = {.out = &out};

	json_string(&j, NULL, "</script><\"\n\xff");
	ck_assert_str_eq(out.buf, "\"\\u003c/script>\\u003c\\\"\\n\xef\xbf\xbd\"");
}
END_TEST

START_TEST(a_hostile_key_stays_a_key)
{
	struct strbuf out cleanup_strbuf = STRBUF_INIT;
	struct json j = {.out = &out};

	json_open(&j, NULL, '{');
	json_string(&j, "a\":1,\"b\n", "x");
	json_number(&j, "<\xff", 2);
	json_close(&j, '}');
	ck_assert_str_eq(out.buf, "{\"a\\\":1,\\\"b\\n\":\"x\",\"\\u003c\xef\xbf\xbd\":2}");
}
END_TEST

START_TEST(a_long_text_is_cut_between_characters)
{
	static char text[JSON_STRING_MAX + 10];
	struct strbuf out cleanup_strbuf = STRBUF_INIT;
	struct json j = {.out = &out};

	memset(text, 'a', sizeof(text) - 1);
	memcpy(text + JSON_STRING_MAX - 1, "\xc3\xa4", 2);
	json_string(&j, NULL, text);
	ck_assert_uint_eq(out.len, JSON_STRING_MAX - 1 + 3 + 2);
	ck_assert_str_eq(out.buf + out.len - 5, "a\xe2\x80\xa6\"");
}
END_TEST

UNIT_MAIN("web_json", commas_come_by_themselves, a_hostile_text_stays_a_text,
	a_hostile_key_stays_a_key, a_long_text_is_cut_between_characters)
