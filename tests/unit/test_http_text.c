// SPDX-License-Identifier: Apache-2.0
#include "unit/unit.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "http/client.h"

#define HOUR_S 3600

START_TEST(options_that_contradict_are_refused)
{
	struct http_client_options o;
	struct http_client *client = NULL;
	struct http *http;
	struct loop *loop;
	struct error err = {0};

	ck_assert_int_eq(loop_new(&loop), 0);
	ck_assert_int_eq(http_new(loop, &http, &err), 0);
	http_client_options_init(&o);
	o.tls.cert = xstrdup("x");
	ck_assert_int_eq(http_client_new(http, &o, &client, &err), -EINVAL);
	ck_assert_ptr_null(o.tls.cert);
	o.basic_auth.password = xstrdup("x");
	o.basic_auth.password_file = xstrdup("x");
	ck_assert_int_eq(http_client_new(http, &o, &client, &err), -EINVAL);
	o.proxy.url = xstrdup("ftp://x");
	ck_assert_int_eq(http_client_new(http, &o, &client, &err), -EINVAL);
	o.oauth2.token_url = xstrdup("http://x");
	o.oauth2.client_id = xstrdup("x");
	ck_assert_int_eq(http_client_new(http, &o, &client, &err), -EINVAL);
	ck_assert_ptr_null(o.oauth2.client_id);
	o.oauth2.token_url = xstrdup("http://x");
	o.oauth2.client_id = xstrdup("x");
	o.oauth2.client_secret = xstrdup("x");
	o.oauth2.proxy.url = xstrdup("ftp://x");
	ck_assert_int_eq(http_client_new(http, &o, &client, &err), -EINVAL);
	ck_assert_str_eq(err.message,
		"oauth2: proxy_url must begin with http://, https:// or socks5://");
	o.tls.min_version = xstrdup("SSL3");
	ck_assert_int_eq(http_client_new(http, &o, &client, &err), -EINVAL);
	ck_assert_ptr_null(client);
	http_free(http);
	loop_free(loop);
}
END_TEST

START_TEST(retry_after_is_seconds_or_a_date)
{
	const int64_t now = 784111777; /* Sun, 06 Nov 1994 08:49:37 GMT */

	ck_assert_int_eq(http_retry_after_ns("", now), -1);
	ck_assert_int_eq(http_retry_after_ns("120", now), 120 * NSEC_PER_SEC);
	ck_assert_int_eq(http_retry_after_ns("0", now), 0);
	ck_assert_int_eq(http_retry_after_ns("-3", now), -1);
	ck_assert_int_eq(http_retry_after_ns("soon", now), -1);
	ck_assert_int_eq(http_retry_after_ns("Sun, 06 Nov 1994 08:50:07 GMT", now),
		30 * NSEC_PER_SEC);
	ck_assert_int_eq(http_retry_after_ns("Sun, 06 Nov 1994 08:00:00 GMT", now), 0);
	ck_assert_int_eq(http_retry_after_ns("99999999999999999999", now), -1);
	ck_assert_int_eq(http_retry_after_ns("9999999999", now), 24 * HOUR_S * NSEC_PER_SEC);
}
END_TEST

START_TEST(escaping_leaves_only_what_a_url_allows)
{
	struct strbuf out cleanup_strbuf = STRBUF_INIT;

	http_escape(&out, "aZ0-._~ {\"x\":\xc3\xa9}/&");
	ck_assert_str_eq(out.buf, "aZ0-._~%20%7B%22x%22%3A%C3%A9%7D%2F%26");
	strbuf_reset(&out);
	http_show_url(&out, "https://user:secret@host:1/path?token=x#y");
	ck_assert_str_eq(out.buf, "https://host:1/path");
	strbuf_reset(&out);
	http_show_url(&out, "http:/secret@");
	ck_assert_ptr_null(strstr(out.buf, "secret@"));
}
END_TEST

UNIT_MAIN("http_text", options_that_contradict_are_refused, retry_after_is_seconds_or_a_date,
	escaping_leaves_only_what_a_url_allows)
