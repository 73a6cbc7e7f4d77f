// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP requests on the event loop, by libcurl's multi socket interface. A client is one peer: where it
 * is, how to authenticate, which TLS; requests share its connections.
 */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "loop/loop.h"

struct http; /* the libcurl side, one per loop */
struct http_client;
struct http_request;

struct http_header {
	char *name;
	char *value;
};

/* Names and meanings as in Prometheus' http_config. NULL strings: not given. All owned by the struct. */
struct http_client_options {
	char *unix_socket; /* path; the URL's host is then only a name */
	struct {
		char *username, *username_file, *password, *password_file;
	} basic_auth;
	struct {
		char *type; /* default "Bearer" */
		char *credentials, *credentials_file;
	} authorization; /* bearer_token and bearer_token_file are read into this */
	struct {
		char *ca, *ca_file, *cert, *cert_file, *key, *key_file, *server_name;
		bool insecure_skip_verify;
		char *min_version; /* TLS10 to TLS13 */
	} tls;
	struct http_header *headers;
	size_t header_count;
	char *proxy_url, *no_proxy;
	bool proxy_from_environment;
	bool follow_redirects; /* never to another scheme */
	bool enable_http2;
	unsigned max_connections; /* 0: 4 */
};

/* Prometheus' defaults (follow_redirects and enable_http2 true, nothing else set). */
void http_client_options_init(struct http_client_options *o);
void http_client_options_release(struct http_client_options *o);

int http_new(struct loop *loop, struct http **ret, struct error *err);
/* All clients must be freed before. */
void http_free(struct http *http);

/* Takes over the contents of *options (which is emptied). */
int http_client_new(struct http *http, struct http_client_options *options,
	struct http_client **ret, struct error *err);
/* Cancels its requests without calling them back. */
void http_client_free(struct http_client *client);

struct http_result {
	/* 0: an answer with `status` arrived whole. -ETIMEDOUT, -ECONNREFUSED, -ENOENT (no such unix
	 * socket), -EACCES, -EHOSTUNREACH (name or route), -EPROTO (TLS, malformed), -ECONNRESET,
	 * -EFBIG (over max_body), -EIO. */
	int code;
	long status; /* HTTP status, 0 where no answer came */
	const char *body; /* NUL-terminated; empty where on_data took it. Valid during on_done. */
	size_t body_len;
	const char *content_type; /* "" where missing */
	int64_t retry_after_ns; /* from Retry-After, -1 where missing */
	char message[256]; /* for a person, where code != 0 */
};

struct http_request_options {
	const char *method; /* "GET", "POST" */
	const char *url;
	const struct http_header *headers; /* beside those of the client */
	size_t header_count;
	const void *body; /* copied unless body_borrowed; NULL: none */
	size_t body_len;
	bool body_borrowed; /* stays valid until on_done */
	int64_t timeout_ns; /* of the whole request; 0: none (endless streams) */
	int64_t connect_timeout_ns; /* 0: 5 s */
	size_t max_body; /* of the answer, not counting what on_data took; 0: 1 MiB */
	/* Takes the body of a 2xx answer piece by piece (decoded). Non-zero aborts the request with
	 * that -errno. NULL: the body is gathered for on_done. */
	int (*on_data)(void *ctx, const char *data, size_t len);
	/* The headers of the answer have arrived. May be NULL. */
	void (*on_headers)(void *ctx, long status);
	/* Once, last, from the loop, never from within http_request_start(). The request is freed
	 * after it. */
	void (*on_done)(void *ctx, const struct http_result *result);
	void *ctx;
};

/* 0 or -errno; then on_done is never called. *ret (may be NULL) is valid until on_done returns. */
int http_request_start(struct http_client *client, const struct http_request_options *options,
	struct http_request **ret, struct error *err);
/* Ends it without a callback. NULL is fine. */
void http_request_cancel(struct http_request *request);

/* Appends s percent-encoded for a query or path segment. */
struct strbuf;
void http_escape(struct strbuf *out, const char *s);

#endif
