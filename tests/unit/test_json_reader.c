// SPDX-License-Identifier: Apache-2.0
#include "unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json_reader.h"

/* Writes what it is told as text: one word for each value, with its path. */
struct recorder {
	struct json *json;
	struct strbuf text;
	int stop_at; /* values; 0: never */
	int values;
};

static void add_path(struct strbuf *out, const struct json *j)
{
	for (size_t i = 0; i < json_depth(j); i++)
		strbuf_addf(out, "/%s", json_key(j, i));
}

static int on_value(void *ctx, const struct json *j, const struct json_value *v)
{
	static const char *const names[] = {"null", "bool", "number", "string"};
	struct recorder *r = ctx;

	add_path(&r->text, j);
	strbuf_addf(&r->text, "=%s:%s%s%s%s ", names[v->type], v->truth ? "true" : "",
		strlen(v->text) > 100 ? "long" : v->text, v->cut ? "(cut)" : "",
		json_key_cut(j) ? "(key cut)" : "");
	return ++r->values == r->stop_at ? -ECANCELED : 0;
}

static int on_begin(void *ctx, const struct json *j)
{
	struct recorder *r = ctx;

	add_path(&r->text, j);
	strbuf_add_str(&r->text, "{ ");
	return 0;
}

static int on_end(void *ctx, const struct json *j)
{
	struct recorder *r = ctx;

	add_path(&r->text, j);
	strbuf_add_str(&r->text, "} ");
	return 0;
}

static const struct json_ops ops = {.value = on_value, .begin = on_begin, .end = on_end};

static struct recorder r;

static void begin(void)
{
	strbuf_init(&r.text);
	r.json = json_new(&ops, &r);
}

static void end(void)
{
	json_free(r.json);
	strbuf_release(&r.text);
	r = (struct recorder){0};
}

/* In pieces of `step` bytes. */
static int feed(const char *text, size_t len, size_t step)
{
	int code = 0;

	for (size_t i = 0; i < len && code == 0; i += step)
		code = json_feed(r.json, text + i, MIN(step, len - i));
	return code;
}

static const struct {
	const char *text, *told;
} good[] = {
	{"{}", "{ } "},
	{"[1,-2.5e3,true,false,null,\"a\"]",
		"{ /=number:1 /=number:-2.5e3 /=bool:true /=bool: /=null: /=string:a } "},
	{"{\"a\":{\"b\":[{\"c\":\"d\"}]}}",
		"{ /a{ /a/b{ /a/b/{ /a/b//c=string:d /a/b/} /a/b} /a} } "},
	{"{\"a\":1}\n{\"b\":2}{\"c\":3} 4 \"x\"",
		"{ /a=number:1 } { /b=number:2 } { /c=number:3 } =number:4 =string:x "},
	{"[\"\\n\\u00e9\\ud83d\\ude00\\\"\\\\\"]", "{ /=string:\n\xc3\xa9\xf0\x9f\x98\x80\"\\ } "},
	{"[\"a\\u0000b\"]",
		"{ /=string:a\xef\xbf\xbd"
		"b } "},
	{"[\"\xff\xc3\"]", "{ /=string:\xef\xbf\xbd\xef\xbf\xbd } "},
	{"{\"\xfe\":\"\"}", "{ /\xef\xbf\xbd=string: } "},
	{"{\"a\":1,\"a\":2}", "{ /a=number:1 /a=number:2 } "},
};

START_TEST(values_are_told_with_their_paths_however_they_are_cut)
{
	size_t len = strlen(good[_i].text);

	for (size_t step = 1; step <= len; step++) {
		begin();
		ck_assert_int_eq(feed(good[_i].text, len, step), 0);
		ck_assert_int_eq(json_finish(r.json), 0);
		ck_assert_str_eq(r.text.buf, good[_i].told);
		end();
	}
}
END_TEST

static const char *const bad[] = {"", " ", "{", "[1", "[1,]", "{\"a\"}", "{\"a\":}", "]", "[\"a",
	"nul", "[\"\\x\"]", "HTTP/1.1 200 OK", "<html>", "[\"a\nb\"]", "{1:2}", "\"\\u12", "[1}"};

START_TEST(what_is_no_json_is_an_error)
{
	for (size_t step = 1; step <= 3; step++) {
		begin();
		int code = feed(bad[_i], strlen(bad[_i]), step);

		if (code == 0)
			code = json_finish(r.json);
		ck_assert_msg(code == -EBADMSG, "%s: %d", bad[_i], code);
		ck_assert_int_eq(json_feed(r.json, "{}", 2), -EBADMSG);
		end();
	}
}
END_TEST

START_TEST(a_callback_can_stop_it)
{
	begin();
	r.stop_at = 2;
	ck_assert_int_eq(feed("[1,2,3]", 7, 7), -ECANCELED);
	ck_assert_int_eq(r.values, 2);
	ck_assert_int_eq(json_finish(r.json), -ECANCELED);
	end();
}
END_TEST

START_TEST(depth_is_bounded)
{
	char text[200];

	begin();
	memset(text, '[', sizeof(text));
	ck_assert_int_eq(feed(text, JSON_MAX_DEPTH, 7), 0);
	ck_assert_int_eq(feed(text, 1, 1), -EBADMSG);
	end();
}
END_TEST

/* A string whose escapes lie across the bound in every possible way. */
START_TEST(a_string_that_is_too_long_is_cut_and_says_so)
{
	static const char *const fillers[] = {"x", "\\u00e9", "\\\\", "\\\"", "\xc3\xa9"};
	const size_t len = JSON_MAX_STRING + 200;

	for (size_t shift = 0; shift < 8; shift++) {
		for (size_t i = 0; i < ARRAY_SIZE(fillers); i++) {
			struct strbuf text cleanup_strbuf = STRBUF_INIT;

			strbuf_add_str(&text, "{\"k\":\"");
			for (size_t n = 0; n < shift; n++)
				strbuf_add_char(&text, '.');
			while (text.len < len)
				strbuf_add_str(&text, fillers[i]);
			strbuf_add_str(&text, "\",\"b\":[\"c\"]}");
			begin();
			ck_assert_int_eq(feed(text.buf, text.len, 1000 + shift), 0);
			ck_assert_int_eq(json_finish(r.json), 0);
			ck_assert_str_eq(r.text.buf,
				"{ /k=string:long(cut) /b{ /b/=string:c /b} } ");
			end();
		}
	}
}
END_TEST

START_TEST(a_key_that_is_too_long_is_nobodys)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;

	strbuf_add_str(&text, "{\"");
	for (size_t i = 0; i < 3 * JSON_MAX_STRING; i++)
		strbuf_add_char(&text, 'k');
	strbuf_add_str(&text, "\":1,\"b\":2}");
	begin();
	ck_assert_int_eq(feed(text.buf, text.len, 4096), 0);
	ck_assert_ptr_nonnull(strstr(r.text.buf, "=number:1(key cut) /b=number:2 } "));
	end();
}
END_TEST

START_TEST(an_endless_number_is_refused)
{
	char digits[100];

	begin();
	memset(digits, '1', sizeof(digits));
	ck_assert_int_eq(feed("[", 1, 1), 0);
	ck_assert_int_eq(feed(digits, sizeof(digits), 10), -EBADMSG);
	end();
}
END_TEST

static int on_path(void *ctx, const struct json *j, const struct json_value *v)
{
	int *hits = ctx;

	(void)v;
	hits[0] += json_at(j, "[].Labels.*");
	hits[1] += json_at(j, "[].Labels.a.b");
	hits[2] += json_at(j, "[].Ports.[].*");
	hits[3] += json_at(j, "[].*");
	hits[4] += json_at(j, "[]");
	hits[5] += json_at(j, "");
	return 0;
}

START_TEST(paths_match_element_by_element)
{
	static const struct json_ops path_ops = {.value = on_path};
	int hits[6] = {0};
	struct json *j = json_new(&path_ops, hits);
	const char *text =
		"[{\"Labels\":{\"a.b\":1,\"[]\":1,\"x\":{\"y\":1}},\"Ports\":[{\"IP\":1},2],"
		"\"Id\":1},5,[6]]7";

	ck_assert_int_eq(json_feed(j, text, strlen(text)), 0);
	ck_assert_int_eq(json_finish(j), 0);
	ck_assert_int_eq(hits[0], 2); /* a key with a dot is one element */
	ck_assert_int_eq(hits[1], 0);
	ck_assert_int_eq(hits[2], 1);
	ck_assert_int_eq(hits[3], 1);
	ck_assert_int_eq(hits[4], 1);
	ck_assert_int_eq(hits[5], 1);
	json_free(j);
}
END_TEST

static const struct {
	const char *text;
	uint32_t number;
} numbers[] = {{"0", 0}, {"80", 80}, {"65535", 65535}, {"65536", 0}, {"-1", 0}, {"1.5", 0},
	{"1e3", 0}, {"99999999999999999999999", 0}, {"", 0}};

START_TEST(numbers_out_of_range_are_none)
{
	struct json_value v = {.type = JSON_NUMBER, .text = numbers[_i].text};

	ck_assert_uint_eq(json_value_number(&v, 65535), numbers[_i].number);
	v.type = JSON_STRING;
	ck_assert_uint_eq(json_value_number(&v, 65535), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("json_reader");
	TCase *tcase = tcase_create("json_reader");
	SRunner *runner = srunner_create(suite);

	tcase_add_loop_test(tcase, values_are_told_with_their_paths_however_they_are_cut, 0,
		(int)ARRAY_SIZE(good));
	tcase_add_loop_test(tcase, what_is_no_json_is_an_error, 0, (int)ARRAY_SIZE(bad));
	tcase_add_test(tcase, a_callback_can_stop_it);
	tcase_add_test(tcase, depth_is_bounded);
	tcase_add_test(tcase, a_string_that_is_too_long_is_cut_and_says_so);
	tcase_add_test(tcase, a_key_that_is_too_long_is_nobodys);
	tcase_add_test(tcase, an_endless_number_is_refused);
	tcase_add_test(tcase, paths_match_element_by_element);
	tcase_add_loop_test(tcase, numbers_out_of_range_are_none, 0, (int)ARRAY_SIZE(numbers));
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
