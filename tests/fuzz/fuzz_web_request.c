// SPDX-License-Identifier: Apache-2.0
/*
 * What a connection sends to the web server: heads with their bodies, one behind the other, taken apart as the
 * server does. Whatever comes, what is handed on lies in the head, is decoded, and holds no control bytes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "web/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void require_text(const char *s, size_t len)
{
	require(strlen(s) == len);
	for (; *s; s++)
		require((unsigned char)*s >= 0x20 && *s != 0x7f);
}

/* A field of the request: "", or a string that ends within the head. */
static void require_within(const char *s, const char *head, size_t len)
{
	require(!*s || (s > head && s + strlen(s) < head + len));
}

static void ask(const struct web_request *r)
{
	static const char *const names[] = {"format", "id", "seconds", ""};
	static const char *const allowed[] = {"dockprof.example.com"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct strbuf value cleanup_strbuf = STRBUF_INIT;
		long long number = web_query_number(r, names[i], 30, 300);

		strbuf_add_str(&value, "before");
		bool found = web_query_get(r, names[i], &value);

		require_text(value.buf, value.len);
		require(strncmp(value.buf, "before", 6) == 0 && (found || value.len == 6));
		require(number >= -1 && number <= 300 && (found || number == 30));
	}
	bool known = web_host_allowed(r->host, allowed, ARRAY_SIZE(allowed));

	require(!web_host_allowed(r->host, NULL, 0) || known);
	/* Of another site only what a link can do. */
	if (!web_cross_site(r) && strcasecmp(r->fetch_site, "cross-site") == 0)
		require(r->method == WEB_GET || r->method == WEB_HEAD);
}

static bool is_status(unsigned status)
{
	return status == 400 || status == 405 || status == 413 || status == 501 || status == 505;
}

/* How much the request at the beginning takes; 0: no more is looked at. */
static size_t serve(const char *data, size_t size)
{
	size_t len = web_head_length(data, size);
	struct web_request r;

	require(len <= size || len == SIZE_MAX);
	if (!len || len == SIZE_MAX)
		return 0;
	require(len <= WEB_HEAD_MAX);
	char *head cleanup_free = xmemdup(data, len);
	unsigned status = web_request_parse(head, len, &r);

	if (status) {
		require(is_status(status));
		return 0;
	}
	require(r.path > head && *r.path == '/' && r.path + strlen(r.path) < head + len);
	require_text(r.path, strlen(r.path));
	require(r.content_length <= WEB_BODY_MAX);
	const char *const fields[] = {r.query, r.host, r.accept, r.origin, r.fetch_site,
		r.fetch_mode, r.fetch_dest};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		require_within(fields[i], head, len);
	ask(&r);
	return size - len < r.content_length ? 0 : len + r.content_length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *at = (const char *)data;

	for (size_t taken; size && (taken = serve(at, size)); size -= taken)
		at += taken;
	return 0;
}
