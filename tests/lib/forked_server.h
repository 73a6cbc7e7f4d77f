// SPDX-License-Identifier: Apache-2.0
/*
 * A server in a child process, for tests of clients: plain sockets, so that it can also misbehave.
 * It accepts one connection after the other and gives each to `serve`, which talks and returns; then
 * the connection is closed. The child dies with the test.
 */
#ifndef TESTS_LIB_FORKED_SERVER_H
#define TESTS_LIB_FORKED_SERVER_H

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

struct forked_server {
	pid_t pid;
	int port;
	char url[64];
	char path[64]; /* of the unix socket */
};

typedef void (*forked_serve_fn)(int fd, int connection);

static inline void forked_server_run(struct forked_server *s, int listener, forked_serve_fn serve)
{
	s->pid = fork();
	ck_assert_int_ge(s->pid, 0);
	if (s->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, SIG_IGN);
		for (int i = 0;; i++) {
			int fd = accept(listener, NULL, NULL);

			if (fd < 0)
				_exit(1);
			serve(fd, i);
			close(fd);
		}
	}
	close(listener);
}

static inline void forked_server_start(struct forked_server *s, forked_serve_fn serve)
{
	struct sockaddr_in addr = {.sin_family = AF_INET};
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, len), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	ck_assert_int_eq(listen(fd, 16), 0);
	s->port = ntohs(addr.sin_port);
	snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%d", s->port);
	forked_server_run(s, fd, serve);
}

static inline void forked_server_start_unix(struct forked_server *s, forked_serve_fn serve)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(s->path, sizeof(s->path), "/tmp/dockprof-test-%d.sock", (int)getpid());
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", s->path);
	unlink(s->path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(listen(fd, 16), 0);
	snprintf(s->url, sizeof(s->url), "http://docker");
	forked_server_run(s, fd, serve);
}

static inline void forked_server_stop(struct forked_server *s)
{
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	if (s->path[0])
		unlink(s->path);
}

/* The request up to and with the empty line, as far as it fits; false where the peer closed. */
static inline bool forked_server_read(int fd, char *buf, size_t size)
{
	size_t len = 0;

	while (len < size - 1) {
		ssize_t n = read(fd, buf + len, size - 1 - len);

		if (n <= 0)
			return false;
		len += (size_t)n;
		buf[len] = '\0';
		if (strstr(buf, "\r\n\r\n"))
			return true;
	}
	return true;
}

static inline void forked_server_say(int fd, const char *text)
{
	size_t len = strlen(text);

	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n <= 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

/* Closes so that the peer sees a reset. */
static inline void forked_server_reset(int fd)
{
	struct linger linger = {.l_onoff = 1, .l_linger = 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	shutdown(fd, SHUT_RD);
}

#endif
