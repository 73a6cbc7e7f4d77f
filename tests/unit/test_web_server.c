// SPDX-License-Identifier: Apache-2.0
#include "unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "unit/temp_dir.h"
#include "web/server.h"

#define LARGE ((size_t)3 << 20)
#define VAST  ((size_t)16 << 20) /* more than the kernel takes in between */

static int64_t skipped_ns; /* the clock is ahead by it */

/* In place of the C library's. */
int clock_gettime(clockid_t id, struct timespec *ret)
{
	int r = (int)syscall(SYS_clock_gettime, id, ret);

	if (id == CLOCK_MONOTONIC)
		ret->tv_sec += skipped_ns / NSEC_PER_SEC;
	return r;
}

static struct loop *loop;
static struct web *web;
static struct web_exchange *waiting;
static unsigned served, went_away;

static void on_gone(void *ctx)
{
	(void)ctx;
	went_away++;
	waiting = NULL;
}

static void on_request(void *ctx, struct web_exchange *x, const struct web_request *r)
{
	struct strbuf body = STRBUF_INIT;

	(void)ctx;
	served++;
	if (strcmp(r->path, "/later") == 0) {
		waiting = x;
		web_wait(x, on_gone, NULL);
		return;
	}
	if (strcmp(r->path, "/large") == 0 || strcmp(r->path, "/vast") == 0) {
		size_t len = r->path[1] == 'l' ? LARGE : VAST;

		strbuf_grow(&body, len);
		memset(body.buf, 'x', len);
		strbuf_set_len(&body, len);
	} else {
		strbuf_addf(&body, "you asked for %s", r->path);
	}
	web_respond(x, &(struct web_response){.body = &body});
}

static const struct web_ops ops = {.request = on_request};

static void listen_at(const char *address)
{
	struct error err = {0};
	int r = web_new(loop, &(struct web_options){.address = address}, &ops, NULL, &web, &err);

	ck_assert_msg(r == 0, "%s", err.message);
}

static void setup(void)
{
	ck_assert_int_eq(loop_new(&loop), 0);
	listen_at("127.0.0.1:0");
}

static void teardown(void)
{
	web_free(web);
	loop_free(loop);
}

static int dial(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(strrchr(web_address(web), ':') + 1)),
		.sin_addr = {htonl(INADDR_LOOPBACK)}};

	int small = 4096; /* what is not taken stays with the server */

	ck_assert_int_ge(fd, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void turn(unsigned ms)
{
	int64_t until = clock_monotonic_ns() + ms * NSEC_PER_MSEC;

	do
		ck_assert_int_eq(loop_turn(loop, NSEC_PER_MSEC), 0);
	while (clock_monotonic_ns() < until);
}

/* Turns the loop until `part` was answered, or the connection ended. */
static char *hear(int fd, const char *part)
{
	static char text[16384];
	size_t len = 0;
	ssize_t n = -1;

	text[0] = '\0';
	for (int i = 0; i < 2000 && n != 0 && !strstr(text, part); i++) {
		ck_assert_int_eq(loop_turn(loop, NSEC_PER_MSEC), 0);
		n = recv(fd, text + len, sizeof(text) - 1 - len, MSG_DONTWAIT);
		len += n > 0 ? (size_t)n : 0;
		text[len] = '\0';
		if (n < 0 && errno != EAGAIN)
			break;
	}
	return text;
}

static bool ended(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_DONTWAIT | MSG_PEEK) == 0 || errno == ECONNRESET;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"

START_TEST(one_connection_asks_many_times)
{
	int fd = dial();

	say(fd, GET("/one"));
	char *answer = hear(fd, "/one");

	ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 200 OK\r\n"));
	ck_assert_ptr_nonnull(strstr(answer, "X-Content-Type-Options: nosniff\r\n"));
	say(fd, GET("/two") GET("/three"));
	ck_assert_ptr_nonnull(strstr(hear(fd, "/three"), "/two"));
	say(fd, "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	ck_assert_ptr_nonnull(strstr(hear(fd, "never"), "Connection: close\r\n"));
	ck_assert_uint_eq(served, 4);
	close(fd);
}
END_TEST

START_TEST(a_request_may_come_byte_by_byte)
{
	int fd = dial();

	for (const char *c = GET("/bytes"); *c; c++) {
		char text[2] = {*c, '\0'};

		say(fd, text);
		turn(0);
	}
	ck_assert_ptr_nonnull(strstr(hear(fd, "/bytes"), "200 OK"));
	close(fd);
}
END_TEST

START_TEST(a_head_is_answered_without_a_body)
{
	int fd = dial();

	say(fd, "HEAD /x HTTP/1.1\r\nHost: localhost\r\n\r\n" GET("/y"));
	char *answer = hear(fd, "/y");

	ck_assert_ptr_nonnull(strstr(answer, "Content-Length: 16\r\n"));
	ck_assert_ptr_null(strstr(answer, "/x"));
	close(fd);
}
END_TEST

START_TEST(a_small_body_is_skipped_a_large_one_refused)
{
	int fd = dial();

	say(fd, "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe");
	turn(5);
	ck_assert_uint_eq(served, 0);
	say(fd, "llo" GET("/next"));
	ck_assert_ptr_nonnull(strstr(hear(fd, "/next"), "/p"));
	say(fd, "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n");
	ck_assert_ptr_nonnull(strstr(hear(fd, "never"), "HTTP/1.1 413"));
	close(fd);
}
END_TEST

START_TEST(strangers_are_refused)
{
	int fd = dial();

	say(fd, "GET / HTTP/1.1\r\nHost: evil.com\r\n\r\n");
	ck_assert_ptr_nonnull(strstr(hear(fd, "never"), "HTTP/1.1 403"));
	close(fd);
	fd = dial();
	say(fd, "GET / HTTP/1.1\r\nHost: a\r\nOrigin: http://evil.com\r\n\r\n");
	ck_assert_ptr_nonnull(strstr(hear(fd, "never"), "HTTP/1.1 403"));
	close(fd);
	ck_assert_uint_eq(served, 0);
	ck_assert_uint_eq(web_counts(web)->refused, 2);
}
END_TEST

START_TEST(a_head_without_end_is_cut_off)
{
	int fd = dial();
	char line[1025];

	memset(line, 'a', 1024);
	line[1024] = '\0';
	for (int i = 0; i < 9; i++) {
		say(fd, line);
		turn(2);
	}
	ck_assert_ptr_nonnull(strstr(hear(fd, "never"), "HTTP/1.1 431"));
	close(fd);
}
END_TEST

START_TEST(two_hundred_slow_clients_leave_room)
{
	int slow[200];

	for (int i = 0; i < 200; i++) {
		slow[i] = dial();
		say(slow[i], "GET / HTTP/1.1\r\nHost: localhost\r\n");
		turn(0);
	}
	turn(20);
	ck_assert_uint_eq(web_counts(web)->connections, WEB_MAX_CONNECTIONS);
	int64_t start = clock_monotonic_ns();
	int fd = dial();

	say(fd, GET("/quick"));
	ck_assert_ptr_nonnull(strstr(hear(fd, "/quick"), "200 OK"));
	ck_assert_int_lt(clock_monotonic_ns() - start, NSEC_PER_SEC / 2);
	ck_assert_uint_ge(web_counts(web)->evicted, 137);
	for (int i = 0; i < 200; i++)
		close(slow[i]);
	close(fd);
}
END_TEST

START_TEST(a_slow_request_ends_in_time)
{
	int fd = dial();

	say(fd, "GET / HTTP/1.1\r\n");
	turn((unsigned)(WEB_REQUEST_NS / NSEC_PER_MSEC) + 1200);
	ck_assert(ended(fd));
	ck_assert_uint_eq(web_counts(web)->connections, 0);
	close(fd);
}
END_TEST

START_TEST(answers_that_nobody_takes_are_bounded)
{
	int fds[8];

	for (int i = 0; i < 8; i++) {
		fds[i] = dial();
		say(fds[i], i ? GET("/large") : GET("/vast"));
		turn(5);
	}
	ck_assert_uint_eq(web_counts(web)->pending, VAST);
	ck_assert_uint_ge(web_counts(web)->refused, 7);
	int fd = dial();

	say(fd, GET("/small"));
	ck_assert_ptr_nonnull(strstr(hear(fd, "/small"), "200 OK"));
	close(fd);
	for (int i = 0; i < 8; i++)
		close(fds[i]);
	turn(20);
	ck_assert_uint_eq(web_counts(web)->connections, 0);
	ck_assert_uint_eq(web_counts(web)->pending, 0);
}
END_TEST

/* Takes that much of an answer, as far as there is so much. */
static size_t take(int fd, size_t bytes)
{
	static char text[65536];
	size_t len = 0;

	for (int idle = 0; len < bytes && idle < 100;) {
		ssize_t n = recv(fd, text, MIN(sizeof(text), bytes - len), MSG_DONTWAIT);

		ck_assert_int_eq(loop_turn(loop, NSEC_PER_MSEC), 0);
		idle = n > 0 ? 0 : idle + 1;
		len += n > 0 ? (size_t)n : 0;
		if (n == 0)
			break;
	}
	return len;
}

/* Takes a part of a large answer, and again after each of some pauses: how much that is in all. */
static size_t take_slowly(size_t bytes, unsigned pause_s, unsigned pauses)
{
	int fd = dial();
	size_t len;

	say(fd, GET("/vast"));
	len = take(fd, bytes);
	while (pauses--) {
		skipped_ns += pause_s * NSEC_PER_SEC;
		turn(2);
		len += take(fd, bytes);
	}
	close(fd);
	turn(10);
	ck_assert_uint_eq(web_counts(web)->pending, 0);
	return len;
}

START_TEST(a_large_answer_may_be_taken_slowly)
{
	/* 16 MiB may take 64 seconds more than the 20 for any. */
	ck_assert_uint_ge(take_slowly(VAST / 4, 15, 4), VAST);
	ck_assert_uint_eq(web_counts(web)->evicted, 0);
	ck_assert_uint_lt(take_slowly(VAST / 4, 21, 4), VAST);
	ck_assert_uint_eq(web_counts(web)->evicted, 1);
	ck_assert_uint_lt(take_slowly(VAST / 16, 15, 7), VAST);
	ck_assert_uint_eq(web_counts(web)->evicted, 2);
}
END_TEST

START_TEST(an_answer_may_come_later)
{
	int fd = dial();

	say(fd, GET("/later"));
	turn(10);
	ck_assert_ptr_nonnull(waiting);
	struct strbuf body = STRBUF_INIT;

	strbuf_add_str(&body, "at last");
	web_respond(waiting, &(struct web_response){.body = &body});
	ck_assert_ptr_nonnull(strstr(hear(fd, "never"), "at last"));
	ck_assert_uint_eq(went_away, 0);
	close(fd);
}
END_TEST

START_TEST(who_waits_for_an_answer_is_told_of_a_client_that_left)
{
	int fd = dial();

	say(fd, GET("/later"));
	turn(10);
	close(fd);
	turn(10);
	ck_assert_uint_eq(went_away, 1);
	fd = dial();
	say(fd, GET("/later"));
	turn(10);
	web_free(web);
	web = NULL;
	ck_assert_uint_eq(went_away, 2);
	close(fd);
}
END_TEST

START_TEST(an_address_in_use_is_said)
{
	struct error err = {0};
	struct web *second;
	struct web_options options = {.address = web_address(web)};

	ck_assert_int_eq(web_new(loop, &options, &ops, NULL, &second, &err), -EADDRINUSE);
	ck_assert_ptr_nonnull(strstr(err.message, web_address(web)));
	options.address = "nonsense";
	ck_assert_int_eq(web_new(loop, &options, &ops, NULL, &second, &err), -EINVAL);
}
END_TEST

START_TEST(a_unix_socket_is_its_owners)
{
	struct temp_dir directory;
	char address[512];
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	struct stat st;

	temp_dir_init(&directory);
	web_free(web);
	snprintf(address, sizeof(address), "unix:%s/s", directory.path);
	snprintf(to.sun_path, sizeof(to.sun_path), "%s/s", directory.path);
	/* Also over the socket that a killed agent left. */
	int stale = socket(AF_UNIX, SOCK_STREAM, 0);

	ck_assert_int_eq(bind(stale, (struct sockaddr *)&to, sizeof(to)), 0);
	close(stale);
	listen_at(address);
	ck_assert_int_eq(stat(to.sun_path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	say(fd, "GET /local HTTP/1.0\r\n\r\n");
	ck_assert_ptr_nonnull(strstr(hear(fd, "never"), "/local"));
	close(fd);
	web_free(web);
	web = NULL;
	ck_assert_int_lt(stat(to.sun_path, &st), 0);
	temp_dir_release(&directory);
}
END_TEST

START_TEST(a_socket_whose_owner_is_stopped_is_not_waited_for)
{
	struct temp_dir directory;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd cleanup_close = socket(AF_UNIX, SOCK_STREAM, 0);
	char address[512];
	struct web *other;
	struct error err = {0};

	temp_dir_init(&directory);
	snprintf(address, sizeof(address), "unix:%s/s", directory.path);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/s", directory.path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(listen(fd, 0), 0);
	/* It has room for one that waits: what comes then would wait for ever. */
	alarm(20);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(web_new(loop, &(struct web_options){.address = address}, &ops,
					 NULL, &other, &err),
			-EADDRINUSE);
	temp_dir_release(&directory);
}
END_TEST

UNIT_MAIN_FIXTURE("web_server", setup, teardown, one_connection_asks_many_times,
	a_request_may_come_byte_by_byte, a_head_is_answered_without_a_body,
	a_small_body_is_skipped_a_large_one_refused, strangers_are_refused,
	a_head_without_end_is_cut_off, two_hundred_slow_clients_leave_room,
	a_slow_request_ends_in_time, answers_that_nobody_takes_are_bounded,
	a_large_answer_may_be_taken_slowly, an_answer_may_come_later,
	who_waits_for_an_answer_is_told_of_a_client_that_left, an_address_in_use_is_said,
	a_unix_socket_is_its_owners, a_socket_whose_owner_is_stopped_is_not_waited_for)
