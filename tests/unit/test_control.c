// SPDX-License-Identifier: Apache-2.0
#include "unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent_control.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "commands.h"
#include "control.h"
#include "unit/temp_dir.h"

#define WAIT_NS (5 * NSEC_PER_SEC)
#define LONG    (3 << 20) /* more than a socket holds */

static struct temp_dir dir;
static struct loop *loop;
static struct control *control;
static char path[128];
static char asked[CONTROL_MAX_REQUEST + 1];

static int answer(void *ctx, const char *request, struct strbuf *out)
{
	(void)ctx;
	snprintf(asked, sizeof(asked), "%s", request);
	if (strcmp(request, "long") == 0) {
		strbuf_grow(out, LONG);
		memset(out->buf, 'x', LONG);
		strbuf_set_len(out, LONG);
		return 0;
	}
	strbuf_addf(out, "you said %s\n", request);
	return EXIT_FAILED;
}

static void setup(void)
{
	struct error err = {0};

	temp_dir_init(&dir);
	snprintf(path, sizeof(path), "%s/made/dockprof.sock", dir.path);
	ck_assert_int_eq(loop_new(&loop), 0);
	ck_assert_msg(control_new(loop, path, answer, NULL, &control, &err) == 0, "%s",
		err.message);
}

static void teardown(void)
{
	control_free(control);
	loop_free(loop);
	ck_assert_int_ne(access(path, F_OK), 0);
	temp_dir_release(&dir);
}

/* A client in a process of its own, while the loop turns here; its exit status. */
static int with_client(int (*client)(void))
{
	int64_t end = clock_monotonic_ns() + WAIT_NS;
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(client());
	while (waitpid(pid, &status, WNOHANG) == 0) {
		ck_assert_int_lt(clock_monotonic_ns(), end);
		ck_assert_int_eq(loop_turn(loop, 10 * NSEC_PER_MSEC), 0);
	}
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int asks(void)
{
	struct strbuf out cleanup_strbuf = STRBUF_INIT;
	int code = control_ask(path, "explain text web", &out, NULL);

	return code == EXIT_FAILED && strcmp(out.buf, "you said explain text web\n") == 0 ? 0 : 1;
}

START_TEST(a_request_gets_its_answer_and_exit_code)
{
	struct stat st;

	ck_assert_int_eq(with_client(asks), 0);
	ck_assert_str_eq(asked, "explain text web");
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
}
END_TEST

static int asks_long(void)
{
	struct strbuf out cleanup_strbuf = STRBUF_INIT;

	return control_ask(path, "long", &out, NULL) == 0 && out.len == LONG &&
			out.buf[LONG - 1] == 'x'
		? 0
		: 1;
}

START_TEST(a_long_answer_arrives_whole)
{
	ck_assert_int_eq(with_client(asks_long), 0);
}
END_TEST

static int connect_raw(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(addr.sun_path, path);
	return connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 ? fd : -1;
}

/* The other end closes without an answer. */
static int floods(void)
{
	static const char much[2 * CONTROL_MAX_REQUEST];
	int fd = connect_raw();
	char c;

	send(fd, much, sizeof(much), MSG_NOSIGNAL);
	return recv(fd, &c, 1, 0) <= 0 ? 0 : 1;
}

START_TEST(an_endless_request_is_ended)
{
	asked[0] = '\0';
	ck_assert_int_eq(with_client(floods), 0);
	ck_assert_str_eq(asked, "");
}
END_TEST

static int crowds(void)
{
	int fds[CONTROL_MAX_CLIENTS + 1];
	char c;

	for (int i = 0; i < CONTROL_MAX_CLIENTS + 1; i++)
		fds[i] = connect_raw();
	return recv(fds[CONTROL_MAX_CLIENTS], &c, 1, 0) == 0 ? 0 : 1;
}

START_TEST(no_more_than_some_at_once_and_then_again)
{
	ck_assert_int_eq(with_client(crowds), 0);
	/* Their ends may stand in the loop behind the listener, and so behind who comes next. */
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(loop_turn(loop, NSEC_PER_MSEC), 0);
	ck_assert_int_eq(with_client(asks), 0);
}
END_TEST

static int second(void)
{
	struct loop *other_loop;
	struct control *other;
	struct error err = {0};

	if (loop_new(&other_loop) < 0)
		return 2;
	return control_new(other_loop, path, answer, NULL, &other, &err) == -EADDRINUSE &&
			strstr(err.message, "another dockprof")
		? 0
		: 1;
}

START_TEST(a_second_agent_leaves_the_first_alone)
{
	ck_assert_int_eq(with_client(second), 0);
	ck_assert_int_eq(with_client(asks), 0);
}
END_TEST

START_TEST(one_that_answers_nobody_holds_up_nobody)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct control *other;
	struct error err = {0};

	snprintf(path, sizeof(path), "%s/stopped", dir.path);
	strcpy(addr.sun_path, path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(listen(fd, 0), 0);
	int64_t begin = clock_monotonic_ns();

	/* It has room for one that waits. */
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(control_new(loop, path, answer, NULL, &other, &err), -EADDRINUSE);
	ck_assert_int_lt(clock_monotonic_ns() - begin, 2 * NSEC_PER_SEC);
	close(fd);
	unlink(path);
}
END_TEST

START_TEST(an_agent_without_its_socket_tries_again)
{
	struct agent_control agent = {.loop = loop};

	agent_control_apply(&agent, path);
	ck_assert_ptr_null(agent.control);
	agent_control_retry(&agent);
	ck_assert_ptr_null(agent.control);
	control_free(steal_ptr(&control));
	ck_assert_int_eq(connect_raw(), -1);
	agent_control_retry(&agent);
	int fd cleanup_close = connect_raw();

	ck_assert_int_ge(fd, 0);
	agent_control_apply(&agent, "");
	agent_control_retry(&agent);
	ck_assert_ptr_null(agent.control);
	agent_control_release(&agent);
}
END_TEST

START_TEST(a_socket_that_was_removed_is_made_again)
{
	struct agent_control agent = {.loop = loop};
	struct error err = {0};

	control_free(steal_ptr(&control));
	agent_control_apply(&agent, path);
	ck_assert_int_eq(unlink(path), 0);
	agent_control_retry(&agent);
	int again cleanup_close = connect_raw();

	ck_assert_int_ge(again, 0);

	/* Another agent was faster: what stands there is that one's, also at the end of this one. */
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(control_new(loop, path, answer, NULL, &control, &err), 0);
	agent_control_retry(&agent);
	ck_assert_ptr_null(agent.control);
	agent_control_release(&agent);
	int other cleanup_close = connect_raw();

	ck_assert_int_ge(other, 0);
}
END_TEST

START_TEST(one_that_ends_leaves_the_socket_of_another)
{
	struct control *other;
	struct error err = {0};

	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(control_new(loop, path, answer, NULL, &other, &err), 0);
	control_free(control);
	control = other;
	int fd cleanup_close = connect_raw();

	ck_assert_int_ge(fd, 0);
}
END_TEST

START_TEST(a_socket_that_nobody_serves_is_replaced)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	char stale[160];
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct error err = {0};

	snprintf(stale, sizeof(stale), "%s/stale", dir.path);
	strcpy(addr.sun_path, stale);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	control_free(control);
	ck_assert_int_eq(control_new(loop, stale, answer, NULL, &control, &err), 0);
	temp_dir_write(&dir, "file", "x", 1);
	control_free(control);
	snprintf(stale, sizeof(stale), "%s/file", dir.path);
	ck_assert_int_lt(control_new(loop, stale, answer, NULL, &control, &err), 0);
	control = NULL;
}
END_TEST

START_TEST(nobody_there)
{
	struct strbuf out cleanup_strbuf = STRBUF_INIT;
	struct error err = {0};

	ck_assert_int_eq(control_ask("/nowhere/sock", "x", &out, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.message, "/nowhere/sock"));
	ck_assert_int_eq(control_ask(path, "two\nlines", &out, &err), -EINVAL);
}
END_TEST

START_TEST(without_descriptors_the_loop_rests)
{
	struct rlimit limit, none;
	int fd = connect_raw(), turns = 0;
	int64_t end = clock_monotonic_ns() + 100 * NSEC_PER_MSEC;
	char text[64];
	ssize_t n;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 3;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	for (; clock_monotonic_ns() < end; turns++)
		ck_assert_int_eq(loop_turn(loop, 20 * NSEC_PER_MSEC), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_le(turns, 10);
	ck_assert_int_eq(send(fd, "hello\n", 6, MSG_NOSIGNAL), 6);
	end = clock_monotonic_ns() + WAIT_NS;
	while ((n = recv(fd, text, sizeof(text), MSG_DONTWAIT)) < 0 && clock_monotonic_ns() < end)
		ck_assert_int_eq(loop_turn(loop, 10 * NSEC_PER_MSEC), 0);
	ck_assert_int_gt(n, 0);
	ck_assert_str_eq(asked, "hello");
	close(fd);
}
END_TEST

UNIT_MAIN_FIXTURE("control", setup, teardown, a_request_gets_its_answer_and_exit_code,
	a_long_answer_arrives_whole, an_endless_request_is_ended,
	no_more_than_some_at_once_and_then_again, a_second_agent_leaves_the_first_alone,
	one_that_answers_nobody_holds_up_nobody, an_agent_without_its_socket_tries_again,
	a_socket_that_was_removed_is_made_again, one_that_ends_leaves_the_socket_of_another,
	a_socket_that_nobody_serves_is_replaced, nobody_there, without_descriptors_the_loop_rests)
