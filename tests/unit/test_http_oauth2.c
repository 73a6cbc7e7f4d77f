// SPDX-License-Identifier: Apache-2.0
/*
 * Tokens of OAuth 2.0: a server in a child process gives them under /token and wants them elsewhere. What
 * it is asked for a token, and what it answers, is in memory shared with the test.
 */
#include "unit/unit.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "http/http.h"
#include "lib/forked_server.h"
#include "unit/temp_dir.h"

#define SECRET "hunter2 & more"
#define ANSWER "HTTP/1.1 %d Status\r\nContent-Length: %zu\r\nConnection: close\r\n%s\r\n%s"

struct shared {
	_Atomic unsigned tokens, requests; /* asked for, made with or without one */
	unsigned accepted; /* the n-th token is the one that is good; 0: the last one */
	_Atomic bool held; /* no answer for a token yet */
	bool endless; /* the answer for a token */
	bool wants_form; /* credentials in the form only */
	int status; /* of the answer for a token; 0: 200 */
	const char *answer; /* instead of a token; "%u" is its number */
	char asked[4096], seen[4096];
};

static struct shared *shared;
static struct forked_server server;
static struct loop *loop;
static struct http *http;
static struct http_client_options options;
static struct http_client *client;
static int done, headers_told;
static int code;
static long status;
static char message[256], body[256];

static void answer(int fd, int code_, const char *headers, const char *text)
{
	char out[8192];

	snprintf(out, sizeof(out), ANSWER, code_, strlen(text), headers, text);
	forked_server_say(fd, out);
}

static bool read_whole(int fd, char *buf, size_t size)
{
	const char *length, *end;
	size_t len;

	if (!forked_server_read(fd, buf, size))
		return false;
	len = strlen(buf);
	end = strstr(buf, "\r\n\r\n") + 4;
	length = strcasestr(buf, "\r\nContent-Length:");
	size_t want = (size_t)(end - buf) + (length ? strtoul(length + 17, NULL, 10) : 0);

	while (len < want && len < size - 1) {
		ssize_t n = read(fd, buf + len, size - 1 - len);

		if (n <= 0)
			return false;
		len += (size_t)n;
		buf[len] = '\0';
	}
	return true;
}

static void say_without_end(int fd)
{
	static const char line[] =
		"                                                               \n";

	forked_server_say(fd, "HTTP/1.1 200 OK\r\n\r\n");
	while (write(fd, line, sizeof(line) - 1) > 0)
		;
}

static void serve_token(int fd, const char *request)
{
	char text[4096];
	unsigned n = ++shared->tokens;

	snprintf(shared->asked, sizeof(shared->asked), "%s", request);
	while (shared->held)
		usleep(1000);
	if (shared->endless) {
		say_without_end(fd);
		return;
	}
	if (shared->wants_form && !strstr(request, "client_secret=")) {
		answer(fd, 401, "", "{\"error\": \"invalid_client\"}");
		return;
	}
	snprintf(text, sizeof(text),
		shared->answer
			? shared->answer
			: "{\"access_token\": \"T%u\", \"token_type\": \"bearer\", \"expires_in\": 3600}",
		n);
	answer(fd, shared->status ? shared->status : 200,
		shared->status == 302 ? "Location: /elsewhere\r\n" : "", text);
}

static void serve(int fd, int connection)
{
	char request[4096], want[64];

	(void)connection;
	if (!read_whole(fd, request, sizeof(request)))
		return;
	if (!strncmp(request, "POST /token ", 12)) {
		serve_token(fd, request);
		return;
	}
	if (!strncmp(request, "POST /leave ", 12)) {
		char location[64];

		snprintf(location, sizeof(location), "Location: http://localhost:%d/push\r\n",
			server.port);
		answer(fd, 307, location, "");
		return;
	}
	shared->requests++;
	snprintf(shared->seen, sizeof(shared->seen), "%s", request);
	snprintf(want, sizeof(want), "Authorization: Bearer T%u\r\n",
		shared->accepted ? shared->accepted : shared->tokens);
	bool good = strstr(request, want);

	answer(fd, good ? 200 : 401, "", good ? "welcome" : "who are you?");
}

static void set_up(void)
{
	struct error err = {0};

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		0);
	ck_assert_ptr_ne(shared, MAP_FAILED);
	forked_server_start(&server, serve);
	ck_assert_int_eq(loop_new(&loop), 0);
	ck_assert_int_eq(http_new(loop, &http, &err), 0);
	http_client_options_init(&options);
	options.oauth2.token_url = xasprintf("%s/token", server.url);
	options.oauth2.client_id = xstrdup("me@home");
	options.oauth2.client_secret = xstrdup(SECRET);
}

static void tear_down(void)
{
	http_client_free(client);
	http_client_options_release(&options);
	http_free(http);
	loop_free(loop);
	forked_server_stop(&server);
	munmap(shared, sizeof(*shared));
}

static void make_client(void)
{
	struct error err = {0};

	ck_assert_msg(http_client_new(http, &options, &client, &err) == 0, "%s", err.message);
}

static void on_done(void *ctx, const struct http_result *r)
{
	(void)ctx;
	done++;
	code = r->code;
	status = r->status;
	snprintf(message, sizeof(message), "%s", r->message);
	snprintf(body, sizeof(body), "%s", r->body);
}

static void on_headers(void *ctx, long status_)
{
	(void)ctx;
	(void)status_;
	headers_told++;
}

static struct http_request *start(const char *path)
{
	char *url = xasprintf("%s%s", server.url, path);
	struct http_request *request;
	struct error err = {0};
	const struct http_request_options o = {
		.method = "POST",
		.url = url,
		.body = "profile",
		.body_len = 7,
		.on_headers = on_headers,
		.on_done = on_done,
	};

	ck_assert_msg(http_request_start(client, &o, &request, &err) == 0, "%s", err.message);
	free(url);
	return request;
}

static void run_until(int count)
{
	int64_t limit = clock_monotonic_ns() + 20 * NSEC_PER_SEC;

	while (done < count && clock_monotonic_ns() < limit)
		ck_assert_int_eq(loop_turn(loop, 100 * NSEC_PER_MSEC), 0);
	ck_assert_msg(done == count, "%d of %d answers within 20 s", done, count);
}

static void ask(void)
{
	start("/push");
	run_until(done + 1);
}

static void assert_welcome(void)
{
	ck_assert_msg(code == 0 && status == 200, "%d %ld %s", code, status, message);
	ck_assert_str_eq(body, "welcome");
	ck_assert_ptr_nonnull(strstr(shared->seen, "\r\n\r\nprofile"));
}

START_TEST(one_token_serves_all_requests)
{
	make_client();
	for (int i = 0; i < 5; i++)
		start("/push");
	run_until(5);
	ask();
	assert_welcome();
	ck_assert_uint_eq(shared->tokens, 1);
	ck_assert_uint_eq(shared->requests, 6);
}
END_TEST

START_TEST(the_request_for_a_token_is_as_the_rfc_says)
{
	options.oauth2.scopes = xcalloc(2, sizeof(char *));
	options.oauth2.scopes[0] = xstrdup("read");
	options.oauth2.scopes[1] = xstrdup("write");
	options.oauth2.scope_count = 2;
	options.oauth2.params = xcalloc(1, sizeof(options.oauth2.params[0]));
	options.oauth2.params[0].name = xstrdup("audience");
	options.oauth2.params[0].value = xstrdup("a&b");
	options.oauth2.param_count = 1;
	make_client();
	ask();
	assert_welcome();
	/* me%40home:hunter2%20%26%20more */
	ck_assert_ptr_nonnull(strstr(shared->asked,
		"Authorization: Basic bWUlNDBob21lOmh1bnRlcjIlMjAlMjYlMjBtb3Jl\r\n"));
	ck_assert_ptr_nonnull(
		strstr(shared->asked, "Content-Type: application/x-www-form-urlencoded\r\n"));
	ck_assert_ptr_nonnull(strstr(shared->asked,
		"\r\n\r\naudience=a%26b&grant_type=client_credentials&scope=read%20write"));
	ck_assert_ptr_null(strstr(shared->asked, "client_secret"));
}
END_TEST

START_TEST(a_token_is_renewed_before_it_expires)
{
	shared->answer = "{\"access_token\": \"T%u\", \"expires_in\": \"2\"}";
	make_client();
	ask();
	int64_t end = clock_monotonic_ns() + 1100 * NSEC_PER_MSEC;

	while (clock_monotonic_ns() < end)
		ck_assert_int_eq(loop_turn(loop, 100 * NSEC_PER_MSEC), 0);
	ask();
	assert_welcome();
	ck_assert_uint_eq(shared->tokens, 2);
	ck_assert_uint_eq(shared->requests, 2);
}
END_TEST

START_TEST(a_refused_token_is_renewed_once)
{
	shared->accepted = 2;
	make_client();
	ask();
	assert_welcome();
	ck_assert_uint_eq(shared->tokens, 2);
	ck_assert_uint_eq(shared->requests, 2);
	ck_assert_int_eq(headers_told, 1);

	shared->accepted = 9;
	ask();
	ck_assert_int_eq(code, 0);
	ck_assert_int_eq(status, 401);
	ck_assert_str_eq(body, "who are you?");
	ck_assert_uint_eq(shared->tokens, 3);
	ck_assert_uint_eq(shared->requests, 4);
}
END_TEST

START_TEST(many_refusals_of_one_token_ask_for_one)
{
	shared->accepted = 2;
	make_client();
	for (int i = 0; i < 4; i++)
		start("/push");
	run_until(4);
	assert_welcome();
	ck_assert_uint_eq(shared->tokens, 2);
}
END_TEST

START_TEST(a_server_may_want_the_credentials_in_the_form)
{
	shared->wants_form = true;
	shared->accepted = 2;
	make_client();
	ask();
	assert_welcome();
	ck_assert_ptr_nonnull(
		strstr(shared->asked, "client_id=me%40home&client_secret=hunter2%20%26%20more"));
	ck_assert_ptr_null(strstr(shared->asked, "Authorization"));
	shared->accepted = 3;
	ask();
	assert_welcome();
	ck_assert_uint_eq(shared->tokens, 3);
}
END_TEST

START_TEST(a_secret_file_is_read_for_each_token)
{
	struct temp_dir dir;

	temp_dir_init(&dir);
	free_secret(options.oauth2.client_secret);
	options.oauth2.client_secret = NULL;
	options.oauth2.client_secret_file = xasprintf("%s/secret", dir.path);
	shared->wants_form = true;
	make_client();
	ask();
	ck_assert_int_eq(code, -ENOENT);
	ck_assert_msg(!strncmp(message, "oauth2: cannot read ", 20), "%s", message);

	temp_dir_write(&dir, "secret", "sesame\n", 7);
	ask();
	assert_welcome();
	ck_assert_ptr_nonnull(strstr(shared->asked, "client_secret=sesame"));
	temp_dir_release(&dir);
}
END_TEST

struct refusal {
	int status;
	const char *answer, *want;
	int code;
};

static const struct refusal refusals[] = {
	{400, "{\"error\": \"invalid_scope\", \"error_description\": \"no such\\nthing\"}",
		"HTTP 400: invalid_scope: no such\\nthing", -EACCES},
	{401, "{\"error\": \"invalid_client\", \"error_description\": \"" SECRET " is wrong\"}",
		"HTTP 401", -EACCES},
	{503, "busy", "HTTP 503", -EACCES},
	{302, "", "HTTP 302; token_url redirects, which is not followed: name the right one",
		-EACCES},
	{200, "<html>", "the answer is no JSON", -EBADMSG},
	{200, "{\"token\": \"x\"}", "the answer has no access_token", -EBADMSG},
	{200, "{\"access_token\": {\"access_token\": \"x\"}}", "the answer has no access_token",
		-EBADMSG},
	{200, "{\"access_token\": \"x\", \"token_type\": \"mac\"}",
		"the token is of another type than Bearer", -EBADMSG},
	{200, "{\"access_token\": \"x\\r\\nX-Evil: 1\"}", "the token cannot be sent in a header",
		-EBADMSG},
	{200, "{\"access_token\": \"\"}", "the token cannot be sent in a header", -EBADMSG},
};

START_TEST(without_a_token_the_reason_is_told)
{
	const struct refusal *r = &refusals[_i];
	char want[256];

	shared->status = r->status;
	shared->answer = r->answer;
	make_client();
	start("/push");
	start("/push");
	run_until(2);
	snprintf(want, sizeof(want), "oauth2: no token from %s/token: %s", server.url, r->want);
	ck_assert_str_eq(message, want);
	ck_assert_int_eq(code, r->code);
	ck_assert_uint_eq(shared->requests, 0);
	ck_assert_ptr_null(strstr(message, "hunter2"));

	shared->status = 200; /* and then there is one */
	shared->answer = NULL;
	ask();
	assert_welcome();
}
END_TEST

START_TEST(a_redirect_to_another_host_takes_no_token_along)
{
	make_client();
	start("/leave");
	run_until(1);
	ck_assert_int_eq(status, 401);
	ck_assert_ptr_nonnull(strstr(shared->seen, "POST /push "));
	ck_assert_ptr_null(strcasestr(shared->seen, "authorization"));
}
END_TEST

START_TEST(nobody_to_give_a_token_is_told)
{
	free(options.oauth2.token_url);
	options.oauth2.token_url = xstrdup("http://127.0.0.1:1/token");
	make_client();
	ask();
	ck_assert_int_eq(code, -ECONNREFUSED);
	ck_assert_str_eq(message,
		"oauth2: no token from http://127.0.0.1:1/token: Connection refused");
}
END_TEST

START_TEST(an_answer_without_end_is_cut_off)
{
	shared->endless = true;
	make_client();
	ask();
	ck_assert_int_eq(code, -EFBIG);
	ck_assert_msg(strstr(message, "larger than 65536 bytes"), "%s", message);
}
END_TEST

START_TEST(waiting_requests_can_be_cancelled)
{
	shared->held = true;
	make_client();
	struct http_request *first = start("/push");

	while (!shared->tokens)
		ck_assert_int_eq(loop_turn(loop, 10 * NSEC_PER_MSEC), 0);
	start("/push");
	http_request_cancel(first);
	shared->held = false;
	run_until(1);
	assert_welcome();
	ck_assert_uint_eq(shared->requests, 1);
}
END_TEST

START_TEST(a_client_can_be_freed_while_it_waits)
{
	shared->held = true;
	make_client();
	start("/push");
	while (!shared->tokens)
		ck_assert_int_eq(loop_turn(loop, 10 * NSEC_PER_MSEC), 0);
	http_client_free(client);
	client = NULL;
	shared->held = false;
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(loop_turn(loop, 10 * NSEC_PER_MSEC), 0);
	ck_assert_int_eq(done, 0);
}
END_TEST

static void free_client(void *ctx, const struct http_result *r)
{
	on_done(ctx, r);
	http_client_free(client);
	client = NULL;
}

START_TEST(a_client_can_be_freed_when_there_is_no_token)
{
	struct error err = {0};
	struct http_request_options o = {.url = server.url, .on_done = free_client};

	shared->answer = "no";
	make_client();
	ck_assert_int_eq(http_request_start(client, &o, NULL, &err), 0);
	ck_assert_int_eq(http_request_start(client, &o, NULL, &err), 0);
	run_until(1);
	ck_assert_int_eq(code, -EBADMSG);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {one_token_serves_all_requests,
		the_request_for_a_token_is_as_the_rfc_says, a_token_is_renewed_before_it_expires,
		a_refused_token_is_renewed_once, many_refusals_of_one_token_ask_for_one,
		a_server_may_want_the_credentials_in_the_form, a_secret_file_is_read_for_each_token,
		a_redirect_to_another_host_takes_no_token_along, nobody_to_give_a_token_is_told,
		an_answer_without_end_is_cut_off, waiting_requests_can_be_cancelled,
		a_client_can_be_freed_while_it_waits, a_client_can_be_freed_when_there_is_no_token};
	TCase *tcase = tcase_create("http_oauth2");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		tcase_add_test(tcase, tests[i]);
	tcase_add_loop_test(tcase, without_a_token_the_reason_is_told, 0,
		(int)ARRAY_SIZE(refusals));
	return unit_run("http_oauth2", tcase);
}
