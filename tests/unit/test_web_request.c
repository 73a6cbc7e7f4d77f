// SPDX-License-Identifier: Apache-2.0
#include "unit/unit.h"

#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "web/request.h"

static char *head;
static struct web_request r;

static void teardown(void)
{
	free(head);
}

static unsigned parse(const char *text)
{
	free(head);
	head = xstrdup(text);
	return web_request_parse(head, strlen(text), &r);
}

START_TEST(a_browsers_request_is_taken_apart)
{
	ck_assert_uint_eq(parse("GET /debug/pro%66ile?seconds=5&container=a%20b+c HTTP/1.1\r\n"
				"Host: localhost:4041\r\nACCEPT:  text/html \r\n"
				"Sec-Fetch-Site: none\r\nConnection: keep-alive\r\n\r\n"),
		0);
	ck_assert_int_eq(r.method, WEB_GET);
	ck_assert_str_eq(r.path, "/debug/profile");
	ck_assert_str_eq(r.host, "localhost:4041");
	ck_assert_str_eq(r.accept, "text/html");
	ck_assert(r.keep_alive);
	struct strbuf value cleanup_strbuf = STRBUF_INIT;

	ck_assert(web_query_get(&r, "container", &value));
	ck_assert_str_eq(value.buf, "a b c");
	ck_assert_int_eq(web_query_number(&r, "seconds", 30, 60), 5);
	ck_assert_int_eq(web_query_number(&r, "second", 30, 60), 30);
	ck_assert_int_eq(web_query_number(&r, "seconds", 30, 4), -1);
	ck_assert(!web_query_get(&r, "con", &value));
}
END_TEST

static const struct {
	const char *text;
	unsigned status;
} heads[] = {
	{"GET / HTTP/1.0\r\n\r\n", 0},
	{"POST /-/reload HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n", 0},
	{"GET / HTTP/1.1\r\n\r\n", 400},
	{"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
	{"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
	{"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400},
	{"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1x\r\n\r\n", 400},
	{"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 413},
	{"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 501},
	{"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
	{"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400},
	{"GET / HTTP/1.1\nHost: a\r\n\r\n", 400},
	{"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", 400},
	{"GET / HTTP/1.1\r\nHost\r\n\r\n", 400},
	{"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
	{"GET / JUNK\r\nHost: a\r\n\r\n", 400},
	{"GET /\r\nHost: a\r\n\r\n", 400},
	{"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"GET /%0a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"DELETE / HTTP/1.1\r\nHost: a\r\n\r\n", 405},
	{"\r\n\r\n", 400},
};

START_TEST(what_could_be_read_in_two_ways_is_refused)
{
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		unsigned status = parse(heads[i].text);

		ck_assert_msg(status == heads[i].status, "%s: %u", heads[i].text, status);
	}
}
END_TEST

START_TEST(every_cut_of_a_head_is_no_head)
{
	const char *text = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		ck_assert_uint_eq(web_head_length(text, i), 0);
	ck_assert_uint_eq(web_head_length(text, len), len);
	char *large cleanup_free = xcalloc(1, WEB_HEAD_MAX);

	memset(large, 'a', WEB_HEAD_MAX);
	ck_assert(web_head_length(large, WEB_HEAD_MAX) == SIZE_MAX);
	ck_assert_uint_eq(web_head_length(large, WEB_HEAD_MAX - 1), 0);
}
END_TEST

START_TEST(a_name_that_a_stranger_may_own_is_refused)
{
	static const char *const good[] = {"localhost", "localhost:4041", "127.0.0.1:4041",
		"[::1]:4041", "[fe80::1]", "10.0.0.5", "dockprof:4041", "a.localhost",
		"box.example.org", "BOX.example.org:80"};
	static const char *const bad[] = {"", "evil.com", "evil.com:4041", "127.0.0.1.evil.com",
		"localhost.evil.com", "[::1", "[::1]x", ":4041", ".", "box.example.org.evil.com",
		"x.localhost.com"};
	static const char *const allowed[] = {"box.example.org"};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		ck_assert_msg(web_host_allowed(good[i], allowed, 1), "%s", good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(!web_host_allowed(bad[i], allowed, 1), "%s", bad[i]);
	ck_assert(!web_host_allowed("box.example.org", NULL, 0));
}
END_TEST

START_TEST(pages_of_other_sites_may_link_and_nothing_else)
{
	static const struct {
		const char *fields;
		bool cross;
	} cases[] = {
		{"", false},
		{"Sec-Fetch-Site: same-origin\r\nOrigin: http://a:1\r\n", false},
		{"Sec-Fetch-Site: none\r\n", false},
		{"Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n", false},
		{"Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n"
		 "Sec-Fetch-Dest: document\r\n",
			false},
		{"Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n"
		 "Sec-Fetch-Dest: iframe\r\n",
			true},
		{"Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: navigate\r\n"
		 "Sec-Fetch-Dest: object\r\n",
			true},
		{"Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\n"
		 "Sec-Fetch-Dest: iframe\r\n",
			false},
		{"Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n", true},
		{"Sec-Fetch-Site: same-site\r\n", true},
		{"Origin: http://a:1\r\n", false},
		{"Origin: http://b\r\n", true},
		{"Origin: null\r\n", true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *text cleanup_free =
			xasprintf("GET / HTTP/1.1\r\nHost: a:1\r\n%s\r\n", cases[i].fields);

		ck_assert_uint_eq(parse(text), 0);
		ck_assert_msg(web_cross_site(&r) == cases[i].cross, "%s", cases[i].fields);
	}
	ck_assert_uint_eq(parse("POST / HTTP/1.1\r\nHost: a:1\r\nSec-Fetch-Site: cross-site\r\n"
				"Sec-Fetch-Mode: navigate\r\n\r\n"),
		0);
	ck_assert(web_cross_site(&r));
}
END_TEST

UNIT_MAIN_FIXTURE("web_request", NULL, teardown, a_browsers_request_is_taken_apart,
	what_could_be_read_in_two_ways_is_refused, every_cut_of_a_head_is_no_head,
	a_name_that_a_stranger_may_own_is_refused, pages_of_other_sites_may_link_and_nothing_else)
