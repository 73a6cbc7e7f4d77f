// SPDX-License-Identifier: Apache-2.0
/*
 * A connection goes round:
 *
 *	READING --whole request--> ANSWERING --web_respond()--> WRITING --all taken--> READING or closed
 *
 * It is in exactly one state and, with it, has one deadline; one timer per second looks at all of them.
 * Where all places are taken, a newcomer gets that of the connection which has been READING longest: a
 * client that sends its request at once is served however many others dawdle.
 *
 * Callbacks may end a connection that is still in use up the stack. So an ended one is only taken out of
 * the loop and put aside, and freed in a later turn.
 */
#include "web/server.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "web/listen.h"

#define SWEEP_NS       NSEC_PER_SEC
#define ACCEPTS_A_TURN 16 /* so that a flood leaves the loop time for everything else */
#define READ_SIZE      4096
#define COMMON_HEADERS                                                                             \
	"X-Content-Type-Options: nosniff\r\nCross-Origin-Resource-Policy: same-origin\r\n"         \
	"Referrer-Policy: no-referrer\r\nX-Frame-Options: DENY\r\n"

enum state { READING, ANSWERING, WRITING, CLOSED };

struct web {
	struct loop *loop;
	const struct web_ops *ops;
	void *ctx;
	char **hosts;
	size_t host_count;
	struct loop_fd listener;
	struct loop_timer sweep;
	struct list_node connections, closed;
	struct web_counts counts;
	char address[LISTEN_NAME_MAX];
};

struct web_exchange {
	struct web *web;
	struct list_node node;
	struct loop_fd fd;
	enum state state;
	int64_t deadline_ns;
	int64_t end_ns; /* of WRITING, however the client goes on */
	int64_t since_ns; /* it waits for a request */
	struct strbuf in;
	bool keep_alive, head_only, busy; /* busy: serve() is up the stack */
	void (*gone)(void *ctx);
	void *gone_ctx;
	struct strbuf head, body;
	const char *constant;
	size_t constant_len, written;
};

static void close_connection(struct web_exchange *x)
{
	struct web *w = x->web;
	void (*gone)(void *ctx) = x->gone;

	if (x->state == CLOSED)
		return;
	loop_fd_remove(&x->fd);
	close(x->fd.fd);
	x->fd.fd = -1;
	x->state = CLOSED;
	w->counts.connections--;
	w->counts.pending -= x->body.len;
	strbuf_release(&x->body);
	strbuf_release(&x->in);
	list_remove(&x->node);
	list_append(&w->closed, &x->node);
	x->gone = NULL;
	if (gone)
		gone(x->gone_ctx);
}

static void free_closed(struct web *w)
{
	list_for_each_safe(n, &w->closed) {
		struct web_exchange *x = list_entry(n, struct web_exchange, node);

		if (x->busy)
			continue;
		list_remove(n);
		strbuf_release(&x->head);
		free(x);
	}
}

static void watch(struct web_exchange *x, uint32_t events)
{
	if (loop_fd_modify(&x->fd, events) < 0)
		close_connection(x);
}

static void begin_reading(struct web_exchange *x)
{
	int64_t now = clock_monotonic_ns();

	x->state = READING;
	x->since_ns = now;
	if (!x->in.len)
		strbuf_release(&x->in);
	x->deadline_ns = now + (x->in.len ? WEB_REQUEST_NS : WEB_IDLE_NS);
	watch(x, EPOLLIN);
}

static void sent_all(struct web_exchange *x)
{
	x->web->counts.pending -= x->body.len;
	strbuf_release(&x->body);
	strbuf_reset(&x->head);
	if (!x->keep_alive) {
		/* What the client may still be sending would make the kernel reset the connection
		 * before it has read the answer. */
		shutdown(x->fd.fd, SHUT_WR);
		x->state = ANSWERING;
		x->deadline_ns = clock_monotonic_ns() + NSEC_PER_SEC;
		watch(x, EPOLLIN | EPOLLRDHUP);
		return;
	}
	begin_reading(x);
}

static void write_on(struct web_exchange *x)
{
	size_t body_len = x->head_only ? 0 : x->constant ? x->constant_len : x->body.len;
	const char *body = x->constant ? x->constant : x->body.buf;
	size_t total = x->head.len + body_len;

	while (x->written < total) {
		size_t head_left = x->written < x->head.len ? x->head.len - x->written : 0;
		size_t body_at = x->written - MIN(x->written, x->head.len);
		struct iovec parts[2] = {
			{x->head.buf + x->head.len - head_left, head_left},
			{(void *)((uintptr_t)body + body_at), body_len - body_at},
		};
		struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
		ssize_t n = sendmsg(x->fd.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) {
			close_connection(x);
			return;
		}
		if (n < 0) {
			watch(x, EPOLLOUT);
			return;
		}
		x->written += (size_t)n;
		x->deadline_ns = MIN(clock_monotonic_ns() + WEB_RESPONSE_NS, x->end_ns);
	}
	sent_all(x);
}

static const char *reason_of(unsigned status)
{
	static const struct {
		unsigned status;
		const char *reason;
	} reasons[] = {
		{200, "OK"},
		{204, "No Content"},
		{400, "Bad Request"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{413, "Content Too Large"},
		{431, "Request Header Fields Too Large"},
		{500, "Internal Server Error"},
		{501, "Not Implemented"},
		{503, "Service Unavailable"},
		{505, "HTTP Version Not Supported"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}

void web_respond(struct web_exchange *x, const struct web_response *response)
{
	unsigned status = response->status ? response->status : 200;
	const char *type = response->type ? response->type : "text/plain; charset=utf-8";
	size_t len = response->body ? response->body->len : response->constant_len;

	/* Later than its request: what came behind it has waited unread, and nobody would look again. */
	x->keep_alive = x->keep_alive && x->busy;
	x->gone = NULL;
	if (response->body && len > WEB_SHARE && x->web->counts.pending + len > WEB_MAX_PENDING &&
		x->web->counts.pending) {
		static const char busy[] = "too many answers are waiting to be read\n";

		x->web->counts.refused++;
		strbuf_release(response->body);
		web_respond(x,
			&(struct web_response){.status = 503,
				.constant = busy,
				.constant_len = sizeof(busy) - 1});
		return;
	}
	strbuf_reset(&x->head);
	strbuf_addf(&x->head,
		"HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: %s\r\n"
		"Cache-Control: no-store\r\n%s%s\r\n",
		status, reason_of(status), type, len, x->keep_alive ? "keep-alive" : "close",
		COMMON_HEADERS, response->headers ? response->headers : "");
	if (response->body) {
		x->body = *response->body;
		*response->body = STRBUF_INIT;
		x->web->counts.pending += x->body.len;
	}
	x->constant = response->body ? NULL : response->constant ? response->constant : "";
	x->constant_len = response->body ? 0 : response->constant_len;
	x->written = 0;
	x->state = WRITING;
	x->deadline_ns = clock_monotonic_ns() + WEB_RESPONSE_NS;
	x->end_ns = x->deadline_ns + (int64_t)(len / WEB_SLOWEST) * NSEC_PER_SEC;
	write_on(x);
}

void web_wait(struct web_exchange *x, void (*gone)(void *ctx), void *ctx)
{
	x->gone = gone;
	x->gone_ctx = ctx;
	x->deadline_ns = INT64_MAX;
	watch(x, EPOLLRDHUP);
}

static void refuse(struct web_exchange *x, unsigned status, const char *fmt, const char *what)
{
	struct strbuf body cleanup_strbuf = STRBUF_INIT;

	x->web->counts.refused++;
	x->keep_alive = false;
	strbuf_addf(&body, fmt, what);
	web_respond(x, &(struct web_response){.status = status, .body = &body});
}

static void dispatch(struct web_exchange *x, const struct web_request *r)
{
	struct web *w = x->web;
	const char *const *hosts = (const char *const *)w->hosts;

	x->keep_alive = r->keep_alive;
	x->head_only = r->method == WEB_HEAD;
	if (strncmp(w->address, "unix:", 5) != 0 &&
		!web_host_allowed(r->host, hosts, w->host_count)) {
		refuse(x, 403, "this is not the host that you asked for%s\n",
			"; its name can be put into web.allowed_hosts");
		return;
	}
	if (web_cross_site(r)) {
		refuse(x, 403, "asked by a page of another site%s\n", "");
		return;
	}
	w->counts.requests++;
	w->ops->request(w->ctx, x, r);
}

/* One whole request at the beginning of `in`, if there is one. */
static bool serve(struct web_exchange *x)
{
	size_t len = web_head_length(x->in.buf, x->in.len);
	struct web_request r;
	unsigned status = 431;

	if (!len)
		return false;
	x->state = ANSWERING;
	if (len != SIZE_MAX) {
		char *head cleanup_free = xmemdup(x->in.buf, len);

		status = web_request_parse(head, len, &r);
		if (!status && x->in.len < len + r.content_length) {
			x->state = READING;
			return false;
		}
		if (!status) {
			strbuf_consume(&x->in, len + r.content_length);
			dispatch(x, &r);
			return true;
		}
	}
	x->head_only = false;
	refuse(x, status, "%s\n", reason_of(status));
	return true;
}

static void serve_all(struct web_exchange *x)
{
	x->busy = true;
	while (x->state == READING && serve(x))
		continue;
	x->busy = false;
}

/* Nothing is wanted of it any more, or it is waiting for an answer: it may only go away. */
static void on_silent_input(struct web_exchange *x, uint32_t events)
{
	char rest[READ_SIZE];

	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR) ||
		recv(x->fd.fd, rest, sizeof(rest), MSG_DONTWAIT) == 0)
		close_connection(x);
}

static void read_on(struct web_exchange *x)
{
	strbuf_grow(&x->in, READ_SIZE);
	ssize_t n = recv(x->fd.fd, x->in.buf + x->in.len, READ_SIZE, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		close_connection(x);
		return;
	}
	if (!x->in.len)
		x->deadline_ns = clock_monotonic_ns() + WEB_REQUEST_NS;
	strbuf_set_len(&x->in, x->in.len + (size_t)n);
	serve_all(x);
}

static void on_connection_event(struct loop_fd *fd, uint32_t events)
{
	struct web_exchange *x = container_of(fd, struct web_exchange, fd);

	switch (x->state) {
	case READING:
		read_on(x);
		break;
	case WRITING:
		x->busy = true;
		write_on(x);
		x->busy = false;
		if (x->state == READING)
			serve_all(x);
		break;
	case ANSWERING:
		on_silent_input(x, events);
		break;
	case CLOSED:
		break;
	}
}

/* The one that has been READING longest makes room; false where none does. */
static bool make_room(struct web *w)
{
	struct web_exchange *slowest = NULL;

	list_for_each(n, &w->connections) {
		struct web_exchange *x = list_entry(n, struct web_exchange, node);

		if (x->state == READING && (!slowest || x->since_ns < slowest->since_ns))
			slowest = x;
	}
	if (!slowest)
		return false;
	w->counts.evicted++;
	close_connection(slowest);
	return true;
}

static void add_connection(struct web *w, int fd)
{
	if (w->counts.connections >= WEB_MAX_CONNECTIONS && !make_room(w)) {
		w->counts.refused++;
		close(fd);
		return;
	}
	struct web_exchange *x = xcalloc(1, sizeof(*x));

	*x = (struct web_exchange){
		.web = w,
		.fd = {.fd = fd, .on_event = on_connection_event},
		.state = READING,
		.since_ns = clock_monotonic_ns(),
		.in = STRBUF_INIT,
		.head = STRBUF_INIT,
		.body = STRBUF_INIT,
	};
	x->deadline_ns = x->since_ns + WEB_REQUEST_NS;
	list_append(&w->connections, &x->node);
	w->counts.connections++;
	if (loop_fd_add(w->loop, &x->fd, EPOLLIN) < 0)
		close_connection(x);
}

static void on_listener(struct loop_fd *fd, uint32_t events)
{
	struct web *w = container_of(fd, struct web, listener);

	(void)events;
	free_closed(w);
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		int client = accept4(fd->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (client >= 0) {
			add_connection(w, client);
			continue;
		}
		/* Out of descriptors: it would be ready again at once. The next sweep looks again. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			loop_fd_remove(fd);
		return;
	}
}

static void on_sweep(struct loop_timer *t)
{
	struct web *w = container_of(t, struct web, sweep);
	int64_t now = clock_monotonic_ns();

	free_closed(w);
	list_for_each_safe(n, &w->connections) {
		struct web_exchange *x = list_entry(n, struct web_exchange, node);

		if (x->deadline_ns > now)
			continue;
		w->counts.evicted += x->state != READING || x->in.len;
		close_connection(x);
	}
	if (!w->listener.loop && loop_fd_add(w->loop, &w->listener, EPOLLIN) < 0)
		w->listener.loop = NULL;
	loop_timer_start(t, SWEEP_NS);
}

int web_new(struct loop *loop, const struct web_options *options, const struct web_ops *ops,
	void *ctx, struct web **ret, struct error *err)
{
	struct web *w = xcalloc(1, sizeof(*w));

	*w = (struct web){.loop = loop, .ops = ops, .ctx = ctx};
	list_init(&w->connections);
	list_init(&w->closed);
	w->hosts = xcalloc(options->host_count + 1, sizeof(char *));
	for (; w->host_count < options->host_count; w->host_count++)
		w->hosts[w->host_count] = xstrdup(options->hosts[w->host_count]);
	loop_timer_init(loop, &w->sweep, on_sweep);
	w->listener.on_event = on_listener;
	w->listener.fd = listen_on(options->address, w->address, err);
	int r = w->listener.fd < 0 ? w->listener.fd : loop_fd_add(loop, &w->listener, EPOLLIN);

	if (r < 0) {
		web_free(w);
		return r;
	}
	loop_timer_start(&w->sweep, SWEEP_NS);
	*ret = w;
	return 0;
}

void web_free(struct web *w)
{
	if (!w)
		return;
	list_for_each_safe(n, &w->connections)
		close_connection(list_entry(n, struct web_exchange, node));
	free_closed(w);
	loop_timer_stop(&w->sweep);
	loop_fd_remove(&w->listener);
	if (w->listener.fd >= 0) {
		listen_end(w->address);
		close(w->listener.fd);
	}
	for (size_t i = 0; i < w->host_count; i++)
		free(w->hosts[i]);
	free(w->hosts);
	free(w);
}

const struct web_counts *web_counts(const struct web *w)
{
	return &w->counts;
}

const char *web_address(const struct web *w)
{
	return w->address;
}
