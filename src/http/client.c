// SPDX-License-Identifier: Apache-2.0
/*
 * libcurl's multi socket interface on the loop. libcurl tells which descriptors it wants watched
 * (on_socket) and when it wants to be called at the latest (on_timer); the loop tells what happened,
 * and drive() passes that on:
 *
 *	loop --> drive() --> curl_multi_socket_action() --> on_data, on_headers
 *	              \----> curl_multi_info_read()     --> on_done
 *	              \----> settle(): add what was started, free what was cancelled
 *
 * libcurl cannot be called from its own callbacks, but our users may start, cancel and free whatever
 * they like from theirs. So requests are only marked while `depth` is above zero, and settle() acts
 * on the marks once nothing of libcurl is on the stack. A request that is `dead` is not called back.
 *
 * Each client has a multi handle of its own. It costs a few kilobytes and means that connections, TLS
 * sessions and the limit on connections are per peer without further thought.
 */
#include "http/client.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "base/alloc.h"
#include "base/clock.h"

#define DEFAULT_CONNECTIONS 4

struct http_socket {
	struct loop_fd fd;
	struct http_client *client;
	struct list_node node;
};

/*
 * CURL_GLOBAL_NOTHING leaves out what plain HTTP does not need; libcurl prepares TLS by itself when
 * the first https connection is made. CAs and ciphers are loaded then, not here.
 */
int http_new(struct loop *loop, struct http **ret, struct error *err)
{
	CURLcode code = curl_global_init(CURL_GLOBAL_NOTHING);

	if (code)
		return error_set(err, -ENOMEM, "libcurl: %s", curl_easy_strerror(code));
	*ret = xcalloc(1, sizeof(**ret));
	(*ret)->loop = loop;
	return 0;
}

void http_free(struct http *http)
{
	if (!http)
		return;
	free(http);
	curl_global_cleanup();
}

static void socket_free(struct http_socket *s)
{
	loop_fd_remove(&s->fd);
	list_remove(&s->node);
	free(s);
}

static void client_destroy(struct http_client *client)
{
	list_for_each_safe(n, &client->requests)
		http_request_free(list_entry(n, struct http_request, node));
	if (client->multi)
		curl_multi_cleanup(client->multi);
	list_for_each_safe(n, &client->sockets)
		socket_free(list_entry(n, struct http_socket, node));
	loop_timer_stop(&client->timeout);
	loop_timer_stop(&client->start);
	http_token_free(client->token);
	http_client_options_release(&client->options);
	free(client);
}

/* libcurl leaves it out where a redirect leads to another host. */
static bool add_token(struct http_request *r)
{
	const struct http_token *token = r->client->token;

	r->token_serial = http_token_serial(token);
	return !curl_easy_setopt(r->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER) &&
		!curl_easy_setopt(r->easy, CURLOPT_XOAUTH2_BEARER, http_token_value(token));
}

static void add_to_curl(struct http_request *r)
{
	r->added = (!r->client->token || add_token(r)) &&
		curl_multi_add_handle(r->client->multi, r->easy) == CURLM_OK;
	if (!r->added)
		http_request_finish(r, CURLE_OUT_OF_MEMORY);
}

static void begin(struct http_request *r)
{
	struct error err = {0};
	int e = r->client->token ? http_token_want(r->client->token, &err) : 0;

	if (e == -EAGAIN)
		r->waits_for_token = true;
	else if (e < 0)
		http_request_fail(r, &err);
	else
		add_to_curl(r);
}

static void settle(struct http_client *client)
{
	if (client->doomed) {
		client_destroy(client);
		return;
	}
	list_for_each_safe(n, &client->requests) {
		struct http_request *r = list_entry(n, struct http_request, node);

		if (r->dead)
			http_request_free(r);
	}
}

static void again_with_another_token(struct http_request *r)
{
	r->token_renewed = true;
	http_token_refused(r->client->token, r->token_serial);
	http_request_rewind(r);
	begin(r);
}

static void finish_ended(struct http_client *client)
{
	CURLMsg *msg;
	int left;

	while (!client->doomed && (msg = curl_multi_info_read(client->multi, &left))) {
		struct http_request *r;
		CURLcode code = msg->data.result;

		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &r);
		if (!r->dead && http_request_renews_token(r))
			again_with_another_token(r);
		else
			http_request_finish(r, code);
	}
}

static void drive(struct http_client *client, curl_socket_t fd, int events)
{
	int running;

	client->depth++;
	curl_multi_socket_action(client->multi, fd, events, &running);
	finish_ended(client);
	if (--client->depth == 0)
		settle(client);
}

/*
 * An error or a hang-up is passed on as readable and writable: libcurl then meets it in recv() or
 * send(), after it has read an answer that the peer sent before it closed.
 */
static void on_ready(struct loop_fd *fd, uint32_t events)
{
	struct http_socket *s = container_of(fd, struct http_socket, fd);
	int bits = 0;

	if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		bits |= CURL_CSELECT_IN;
	if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
		bits |= CURL_CSELECT_OUT;
	drive(s->client, fd->fd, bits);
}

static void on_timeout(struct loop_timer *timer)
{
	drive(container_of(timer, struct http_client, timeout), CURL_SOCKET_TIMEOUT, 0);
}

static int on_timer(CURLM *multi, long timeout_ms, void *ctx)
{
	struct http_client *client = ctx;

	(void)multi;
	if (timeout_ms < 0)
		loop_timer_stop(&client->timeout);
	else
		loop_timer_start(&client->timeout, timeout_ms * NSEC_PER_MSEC);
	return 0;
}

static int watch_socket(struct http_client *client, curl_socket_t fd, uint32_t events)
{
	struct http_socket *s = xcalloc(1, sizeof(*s));

	s->fd = (struct loop_fd){.fd = fd, .on_event = on_ready};
	s->client = client;
	list_init(&s->node);
	list_append(&client->sockets, &s->node);
	if (loop_fd_add(client->http->loop, &s->fd, events) < 0) {
		socket_free(s);
		return -1; /* libcurl ends its transfers */
	}
	curl_multi_assign(client->multi, fd, s);
	return 0;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
	struct http_client *client = ctx;
	struct http_socket *s = socket_ctx;
	uint32_t events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (s)
			socket_free(s);
		curl_multi_assign(client->multi, fd, NULL);
		return 0;
	}
	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
		events |= EPOLLIN;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
		events |= EPOLLOUT;
	if (!s)
		return watch_socket(client, fd, events);
	return loop_fd_modify(&s->fd, events) < 0 ? -1 : 0;
}

static void on_start(struct loop_timer *timer)
{
	struct http_client *client = container_of(timer, struct http_client, start);

	client->depth++;
	list_for_each_safe(n, &client->requests) {
		struct http_request *r = list_entry(n, struct http_request, node);

		if (!r->added && !r->dead && !r->waits_for_token)
			begin(r);
	}
	if (--client->depth == 0)
		settle(client);
}

static void on_token(void *ctx, const struct error *err)
{
	struct http_client *client = ctx;

	client->depth++;
	list_for_each_safe(n, &client->requests) {
		struct http_request *r = list_entry(n, struct http_request, node);

		if (!r->waits_for_token || r->dead)
			continue;
		r->waits_for_token = false;
		if (err)
			http_request_fail(r, err);
		else
			add_to_curl(r);
	}
	if (--client->depth == 0)
		settle(client);
}

static int add_multi(struct http_client *client, struct error *err)
{
	long connections = client->options.max_connections;

	client->multi = curl_multi_init();
	if (!client->multi)
		return error_set(err, -ENOMEM, "libcurl: out of memory");
	if (connections == 0)
		connections = DEFAULT_CONNECTIONS;
	curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
	curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
	curl_multi_setopt(client->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, connections);
	curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, connections);
	return 0;
}

static int add_token_source(struct http_client *client, struct error *err)
{
	static const struct http_token_ops ops = {.settled = on_token};

	if (!client->options.oauth2.token_url)
		return 0;
	return http_token_new(client->http, &client->options.oauth2, &ops, client, &client->token,
		err);
}

int http_client_new(struct http *http, struct http_client_options *options,
	struct http_client **ret, struct error *err)
{
	int r = http_client_options_check(options, err);

	if (r < 0) {
		http_client_options_release(options);
		return r;
	}
	struct http_client *client = xcalloc(1, sizeof(*client));

	client->http = http;
	client->options = *options;
	http_client_options_init(options);
	list_init(&client->requests);
	list_init(&client->sockets);
	loop_timer_init(http->loop, &client->timeout, on_timeout);
	loop_timer_init(http->loop, &client->start, on_start);
	r = add_multi(client, err);
	if (r == 0)
		r = add_token_source(client, err);
	if (r < 0) {
		client_destroy(client);
		return r;
	}
	*ret = client;
	return 0;
}

void http_client_free(struct http_client *client)
{
	if (!client)
		return;
	if (client->depth == 0) {
		client_destroy(client);
		return;
	}
	client->doomed = true;
	list_for_each(n, &client->requests)
		list_entry(n, struct http_request, node)->dead = true;
}
