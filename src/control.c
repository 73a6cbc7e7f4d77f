// SPDX-License-Identifier: Apache-2.0
/*
 * Serving one is cheap and rare, so an answer is made at once and only its sending waits for the
 * client. A client that neither asks nor reads is ended after CLIENT_NS.
 */
#include "control.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/list.h"

#define CLIENT_NS  (10 * NSEC_PER_SEC)
#define PAUSE_NS   (NSEC_PER_SEC / 5) /* of listening, where there are no descriptors left */
#define PATIENCE_S 15 /* of a command; the agent may be in a long round */
#define HEADER_MAX 64

struct control {
	struct loop *loop;
	struct loop_fd listener;
	struct loop_timer pause;
	char *path;
	struct stat made; /* the socket there */
	control_answer_fn answer;
	void *ctx;
	struct list_node clients;
	size_t client_count;
};

struct client {
	struct control *control;
	struct list_node node;
	struct loop_fd fd;
	struct loop_timer end;
	struct strbuf in, out;
};

static void client_free(struct client *c)
{
	loop_timer_stop(&c->end);
	loop_fd_remove(&c->fd);
	close(c->fd.fd);
	list_remove(&c->node);
	c->control->client_count--;
	strbuf_release(&c->in);
	strbuf_release(&c->out);
	free(c);
}

static void on_end(struct loop_timer *t)
{
	client_free(container_of(t, struct client, end));
}

/* False where the client is no more. */
static bool flush_out(struct client *c)
{
	while (c->out.len) {
		ssize_t n = send(c->fd.fd, c->out.buf, c->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0)
			break;
		strbuf_consume(&c->out, (size_t)n);
	}
	client_free(c);
	return false;
}

static void serve(struct client *c)
{
	struct strbuf body cleanup_strbuf = STRBUF_INIT;
	int code = c->control->answer(c->control->ctx, c->in.buf, &body);

	strbuf_addf(&c->out, "dockprof %d %zu\n", code, body.len);
	strbuf_add(&c->out, body.buf, body.len);
	if (flush_out(c) && loop_fd_modify(&c->fd, EPOLLOUT) < 0)
		client_free(c);
}

static void on_input(struct loop_fd *fd, uint32_t events)
{
	struct client *c = container_of(fd, struct client, fd);
	char buf[1024];

	if (c->out.len) {
		if (events & EPOLLOUT)
			flush_out(c);
		else
			client_free(c);
		return;
	}
	ssize_t n = recv(c->fd.fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0 || c->in.len + (size_t)n > CONTROL_MAX_REQUEST) {
		client_free(c);
		return;
	}
	strbuf_add(&c->in, buf, (size_t)n);
	char *end = memchr(c->in.buf, '\n', c->in.len);

	if (!end)
		return;
	strbuf_set_len(&c->in, (size_t)(end - c->in.buf));
	serve(c);
}

/* The mode of the socket says the same; this holds whatever becomes of the file. */
static bool may_ask(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
		(peer.uid == 0 || peer.uid == geteuid());
}

static void on_accept(struct loop_fd *fd, uint32_t events)
{
	struct control *control = container_of(fd, struct control, listener);
	int client cleanup_close = accept4(fd->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	/* Out of descriptors: it would be ready again at once. */
	if (client < 0 &&
		(errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
		loop_fd_remove(fd);
		loop_timer_start(&control->pause, PAUSE_NS);
	}
	if (client < 0 || control->client_count >= CONTROL_MAX_CLIENTS || !may_ask(client))
		return;
	struct client *c = xcalloc(1, sizeof(*c));

	*c = (struct client){.control = control, .in = STRBUF_INIT, .out = STRBUF_INIT};
	c->fd = (struct loop_fd){.fd = client, .on_event = on_input};
	list_init(&c->node);
	if (loop_fd_add(control->loop, &c->fd, EPOLLIN) < 0) {
		free(c);
		return;
	}
	(void)steal_fd(&client);
	list_append(&control->clients, &c->node);
	control->client_count++;
	loop_timer_init(control->loop, &c->end, on_end);
	loop_timer_start(&c->end, CLIENT_NS);
}

static void on_pause_end(struct loop_timer *t)
{
	struct control *control = container_of(t, struct control, pause);

	if (loop_fd_add(control->loop, &control->listener, EPOLLIN) < 0) {
		control->listener.loop = NULL;
		loop_timer_start(t, PAUSE_NS);
	}
}

static int set_address(struct sockaddr_un *addr, const char *path, struct error *err)
{
	*addr = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(addr->sun_path))
		return error_set(err, -ENAMETOOLONG, "%s: a socket's path has at most %zu bytes",
			path, sizeof(addr->sun_path) - 1);
	strcpy(addr->sun_path, path);
	return 0;
}

/* flags: SOCK_NONBLOCK to wait for nobody, which is -EAGAIN where too many wait there. */
static int connect_to(const char *path, int flags, struct error *err)
{
	struct sockaddr_un addr;
	struct timeval patience = {.tv_sec = PATIENCE_S};
	int fd cleanup_close = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	int r = set_address(&addr, path, err);

	if (r < 0)
		return r;
	if (fd < 0)
		return error_set_errno(err, -errno, "cannot make a socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return error_set_errno(err, -errno, "cannot connect to %s", path);
	return steal_fd(&fd);
}

/* The directory is made for the socket alone, so nobody else needs to look into it. */
static void make_directory(const char *path)
{
	char *copy cleanup_free = xstrdup(path);

	mkdir(dirname(copy), 0700);
}

static int listen_at(const char *path, struct error *err)
{
	struct sockaddr_un addr;
	struct stat st;
	int r = set_address(&addr, path, err);

	if (r < 0)
		return r;
	int other cleanup_close = connect_to(path, SOCK_NONBLOCK, NULL);

	if (other >= 0 || other == -EAGAIN)
		return error_set(err, -EADDRINUSE, "another dockprof answers at %s", path);
	if (other == -ECONNREFUSED && lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(path);
	int fd cleanup_close = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return error_set_errno(err, -errno, "cannot make a socket");
	make_directory(path);
	mode_t mask = umask(0177);
	int bound = bind(fd, (struct sockaddr *)&addr, sizeof(addr));
	int code = -errno;

	umask(mask);
	if (bound < 0)
		return error_set_errno(err, code, "cannot make the socket %s", path);
	if (listen(fd, CONTROL_MAX_CLIENTS) < 0)
		return error_set_errno(err, -errno, "cannot listen at %s", path);
	return steal_fd(&fd);
}

int control_new(struct loop *loop, const char *path, control_answer_fn answer, void *ctx,
	struct control **ret, struct error *err)
{
	int fd cleanup_close = listen_at(path, err);

	if (fd < 0)
		return fd;
	struct control *c = xcalloc(1, sizeof(*c));

	*c = (struct control){.loop = loop, .path = xstrdup(path), .answer = answer, .ctx = ctx};
	(void)lstat(path, &c->made);
	list_init(&c->clients);
	loop_timer_init(loop, &c->pause, on_pause_end);
	c->listener = (struct loop_fd){.fd = fd, .on_event = on_accept};
	int r = loop_fd_add(loop, &c->listener, EPOLLIN);

	if (r < 0) {
		free(c->path);
		free(c);
		return error_set_errno(err, r, "cannot wait for requests at %s", path);
	}
	(void)steal_fd(&fd);
	*ret = c;
	return 0;
}

bool control_is_there(const struct control *c)
{
	struct stat now;

	return lstat(c->path, &now) == 0 && now.st_dev == c->made.st_dev &&
		now.st_ino == c->made.st_ino;
}

void control_free(struct control *c)
{
	if (!c)
		return;
	list_for_each_safe(n, &c->clients)
		client_free(list_entry(n, struct client, node));
	loop_timer_stop(&c->pause);
	loop_fd_remove(&c->listener);
	/* First, as another agent makes its own as soon as nobody answers. */
	if (control_is_there(c))
		unlink(c->path);
	close(c->listener.fd);
	free(c->path);
	free(c);
}

/* The client's side. */

static int read_answer(int fd, const char *path, struct strbuf *in, struct error *err)
{
	char header[HEADER_MAX];
	int code, begin = 0;
	size_t length;
	int r = file_read_fd(fd, CONTROL_MAX_ANSWER, in);

	if (r < 0)
		return error_set_errno(err, r, "the agent at %s gave no answer", path);
	snprintf(header, sizeof(header), "%s", in->buf);
	if (sscanf(header, "dockprof %d %zu\n%n", &code, &length, &begin) != 2 || !begin ||
		code < 0)
		return error_set(err, -EPROTO, "what answers at %s is no dockprof", path);
	char *body = memchr(in->buf, '\n', in->len);

	strbuf_consume(in, (size_t)(body + 1 - in->buf));
	if (in->len != length)
		return error_set(err, -EPROTO, "the answer of the agent at %s was cut", path);
	return code;
}

int control_ask(const char *path, const char *request, struct strbuf *out, struct error *err)
{
	struct strbuf in cleanup_strbuf = STRBUF_INIT;
	char *line cleanup_free = xasprintf("%s\n", request);
	int fd cleanup_close = connect_to(path, 0, err);

	if (fd < 0)
		return fd;
	if (strlen(line) > CONTROL_MAX_REQUEST || strchr(request, '\n'))
		return error_set(err, -EINVAL, "no container has a name like that");
	if (send(fd, line, strlen(line), MSG_NOSIGNAL) != (ssize_t)strlen(line))
		return error_set_errno(err, -errno, "cannot ask the agent at %s", path);
	int code = read_answer(fd, path, &in, err);

	if (code >= 0)
		strbuf_add(out, in.buf, in.len);
	return code;
}
