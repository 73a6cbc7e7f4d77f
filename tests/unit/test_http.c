// SPDX-License-Identifier: Apache-2.0
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "http/client.h"
#include "lib/bad_servers.h"
#include "lib/forked_server.h"

struct fixture {
	struct loop *loop;
	struct http *http;
	struct http_client *client;
	struct http_client_options client_options;
	struct http_request *request, *other;
	struct forked_server server;
	bool done;
	int code;
	long status, header_status;
	char message[256], body[4096], type[64], custom[64];
	int64_t retry_after_ns;
	int pieces, headers_calls, done_calls;
	size_t received;
};

static struct fixture f;

static void begin(forked_serve_fn serve)
{
	struct error err = {0};

	f = (struct fixture){0};
	http_client_options_init(&f.client_options);
	if (serve)
		forked_server_start(&f.server, serve);
	ck_assert_int_eq(loop_new(&f.loop), 0);
	ck_assert_msg(http_new(f.loop, &f.http, &err) == 0, "%s", err.message);
}

static void make_client(void)
{
	struct error err = {0};

	ck_assert_msg(http_client_new(f.http, &f.client_options, &f.client, &err) == 0, "%s",
		err.message);
}

static void end(void)
{
	http_client_free(f.client);
	http_free(f.http);
	loop_free(f.loop);
	if (f.server.pid)
		forked_server_stop(&f.server);
}

static void on_done(void *ctx, const struct http_result *r)
{
	(void)ctx;
	f.done = true;
	f.done_calls++;
	f.code = r->code;
	f.status = r->status;
	f.retry_after_ns = r->retry_after_ns;
	snprintf(f.message, sizeof(f.message), "%s", r->message);
	snprintf(f.body, sizeof(f.body), "%s", r->body);
	snprintf(f.type, sizeof(f.type), "%s", r->content_type);
	snprintf(f.custom, sizeof(f.custom), "%s", http_result_header(r, "api-version"));
	f.received += r->body_len;
}

static void on_headers(void *ctx, long status)
{
	(void)ctx;
	f.headers_calls++;
	f.header_status = status;
}

static void run_until_done(void)
{
	int64_t limit = clock_monotonic_ns() + 10 * NSEC_PER_SEC;

	while (!f.done && clock_monotonic_ns() < limit)
		ck_assert_int_eq(loop_turn(f.loop, 100 * NSEC_PER_MSEC), 0);
	ck_assert_msg(f.done, "no answer within 10 s");
}

static void run_for(int64_t ns)
{
	int64_t limit = clock_monotonic_ns() + ns;

	while (clock_monotonic_ns() < limit)
		ck_assert_int_eq(loop_turn(f.loop, 10 * NSEC_PER_MSEC), 0);
}

static void start(struct http_request_options o)
{
	struct error err = {0};
	char *url = xasprintf("%s%s", f.server.url, o.url ? o.url : "/");

	o.url = url;
	o.on_done = o.on_done ? o.on_done : on_done;
	f.done = false;
	ck_assert_msg(http_request_start(f.client, &o, &f.request, &err) == 0, "%s", err.message);
	ck_assert(!f.done);
	free(url);
}

static void ask(forked_serve_fn serve, struct http_request_options o)
{
	begin(serve);
	make_client();
	start(o);
	run_until_done();
}

static void serve_hello(int fd, int connection)
{
	char request[8192];

	(void)connection;
	if (forked_server_read(fd, request, sizeof(request)))
		forked_server_say(fd,
			"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n"
			"Api-Version: 1.41\r\nRetry-After: 7\r\n\r\nhello");
}

START_TEST(an_answer_arrives_whole)
{
	ask(serve_hello, (struct http_request_options){.on_headers = on_headers});
	ck_assert_int_eq(f.code, 0);
	ck_assert_int_eq(f.status, 200);
	ck_assert_str_eq(f.body, "hello");
	ck_assert_str_eq(f.type, "text/plain");
	ck_assert_str_eq(f.custom, "1.41");
	ck_assert_int_eq(f.retry_after_ns, 7 * NSEC_PER_SEC);
	ck_assert_int_eq(f.headers_calls, 1);
	ck_assert_int_eq(f.header_status, 200);
	end();
}
END_TEST

/* Sends back the head of the request, without its line ends, as the body. */
static void serve_echo(int fd, int connection)
{
	char request[8192], answer[9000];

	(void)connection;
	if (!forked_server_read(fd, request, sizeof(request)))
		return;
	for (char *p = request; *p; p++)
		if (*p == '\r' || *p == '\n')
			*p = '|';
	snprintf(answer, sizeof(answer), "HTTP/1.0 200 OK\r\n\r\n%s", request);
	forked_server_say(fd, answer);
}

START_TEST(a_request_carries_headers_and_basic_auth)
{
	const struct http_request_header extra = {.name = "X-Extra", .value = "1"};

	begin(serve_echo);
	f.client_options.basic_auth.username = xstrdup("user");
	f.client_options.basic_auth.password = xstrdup("pass");
	f.client_options.headers = xcalloc(1, sizeof(struct http_header));
	f.client_options.headers[0] =
		(struct http_header){.name = xstrdup("X-Scope-OrgID"), .value = xstrdup("me")};
	f.client_options.header_count = 1;
	make_client();
	start((struct http_request_options){.url = "/a?b=c", .headers = &extra, .header_count = 1});
	run_until_done();
	ck_assert_ptr_nonnull(strstr(f.body, "GET /a?b=c HTTP/1.1||"));
	ck_assert_ptr_nonnull(strstr(f.body, "||Authorization: Basic dXNlcjpwYXNz||"));
	ck_assert_ptr_nonnull(strstr(f.body, "||X-Scope-OrgID: me||"));
	ck_assert_ptr_nonnull(strstr(f.body, "||X-Extra: 1||"));
	ck_assert_ptr_nonnull(strstr(f.body, "||User-Agent: dockprof/"));
	end();
}
END_TEST

START_TEST(a_secret_file_is_read_for_each_request)
{
	char path[64];

	snprintf(path, sizeof(path), "/tmp/dockprof-test-secret-%d", (int)getpid());
	begin(serve_echo);
	f.client_options.authorization.credentials_file = xstrdup(path);
	make_client();
	ck_assert_int_eq(file_replace(path, " first\n", 7), 0);
	start((struct http_request_options){0});
	run_until_done();
	ck_assert_ptr_nonnull(strstr(f.body, "||Authorization: Bearer first||"));
	ck_assert_int_eq(file_replace(path, "second", 6), 0);
	start((struct http_request_options){0});
	run_until_done();
	ck_assert_ptr_nonnull(strstr(f.body, "||Authorization: Bearer second||"));

	struct error err = {0};
	struct http_request_options o = {.url = f.server.url, .on_done = on_done};

	ck_assert_int_eq(file_replace(path, "a\r\nX-Evil: 1", 12), 0);
	ck_assert_int_eq(http_request_start(f.client, &o, NULL, &err), -EINVAL);
	unlink(path);
	ck_assert_int_eq(http_request_start(f.client, &o, NULL, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.message, path));
	end();
}
END_TEST

static void serve_post(int fd, int connection)
{
	char request[8192];
	size_t got = 0;

	(void)connection;
	if (!forked_server_read(fd, request, sizeof(request)))
		return;
	const char *body = strstr(request, "\r\n\r\n") + 4;

	got = strlen(body);
	while (got < 4) {
		ssize_t n = read(fd, request, sizeof(request));

		if (n <= 0)
			return;
		got += (size_t)n;
	}
	forked_server_say(fd, "HTTP/1.1 202 OK\r\nContent-Length: 2\r\n\r\nok");
}

START_TEST(a_body_is_posted_from_a_copy)
{
	char body[] = "data";

	begin(serve_post);
	make_client();
	start((struct http_request_options){.method = "POST", .body = body, .body_len = 4});
	memset(body, 'x', sizeof(body));
	run_until_done();
	ck_assert_int_eq(f.status, 202);
	ck_assert_str_eq(f.body, "ok");
	end();
}
END_TEST

START_TEST(a_unix_socket_needs_no_host_and_no_proxy)
{
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	begin(NULL);
	forked_server_start_unix(&f.server, serve_hello);
	f.client_options.unix_socket = xstrdup(f.server.path);
	f.client_options.proxy.from_environment = true;
	make_client();
	start((struct http_request_options){0});
	run_until_done();
	ck_assert_int_eq(f.code, 0);
	ck_assert_str_eq(f.body, "hello");
	end();
}
END_TEST

static const struct {
	const char *name;
	forked_serve_fn serve;
	int64_t timeout_ms;
	int code;
	long status;
} failures[] = {
	{"closes at once", serve_nothing, 5000, -ECONNRESET, 0},
	{"resets within the body", serve_reset, 5000, -ECONNRESET, 200},
	{"closes before Content-Length", serve_short, 5000, -ECONNRESET, 200},
	{"closes within chunks", serve_short_chunks, 5000, -ECONNRESET, 200},
	{"hangs", serve_hang, 200, -ETIMEDOUT, 0},
	{"is no HTTP server", serve_garbage, 5000, -EPROTO, 0},
	{"sends endless headers", serve_huge_headers, 5000, -EPROTO, 0},
	{"sends more than max_body", serve_long, 5000, -EFBIG, 200},
	{"sends a long error page", serve_long_error, 5000, 0, 500},
};

START_TEST(a_server_that_misbehaves_has_its_code)
{
	ask(failures[_i].serve,
		(struct http_request_options){.timeout_ns = failures[_i].timeout_ms * NSEC_PER_MSEC,
			.max_body = 1000});
	ck_assert_msg(f.code == failures[_i].code, "%s: code %d (%s)", failures[_i].name, f.code,
		f.message);
	ck_assert_int_eq(f.status, failures[_i].status);
	if (f.code == -EFBIG)
		ck_assert_str_eq(f.message, "the answer is larger than 1000 bytes");
	else if (f.code)
		ck_assert_str_ne(f.message, "");
	else
		ck_assert_uint_eq(strlen(f.body), 1000);
	end();
}
END_TEST

START_TEST(nobody_listening_is_refused)
{
	begin(NULL);
	make_client();
	snprintf(f.server.url, sizeof(f.server.url), "http://user:secret@127.0.0.1:1");
	start((struct http_request_options){0});
	run_until_done();
	ck_assert_int_eq(f.code, -ECONNREFUSED);
	ck_assert_str_eq(f.message, "Connection refused");
	end();
}
END_TEST

START_TEST(a_missing_unix_socket_is_enoent)
{
	begin(NULL);
	f.client_options.unix_socket = xstrdup("/nowhere/docker.sock");
	make_client();
	snprintf(f.server.url, sizeof(f.server.url), "http://docker");
	start((struct http_request_options){0});
	run_until_done();
	ck_assert_int_eq(f.code, -ENOENT);
	ck_assert_str_eq(f.message, "No such file or directory");
	end();
}
END_TEST

START_TEST(an_unknown_name_is_unreachable)
{
	begin(NULL);
	make_client();
	snprintf(f.server.url, sizeof(f.server.url), "http://no-such-host.invalid");
	start((struct http_request_options){.timeout_ns = 5 * NSEC_PER_SEC});
	run_until_done();
	ck_assert_msg(f.code == -EHOSTUNREACH || f.code == -ETIMEDOUT, "%s", f.message);
	end();
}
END_TEST

static int take(void *ctx, const char *data, size_t len)
{
	(void)ctx;
	(void)data;
	f.pieces++;
	f.received += len;
	return 0;
}

static int refuse(void *ctx, const char *data, size_t len)
{
	take(ctx, data, len);
	return -EBADMSG;
}

static int cancel_within(void *ctx, const char *data, size_t len)
{
	take(ctx, data, len);
	http_request_cancel(f.request);
	http_request_cancel(f.other);
	f.request = f.other = NULL;
	return 0;
}

static int free_client_within(void *ctx, const char *data, size_t len)
{
	take(ctx, data, len);
	http_client_free(f.client);
	f.client = NULL;
	return 0;
}

/* A chunk each 5 ms, for ever. */
static void serve_endless(int fd, int connection)
{
	char request[8192];

	(void)connection;
	if (!forked_server_read(fd, request, sizeof(request)))
		return;
	forked_server_say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < 2000; i++) {
		if (send(fd, "5\r\nhello\r\n", 10, MSG_NOSIGNAL) < 0)
			return;
		usleep(5000);
	}
}

START_TEST(an_endless_stream_is_handed_on_piece_by_piece)
{
	begin(serve_endless);
	make_client();
	start((struct http_request_options){.on_data = take, .on_headers = on_headers});
	run_for(300 * NSEC_PER_MSEC);
	ck_assert_int_ge(f.pieces, 10);
	ck_assert_int_eq(f.headers_calls, 1);
	ck_assert(!f.done);
	http_request_cancel(f.request);
	int pieces = f.pieces;

	run_for(50 * NSEC_PER_MSEC);
	ck_assert_int_eq(f.pieces, pieces);
	ck_assert(!f.done);
	end();
}
END_TEST

START_TEST(on_data_can_end_the_request)
{
	ask(serve_endless, (struct http_request_options){.on_data = refuse});
	ck_assert_int_eq(f.code, -EBADMSG);
	ck_assert_int_eq(f.pieces, 1);
	end();
}
END_TEST

START_TEST(requests_can_be_cancelled_from_the_data_of_one)
{
	begin(serve_endless);
	make_client();
	start((struct http_request_options){.on_data = cancel_within});
	struct http_request *first = f.request;

	start((struct http_request_options){.on_data = take});
	f.other = f.request;
	f.request = first;
	run_for(200 * NSEC_PER_MSEC);
	ck_assert_int_eq(f.pieces, 1);
	ck_assert(!f.done);
	end();
}
END_TEST

START_TEST(a_client_can_be_freed_from_its_own_data)
{
	begin(serve_endless);
	make_client();
	start((struct http_request_options){.on_data = free_client_within});
	run_for(200 * NSEC_PER_MSEC);
	ck_assert_int_eq(f.pieces, 1);
	ck_assert(!f.done);
	end();
}
END_TEST

static void start_again(void *ctx, const struct http_result *r)
{
	on_done(ctx, r);
	http_request_cancel(f.request); /* harmless: it is the one that ends */
	if (f.done_calls < 3)
		start((struct http_request_options){.on_done = start_again});
}

START_TEST(a_request_can_be_started_from_the_end_of_another)
{
	begin(serve_hello);
	make_client();
	start((struct http_request_options){.on_done = start_again});
	for (int i = 0; i < 500 && f.done_calls < 3; i++)
		ck_assert_int_eq(loop_turn(f.loop, 20 * NSEC_PER_MSEC), 0);
	ck_assert_int_eq(f.done_calls, 3);
	ck_assert_int_eq(f.code, 0);
	end();
}
END_TEST

static void free_client_at_end(void *ctx, const struct http_result *r)
{
	on_done(ctx, r);
	http_client_free(f.client);
	f.client = NULL;
}

START_TEST(a_client_can_be_freed_from_the_end_of_its_request)
{
	ask(serve_hello, (struct http_request_options){.on_done = free_client_at_end});
	ck_assert_str_eq(f.body, "hello");
	end();
}
END_TEST

START_TEST(a_freed_client_calls_nobody_back)
{
	begin(serve_hang);
	make_client();
	start((struct http_request_options){0});
	run_for(50 * NSEC_PER_MSEC);
	http_client_free(f.client);
	f.client = NULL;
	run_for(50 * NSEC_PER_MSEC);
	ck_assert(!f.done);
	end();
}
END_TEST

static void serve_redirect(int fd, int connection)
{
	char request[8192];

	if (!forked_server_read(fd, request, sizeof(request)))
		return;
	if (connection == 0)
		forked_server_say(fd,
			"HTTP/1.1 302 Go\r\nLocation: /there\r\nContent-Length: 0\r\n"
			"Connection: close\r\n\r\n");
	else if (strstr(request, "GET /there "))
		forked_server_say(fd, "HTTP/1.0 200 OK\r\n\r\nthere");
	else
		forked_server_say(fd, "HTTP/1.0 500 No\r\n\r\n");
}

START_TEST(a_redirect_is_followed_and_told_once)
{
	ask(serve_redirect, (struct http_request_options){.on_headers = on_headers});
	ck_assert_int_eq(f.status, 200);
	ck_assert_str_eq(f.body, "there");
	ck_assert_int_eq(f.headers_calls, 1);
	ck_assert_int_eq(f.header_status, 200);
	end();
}
END_TEST

static void serve_scheme_change(int fd, int connection)
{
	char request[8192];

	(void)connection;
	if (forked_server_read(fd, request, sizeof(request)))
		forked_server_say(fd,
			"HTTP/1.1 302 Go\r\nLocation: https://127.0.0.1:1/\r\n"
			"Content-Length: 0\r\n\r\n");
}

START_TEST(a_redirect_to_another_scheme_is_an_error)
{
	ask(serve_scheme_change, (struct http_request_options){0});
	ck_assert_int_eq(f.code, -EPROTO);
	end();
}
END_TEST

static const char *const bad_urls[] = {"file:///etc/passwd", "ftp://host/", "localhost:4040", "",
	"http://", "http://a b/"};

START_TEST(only_http_urls_are_taken)
{
	struct error err = {0};

	begin(NULL);
	make_client();
	struct http_request_options o = {.url = bad_urls[_i], .on_done = on_done};

	ck_assert_int_eq(http_request_start(f.client, &o, NULL, &err), -EINVAL);
	end();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("http");
	TCase *tcase = tcase_create("http");
	SRunner *runner = srunner_create(suite);

	tcase_set_timeout(tcase, UNIT_TIMEOUT_S);
	tcase_add_test(tcase, an_answer_arrives_whole);
	tcase_add_test(tcase, a_request_carries_headers_and_basic_auth);
	tcase_add_test(tcase, a_secret_file_is_read_for_each_request);
	tcase_add_test(tcase, a_body_is_posted_from_a_copy);
	tcase_add_test(tcase, a_unix_socket_needs_no_host_and_no_proxy);
	tcase_add_loop_test(tcase, a_server_that_misbehaves_has_its_code, 0,
		(int)ARRAY_SIZE(failures));
	tcase_add_test(tcase, nobody_listening_is_refused);
	tcase_add_test(tcase, a_missing_unix_socket_is_enoent);
	tcase_add_test(tcase, an_unknown_name_is_unreachable);
	tcase_add_test(tcase, an_endless_stream_is_handed_on_piece_by_piece);
	tcase_add_test(tcase, on_data_can_end_the_request);
	tcase_add_test(tcase, requests_can_be_cancelled_from_the_data_of_one);
	tcase_add_test(tcase, a_client_can_be_freed_from_its_own_data);
	tcase_add_test(tcase, a_request_can_be_started_from_the_end_of_another);
	tcase_add_test(tcase, a_client_can_be_freed_from_the_end_of_its_request);
	tcase_add_test(tcase, a_freed_client_calls_nobody_back);
	tcase_add_test(tcase, a_redirect_is_followed_and_told_once);
	tcase_add_test(tcase, a_redirect_to_another_scheme_is_an_error);
	tcase_add_loop_test(tcase, only_http_urls_are_taken, 0, (int)ARRAY_SIZE(bad_urls));
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
