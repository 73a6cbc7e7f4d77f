// SPDX-License-Identifier: Apache-2.0
/*
 * A Docker Engine as far as discovery sees it, on the loop of the test: it answers from what the test
 * puts into the struct, sends the events the test emits, and misbehaves on request.
 */
#ifndef TESTS_LIB_FAKE_ENGINE_H
#define TESTS_LIB_FAKE_ENGINE_H

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "loop/loop.h"

#define FAKE_CONTAINERS 600

struct fake_container {
	char id[65];
	char name[64];
	const char *state; /* NULL: removed */
	char *more; /* ,"Key":value... of its JSON; owned */
};

struct fake_engine {
	struct loop *loop;
	struct loop_fd listener;
	struct list_node connections;
	char path[64];

	const char *api_version; /* NULL: no such header */
	unsigned min_minor, max_minor; /* of the versions served, 1.x; 0: any */
	struct fake_container containers[FAKE_CONTAINERS];
	size_t container_count;
	const char *networks; /* JSON */
	const char *list; /* JSON in place of `containers` */
	long ping_status, events_status, list_status, networks_status; /* 0: 200 */
	bool list_hangs, events_hide_headers;
	size_t cut_after; /* bytes of each answer to a list, then the connection ends; 0: no */

	int pings, subscriptions, lists, id_lists, network_lists;
	char events_url[8192], list_url[8192];
};

struct fake_connection {
	struct fake_engine *engine;
	struct loop_fd fd;
	struct list_node node;
	struct strbuf in, out;
	bool streams, headers_sent, closing;
};

static inline void fake_connection_free(struct fake_connection *c)
{
	loop_fd_remove(&c->fd);
	close(c->fd.fd);
	list_remove(&c->node);
	strbuf_release(&c->in);
	strbuf_release(&c->out);
	free(c);
}

/* False where the connection is no more. */
static inline bool fake_flush(struct fake_connection *c)
{
	while (c->out.len > 0) {
		ssize_t n = send(c->fd.fd, c->out.buf, c->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			fake_connection_free(c);
			return false;
		}
		strbuf_consume(&c->out, (size_t)n);
	}
	if (c->out.len == 0 && c->closing) {
		fake_connection_free(c);
		return false;
	}
	ck_assert_int_eq(loop_fd_modify(&c->fd, c->out.len > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN), 0);
	return true;
}

static inline bool fake_answer(struct fake_connection *c, long status, const char *body,
	size_t cut_after)
{
	struct fake_engine *e = c->engine;
	size_t start = c->out.len;

	strbuf_addf(&c->out, "HTTP/1.1 %ld X\r\nServer: Docker/99.1 (linux)\r\n", status);
	strbuf_addf(&c->out, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
	if (e->api_version)
		strbuf_addf(&c->out, "Api-Version: %s\r\n", e->api_version);
	strbuf_addf(&c->out, "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
	if (cut_after && c->out.len - start > cut_after) {
		strbuf_set_len(&c->out, start + cut_after);
		c->closing = true;
	}
	return fake_flush(c);
}

static inline void fake_add_container(struct strbuf *out, const struct fake_container *c)
{
	strbuf_addf(out,
		"%s{\"Id\":\"%s\",\"Names\":[\"/%s\"],\"Image\":\"img\",\"State\":\"%s\"%s}",
		out->len > 1 ? "," : "", c->id, c->name, c->state, c->more ? c->more : "");
}

static inline bool fake_answer_list(struct fake_connection *c, const char *url)
{
	struct fake_engine *e = c->engine;
	struct strbuf body cleanup_strbuf = STRBUF_INIT;
	bool by_id = strstr(url, "all=1");

	e->lists += !by_id;
	e->id_lists += by_id;
	snprintf(e->list_url, sizeof(e->list_url), "%s", url);
	if (e->list_hangs)
		return true;
	if (e->list_status)
		return fake_answer(c, e->list_status, "{\"message\":\"because\"}", 0);
	strbuf_add_char(&body, '[');
	for (size_t i = 0; i < e->container_count; i++) {
		const struct fake_container *k = &e->containers[i];
		bool listed = k->state &&
			(by_id ? strstr(url, k->id) != NULL : strcmp(k->state, "exited") != 0);

		if (listed)
			fake_add_container(&body, k);
	}
	strbuf_add_str(&body, "]\n");
	return fake_answer(c, 200, e->list ? e->list : body.buf, e->cut_after);
}

static inline void fake_begin_stream(struct fake_connection *c)
{
	if (!c->headers_sent)
		strbuf_add_str(&c->out, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	c->headers_sent = true;
}

static inline bool fake_answer_events(struct fake_connection *c, const char *url)
{
	struct fake_engine *e = c->engine;

	e->subscriptions++;
	snprintf(e->events_url, sizeof(e->events_url), "%s", url);
	if (e->events_status)
		return fake_answer(c, e->events_status, "{\"message\":\"no events\"}", 0);
	c->streams = true;
	if (!e->events_hide_headers)
		fake_begin_stream(c);
	return fake_flush(c);
}

/* False where the version of the path is not served; then that has been answered. */
static inline bool fake_version_served(struct fake_connection *c, const char *url)
{
	struct fake_engine *e = c->engine;
	unsigned minor;
	char body[200];

	if (sscanf(url, "/v1.%u/", &minor) != 1)
		return true;
	if (e->max_minor && minor > e->max_minor)
		snprintf(body, sizeof(body),
			"{\"message\":\"client version 1.%u is too new. Maximum supported API "
			"version is 1.%u\"}",
			minor, e->max_minor);
	else if (e->min_minor && minor < e->min_minor)
		snprintf(body, sizeof(body),
			"{\"message\":\"client version 1.%u is too old. Minimum supported API "
			"version is 1.%u, please upgrade your client to a newer version\"}",
			minor, e->min_minor);
	else
		return true;
	fake_answer(c, 400, body, 0);
	return false;
}

static inline bool fake_serve(struct fake_connection *c, const char *url)
{
	struct fake_engine *e = c->engine;

	if (!strcmp(url, "/_ping")) {
		e->pings++;
		return fake_answer(c, e->ping_status ? e->ping_status : 200, "OK", 0);
	}
	if (!fake_version_served(c, url))
		return false; /* c may be gone; what else it asked is not answered */
	if (strstr(url, "/containers/json"))
		return fake_answer_list(c, url);
	if (strstr(url, "/events?"))
		return fake_answer_events(c, url);
	ck_assert_msg(strstr(url, "/networks") != NULL, "unexpected request: %s", url);
	e->network_lists++;
	if (e->networks_status)
		return fake_answer(c, e->networks_status, "{\"message\":\"no\"}", 0);
	return fake_answer(c, 200, e->networks ? e->networks : "[]", 0);
}

static inline void fake_on_input(struct loop_fd *fd, uint32_t events)
{
	struct fake_connection *c = container_of(fd, struct fake_connection, fd);
	char buf[16384], url[8192];
	char *end;

	if ((events & EPOLLOUT) && !fake_flush(c))
		return;
	if (!(events & ~(uint32_t)EPOLLOUT))
		return;
	ssize_t n = read(fd->fd, buf, sizeof(buf));

	if (n <= 0) {
		fake_connection_free(c);
		return;
	}
	strbuf_add(&c->in, buf, (size_t)n);
	while ((end = strstr(c->in.buf, "\r\n\r\n"))) {
		ck_assert_int_eq(sscanf(c->in.buf, "GET %8191s HTTP/1.1", url), 1);
		strbuf_consume(&c->in, (size_t)(end + 4 - c->in.buf));
		if (!fake_serve(c, url))
			return;
	}
}

static inline void fake_on_accept(struct loop_fd *fd, uint32_t events)
{
	struct fake_engine *e = container_of(fd, struct fake_engine, listener);
	struct fake_connection *c = xcalloc(1, sizeof(*c));

	(void)events;
	c->engine = e;
	strbuf_init(&c->in);
	strbuf_init(&c->out);
	list_init(&c->node);
	list_append(&e->connections, &c->node);
	c->fd = (struct loop_fd){.fd = accept(fd->fd, NULL, NULL), .on_event = fake_on_input};
	ck_assert_int_ge(c->fd.fd, 0);
	ck_assert_int_eq(loop_fd_add(e->loop, &c->fd, EPOLLIN), 0);
}

static inline void fake_engine_listen(struct fake_engine *e)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", e->path);
	unlink(e->path);
	e->listener =
		(struct loop_fd){.fd = socket(AF_UNIX, SOCK_STREAM, 0), .on_event = fake_on_accept};
	ck_assert_int_eq(bind(e->listener.fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(listen(e->listener.fd, 16), 0);
	ck_assert_int_eq(loop_fd_add(e->loop, &e->listener, EPOLLIN), 0);
}

static inline void fake_engine_init(struct fake_engine *e, struct loop *loop)
{
	memset(e, 0, sizeof(*e));
	e->loop = loop;
	e->api_version = "1.41";
	list_init(&e->connections);
	snprintf(e->path, sizeof(e->path), "/tmp/dockprof-test-%d.sock", (int)getpid());
	fake_engine_listen(e);
}

/* As a daemon that stops: every connection ends, nobody listens. */
static inline void fake_engine_stop(struct fake_engine *e)
{
	list_for_each_safe(n, &e->connections)
		fake_connection_free(list_entry(n, struct fake_connection, node));
	loop_fd_remove(&e->listener);
	if (e->listener.fd >= 0)
		close(e->listener.fd);
	e->listener.fd = -1;
	unlink(e->path);
}

static inline void fake_engine_release(struct fake_engine *e)
{
	fake_engine_stop(e);
	for (size_t i = 0; i < e->container_count; i++)
		free(e->containers[i].more);
}

/* A running container with the id 000...number. */
static inline struct fake_container *fake_engine_add(struct fake_engine *e, unsigned number,
	const char *name, const char *more)
{
	ck_assert_uint_lt(e->container_count, FAKE_CONTAINERS);
	struct fake_container *c = &e->containers[e->container_count++];

	snprintf(c->id, sizeof(c->id), "%064x", number);
	snprintf(c->name, sizeof(c->name), "%s", name);
	c->state = "running";
	c->more = more ? xstrdup(more) : NULL;
	return c;
}

/* Sends the text on every event stream as it is. */
static inline void fake_engine_send(struct fake_engine *e, const char *text)
{
	list_for_each_safe(n, &e->connections) {
		struct fake_connection *c = list_entry(n, struct fake_connection, node);

		if (!c->streams)
			continue;
		fake_begin_stream(c);
		strbuf_addf(&c->out, "%zx\r\n%s\r\n", strlen(text), text);
		fake_flush(c);
	}
}

/* attributes: ,"key":"value"... */
static inline void fake_engine_emit(struct fake_engine *e, const char *action, const char *id,
	const char *name, const char *attributes)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;

	strbuf_addf(&text,
		"{\"status\":\"%s\",\"id\":\"%s\",\"from\":\"img\",\"Type\":\"container\","
		"\"Action\":\"%s\",\"Actor\":{\"ID\":\"%s\",\"Attributes\":{\"image\":\"img\","
		"\"name\":\"%s\"%s}},\"scope\":\"local\",\"time\":1700000000,"
		"\"timeNano\":1700000000123456789}\n",
		action, id, action, id, name, attributes ? attributes : "");
	fake_engine_send(e, text.buf);
}

static inline void fake_engine_end_streams(struct fake_engine *e)
{
	list_for_each_safe(n, &e->connections) {
		struct fake_connection *c = list_entry(n, struct fake_connection, node);

		if (c->streams)
			fake_connection_free(c);
	}
}

#endif
