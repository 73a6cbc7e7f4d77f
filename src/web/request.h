// SPDX-License-Identifier: Apache-2.0
/*
 * The head of an HTTP/1.1 request (RFC 9112), as a browser, curl, Prometheus or go tool pprof sends it.
 * Strict: what two parsers could read differently is refused. Works on memory, opens nothing.
 */
#ifndef WEB_REQUEST_H
#define WEB_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"
#include "base/strbuf.h"

#define WEB_HEAD_MAX 8192 /* as most servers have it; a browser with long cookies needs 4 KiB */
#define WEB_BODY_MAX 4096 /* nothing here takes a body; what forms and curl send along is skipped */

enum web_method { WEB_GET, WEB_HEAD, WEB_POST, WEB_PUT };

/* All strings are part of the head, "" where the request has no such thing. */
struct web_request {
	enum web_method method;
	const char *path; /* percent-decoded, starts with /, holds no control bytes */
	const char *query; /* behind the ?, as it came */
	const char *host, *accept, *origin, *fetch_site, *fetch_mode, *fetch_dest;
	size_t content_length;
	bool keep_alive;
};

/*
 * How long the head at the beginning of `data` is, with its empty line; 0 where it is not whole yet,
 * SIZE_MAX where it is longer than WEB_HEAD_MAX.
 */
size_t web_head_length(const char *data, size_t len);
/* Takes a whole head apart, in place. 0, or the status to answer with (400, 405, 413, 501, 505). */
unsigned web_request_parse(char *head, size_t len, struct web_request *ret) MUST_CHECK;

/* Appends the decoded value of the first parameter of that name. False where there is none. */
bool web_query_get(const struct web_request *r, const char *name, struct strbuf *ret);
/* A decimal number; fallback where it is missing, -1 where it is none or above max. */
long long web_query_number(const struct web_request *r, const char *name, long long fallback,
	long long max);

/*
 * Whether a browser that shows a page of a stranger can be made to ask with this Host (DNS rebinding):
 * true only for addresses, localhost, names without a dot, and the `allowed` ones.
 */
bool web_host_allowed(const char *host, const char *const *allowed, size_t count);
/* Whether a page of another site made the browser ask, other than by a link to here: a frame is none. */
bool web_cross_site(const struct web_request *r);

#endif
