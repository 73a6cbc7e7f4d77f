// SPDX-License-Identifier: Apache-2.0
/* Servers that do what servers should not, for forked_server_start(). */
#ifndef TESTS_LIB_BAD_SERVERS_H
#define TESTS_LIB_BAD_SERVERS_H

#include "lib/forked_server.h"

static inline void serve_nothing(int fd, int connection)
{
	(void)fd;
	(void)connection;
}

static inline void serve_reset(int fd, int connection)
{
	char request[8192];

	(void)connection;
	if (!forked_server_read(fd, request, sizeof(request)))
		return;
	forked_server_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
	usleep(20000);
	forked_server_reset(fd);
}

static inline void serve_short(int fd, int connection)
{
	char request[8192];

	(void)connection;
	if (forked_server_read(fd, request, sizeof(request)))
		forked_server_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf");
}

static inline void serve_short_chunks(int fd, int connection)
{
	char request[8192];

	(void)connection;
	if (forked_server_read(fd, request, sizeof(request)))
		forked_server_say(fd,
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
}

static inline void serve_hang(int fd, int connection)
{
	char request[8192];

	(void)connection;
	while (read(fd, request, sizeof(request)) > 0)
		continue;
}

static inline void serve_garbage(int fd, int connection)
{
	char request[8192];

	(void)connection;
	if (forked_server_read(fd, request, sizeof(request)))
		forked_server_say(fd, "SSH-2.0-OpenSSH_9.2\r\n\r\n");
}

static inline void serve_huge_headers(int fd, int connection)
{
	char request[8192];

	(void)connection;
	if (!forked_server_read(fd, request, sizeof(request)))
		return;
	forked_server_say(fd, "HTTP/1.1 200 OK\r\n");
	for (int i = 0; i < 100000; i++)
		forked_server_say(fd,
			"X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
}

static inline void serve_long_error(int fd, int connection)
{
	char request[8192];

	(void)connection;
	if (!forked_server_read(fd, request, sizeof(request)))
		return;
	forked_server_say(fd, "HTTP/1.1 500 No\r\n\r\n");
	for (int i = 0; i < 1000; i++)
		forked_server_say(fd, "0123456789");
}

static inline void serve_long(int fd, int connection)
{
	char request[8192];

	(void)connection;
	if (!forked_server_read(fd, request, sizeof(request)))
		return;
	forked_server_say(fd, "HTTP/1.1 200 OK\r\n\r\n");
	for (int i = 0; i < 1000; i++)
		forked_server_say(fd, "0123456789");
}

#endif
