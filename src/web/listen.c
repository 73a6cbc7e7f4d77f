// SPDX-License-Identifier: Apache-2.0
#include "web/listen.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"

#define BACKLOG 64

static int fail(int code, const char *address, struct error *err)
{
	return error_set_errno(err, code, "cannot listen on %s", address);
}

/* A socket file that refuses is of a process that is gone; one with a full queue is not waited for. */
static void remove_stale(const struct sockaddr_un *address)
{
	int fd cleanup_close = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct stat st;

	if (fd < 0 || lstat(address->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
		errno == ECONNREFUSED)
		unlink(address->sun_path);
}

static int listen_unix(const char *address, char *name, struct error *err)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	const char *path = address + strlen("unix:");
	int fd cleanup_close = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return fail(-errno, address, err);
	if (*path != '/' || strlen(path) >= sizeof(un.sun_path))
		return fail(-EINVAL, address, err);
	memcpy(un.sun_path, path, strlen(path) + 1);
	remove_stale(&un);
	mode_t old = umask(0177);
	int r = bind(fd, (struct sockaddr *)&un, sizeof(un)) < 0 ? -errno : 0;

	umask(old);
	if (r == 0 && listen(fd, BACKLOG) < 0)
		r = -errno;
	if (r < 0)
		return fail(r, address, err);
	snprintf(name, LISTEN_NAME_MAX, "unix:%s", path);
	return steal_fd(&fd);
}

static void write_name(int fd, char *name)
{
	struct sockaddr_storage bound;
	socklen_t len = sizeof(bound);
	char host[128] = "", port[16] = "";

	if (getsockname(fd, (struct sockaddr *)&bound, &len) == 0)
		getnameinfo((struct sockaddr *)&bound, len, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(name, LISTEN_NAME_MAX, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

static int listen_at(const struct addrinfo *at)
{
	int fd cleanup_close = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1, zero = 0;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (at->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (bind(fd, at->ai_addr, at->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	return steal_fd(&fd);
}

/* "[::1]:4041" -> "::1" and "4041" */
static int split(const char *address, char **ret_host, const char **ret_port)
{
	const char *colon = strrchr(address, ':');

	if (!colon || !colon[1])
		return -EINVAL;
	size_t len = (size_t)(colon - address);

	if (len >= 2 && *address == '[' && address[len - 1] == ']') {
		address++;
		len -= 2;
	}
	*ret_host = xstrndup(address, len);
	*ret_port = colon + 1;
	return 0;
}

static int listen_tcp(const char *address, char *name, struct error *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	struct addrinfo *found = NULL;
	char *host cleanup_free = NULL;
	const char *port;
	int fd = -EADDRNOTAVAIL;

	if (split(address, &host, &port) < 0)
		return error_set(err, -EINVAL, "cannot listen on %s: write HOST:PORT", address);
	int e = getaddrinfo(*host ? host : NULL, port, &hints, &found);

	if (e)
		return error_set(err, -EADDRNOTAVAIL, "cannot listen on %s: %s", address,
			gai_strerror(e));
	/* Without a host: IPv6 first, which takes IPv4 as well. */
	for (int pass = 0; pass < 2 && fd < 0; pass++)
		for (struct addrinfo *at = found; at && fd < 0; at = at->ai_next)
			if (*host ? !pass : (at->ai_family == AF_INET6) == !pass)
				fd = listen_at(at);
	freeaddrinfo(found);
	if (fd < 0)
		return fail(fd, address, err);
	write_name(fd, name);
	return fd;
}

int listen_on(const char *address, char *name, struct error *err)
{
	*name = '\0';
	return strncmp(address, "unix:", 5) == 0 ? listen_unix(address, name, err)
						 : listen_tcp(address, name, err);
}

void listen_end(const char *name)
{
	if (strncmp(name, "unix:", 5) == 0)
		unlink(name + 5);
}
