// SPDX-License-Identifier: Apache-2.0
#include "unit/unit.h"

#include <string.h>

#include "web/page.h"

START_TEST(the_page_is_whole_and_alone)
{
	const char *page = page_text();

	ck_assert_uint_eq(strlen(page), page_length());
	ck_assert_int_eq(strncmp(page, "<!DOCTYPE html>", 15), 0);
	ck_assert_ptr_nonnull(strstr(page, "</html>"));
	/* It fetches nothing from anywhere else. */
	ck_assert_ptr_null(strstr(page, "src=\"http"));
	ck_assert_ptr_null(strstr(page, "href=\"http"));
	ck_assert_ptr_null(strstr(page, "@import"));
}
END_TEST

START_TEST(the_policy_lets_nothing_but_the_page_run)
{
	struct strbuf headers cleanup_strbuf = STRBUF_INIT;

	page_headers(&headers);
	ck_assert_ptr_nonnull(strstr(headers.buf, "default-src 'none'; script-src 'sha256-"));
	ck_assert_ptr_nonnull(strstr(headers.buf, "frame-ancestors 'none'\r\n"));
	ck_assert_ptr_null(strstr(headers.buf, "unsafe"));
}
END_TEST

START_TEST(data_stands_before_the_script)
{
	struct strbuf page cleanup_strbuf = STRBUF_INIT;
	const char *data, *script;

	page_with_data(&page, "{\"a\":1}", 7);
	data = strstr(page.buf,
		"<script type=\"application/json\" id=\"dockprof-data\">{\"a\":1}</script>");
	script = strstr(page.buf, "<script>");
	ck_assert_ptr_nonnull(data);
	ck_assert_ptr_nonnull(script);
	ck_assert(data < script);
	ck_assert_str_eq(page.buf + page.len - 8, "</html>\n");
}
END_TEST

UNIT_MAIN("web_page", the_page_is_whole_and_alone, the_policy_lets_nothing_but_the_page_run,
	data_stands_before_the_script)
