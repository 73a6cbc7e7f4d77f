// SPDX-License-Identifier: Apache-2.0
/* What a redirect takes along: to the same host all, to another one no credentials. */
#include "unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "http/http.h"
#include "lib/forked_server.h"

static struct forked_server origin, elsewhere;
static struct loop *loop;
static struct http *http;
static struct http_client_options options;
static bool done;
static int code;
static char body[4096], message[256];
static char location[128];

/* Says what it was asked. */
static void serve_echo(int fd, int connection)
{
	char request[4000], answer[5000];

	(void)connection;
	if (!forked_server_read(fd, request, sizeof(request)))
		return;
	snprintf(answer, sizeof(answer), "HTTP/1.0 200 OK\r\n\r\n%s", request);
	forked_server_say(fd, answer);
}

static void serve_redirect(int fd, int connection)
{
	char request[4000], answer[5000];

	(void)connection;
	if (!forked_server_read(fd, request, sizeof(request)))
		return;
	if (strstr(request, " /there "))
		snprintf(answer, sizeof(answer), "HTTP/1.0 200 OK\r\n\r\n%s", request);
	else
		snprintf(answer, sizeof(answer),
			"HTTP/1.1 307 Go\r\nLocation: %s\r\nContent-Length: 0\r\n"
			"Connection: close\r\n\r\n",
			location);
	forked_server_say(fd, answer);
}

static void on_done(void *ctx, const struct http_result *r)
{
	(void)ctx;
	done = true;
	code = r->code;
	snprintf(body, sizeof(body), "%s", r->body);
	snprintf(message, sizeof(message), "%s", r->message);
}

static void set_up(void)
{
	struct error err = {0};

	http_client_options_init(&options);
	ck_assert_int_eq(loop_new(&loop), 0);
	ck_assert_int_eq(http_new(loop, &http, &err), 0);
	forked_server_start(&elsewhere, serve_echo);
}

static void tear_down(void)
{
	http_free(http);
	loop_free(loop);
	forked_server_stop(&origin);
	forked_server_stop(&elsewhere);
}

static void post_to_redirect(const char *to)
{
	int64_t limit = clock_monotonic_ns() + 10 * NSEC_PER_SEC;
	struct http_client *client;
	struct error err = {0};

	snprintf(location, sizeof(location), "%s", to);
	forked_server_start(&origin, serve_redirect);
	ck_assert_msg(http_client_new(http, &options, &client, &err) == 0, "%s", err.message);
	struct http_request_options o = {
		.method = "POST",
		.url = origin.url,
		.body = "profile",
		.body_len = 7,
		.on_done = on_done,
	};

	ck_assert_msg(http_request_start(client, &o, NULL, &err) == 0, "%s", err.message);
	while (!done && clock_monotonic_ns() < limit)
		ck_assert_int_eq(loop_turn(loop, 100 * NSEC_PER_MSEC), 0);
	ck_assert_msg(done, "no answer within 10 s");
	http_client_free(client);
}

static void add_header(void)
{
	options.headers = xcalloc(1, sizeof(options.headers[0]));
	options.headers[0].name = xstrdup("X-Api-Key");
	options.headers[0].value = xstrdup("hunter2");
	options.header_count = 1;
}

START_TEST(a_password_stays_here)
{
	options.basic_auth.username = xstrdup("user");
	options.basic_auth.password = xstrdup("hunter2");
	post_to_redirect(elsewhere.url);
	ck_assert_int_eq(code, 0);
	ck_assert_ptr_nonnull(strstr(body, "POST / HTTP"));
	ck_assert_ptr_null(strcasestr(body, "authorization"));
}
END_TEST

START_TEST(a_token_stays_here)
{
	options.authorization.credentials = xstrdup("hunter2");
	post_to_redirect(elsewhere.url);
	ck_assert_int_eq(code, 0);
	ck_assert_ptr_nonnull(strstr(body, "POST / HTTP"));
	ck_assert_ptr_null(strcasestr(body, "authorization"));
	ck_assert_ptr_null(strstr(body, "hunter2"));
}
END_TEST

START_TEST(with_headers_of_the_configuration_another_host_is_not_asked)
{
	add_header();
	post_to_redirect(elsewhere.url);
	ck_assert_int_eq(code, -EPROTO);
	ck_assert_ptr_null(strstr(body, "hunter2"));
	ck_assert_ptr_nonnull(strstr(message, "another host"));
}
END_TEST

START_TEST(the_same_host_gets_all)
{
	options.authorization.credentials = xstrdup("hunter2");
	add_header();
	post_to_redirect("/there");
	ck_assert_int_eq(code, 0);
	ck_assert_ptr_nonnull(strcasestr(body, "Authorization: Bearer hunter2"));
	ck_assert_ptr_nonnull(strcasestr(body, "X-Api-Key: hunter2"));
}
END_TEST

UNIT_MAIN_FIXTURE("http_redirect", set_up, tear_down, a_password_stays_here, a_token_stays_here,
	with_headers_of_the_configuration_another_host_is_not_asked, the_same_host_gets_all)
