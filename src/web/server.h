// SPDX-License-Identifier: Apache-2.0
/*
 * A small HTTP/1.1 server on the loop, for people, browsers and scrapers on the same machine or network.
 * It knows connections and bytes; what is served is its owner's business.
 *
 * Everything a client can make it hold is bounded: connections, the size of a request, the time for
 * sending it and for taking the answer, answers waiting to be taken. Who is slow makes room for who comes.
 */
#ifndef WEB_SERVER_H
#define WEB_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "loop/loop.h"
#include "web/request.h"

#define WEB_MAX_CONNECTIONS 64
#define WEB_REQUEST_NS      (5 * NSEC_PER_SEC) /* for sending a request */
#define WEB_IDLE_NS         (30 * NSEC_PER_SEC) /* between two requests */
#define WEB_RESPONSE_NS     (20 * NSEC_PER_SEC) /* for taking an answer, or more of a large one */
#define WEB_SLOWEST         (256 << 10) /* of that the bytes for which there is another second */
#define WEB_MAX_PENDING     ((size_t)4 << 20) /* bytes of all answers that are not taken yet */
#define WEB_SHARE           (WEB_MAX_PENDING / WEB_MAX_CONNECTIONS) /* of which each has room anyway */

struct web;
/* One request that waits for its answer. */
struct web_exchange;

struct web_options {
	const char *address; /* HOST:PORT, :PORT, [IPv6]:PORT, or unix:/PATH */
	const char *const *hosts; /* further names in Host, see web_host_allowed(); borrowed */
	size_t host_count;
};

struct web_ops {
	/* Answer with web_respond(), now or later; later: after web_wait(). The request is valid during
	 * the call. */
	void (*request)(void *ctx, struct web_exchange *x, const struct web_request *r);
};

struct web_response {
	unsigned status; /* 0: 200 */
	const char *type; /* Content-Type; NULL: text/plain */
	struct strbuf *body; /* its contents are taken over; NULL: none */
	const char *constant; /* or a body that outlives the server */
	size_t constant_len;
	const char *headers; /* further lines, each with its \r\n; NULL: none */
};

struct web_counts {
	uint64_t requests, refused; /* refused: malformed, foreign host or site, too much at once */
	uint64_t evicted; /* connections that were too slow, or slowest when others came */
	size_t connections; /* now */
	size_t pending; /* bytes of answers not taken yet */
};

/* Listens. err says which address and why not. -EADDRINUSE where somebody else listens there. */
int web_new(struct loop *loop, const struct web_options *options, const struct web_ops *ops,
	void *ctx, struct web **ret, struct error *err) MUST_CHECK;
/* Ends all connections; for exchanges that wait, `gone` is called. */
void web_free(struct web *w);
const struct web_counts *web_counts(const struct web *w);
/* Where it listens in fact, with the port that the kernel chose for port 0: "127.0.0.1:4041". */
const char *web_address(const struct web *w);

/* Ends the exchange, whatever becomes of the bytes. */
void web_respond(struct web_exchange *x, const struct web_response *response);
/* The answer comes later. gone: the client went away first, the exchange is no more. */
void web_wait(struct web_exchange *x, void (*gone)(void *ctx), void *ctx);

#endif
