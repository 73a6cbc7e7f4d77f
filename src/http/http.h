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
#include "base/strbuf.h"
#include "loop/loop.h"

struct http; /* the libcurl side, one per loop */
struct http_client;
struct http_request;

struct http_header {
	char *name;
	char *value;
};

struct http_tls_options {
	char *ca, *ca_file, *cert, *cert_file, *key, *key_file, *server_name;
	bool insecure_skip_verify;
	char *min_version; /* TLS10 to TLS13 */
};

struct http_proxy_options {
	char *url, *no_proxy;
	bool from_environment;
};

/* A token by the client credentials grant of OAuth 2.0 (RFC 6749, 4.4). */
struct http_oauth2_options {
	char *token_url; /* NULL: no oauth2 */
	char *client_id;
	char *client_secret, *client_secret_file;
	char **scopes;
	size_t scope_count;
	struct http_param {
		char *name, *value;
	} * params; /* further ones of the request for the token */
	size_t param_count;
	struct http_tls_options tls; /* of that request, and so is the proxy */
	struct http_proxy_options proxy;
};

/* Names and meanings as in Prometheus' http_config. NULL strings: not given. All owned by the struct. */
struct http_client_options {
	char *unix_socket; /* path, or @NAME (abstract); the URL's host is then only a name */
	struct {
		char *username, *username_file, *password, *password_file;
	} basic_auth;
	struct {
		char *type; /* default "Bearer" */
		char *credentials, *credentials_file;
	} authorization; /* bearer_token and bearer_token_file are read into this */
	struct http_oauth2_options oauth2;
	struct http_tls_options tls;
	struct http_proxy_options proxy;
	struct http_header *headers;
	size_t header_count;
	bool follow_redirects; /* never to another scheme */
	bool enable_http2;
	unsigned max_connections; /* 0: 4 */
};

/* Prometheus' defaults (follow_redirects and enable_http2 true, nothing else set). */
void http_client_options_init(struct http_client_options *o);
void http_client_options_release(struct http_client_options *o);

int http_new(struct loop *loop, struct http **ret, struct error *err) MUST_CHECK;
/* All clients must be freed before. Not from a callback of a request. */
void http_free(struct http *http);

/*
 * Takes over the contents of *options (which is emptied, also on failure). -EINVAL where options
 * contradict each other or cannot be used. Secret and TLS files are read later, at each request or
 * connection, so that they may change.
 */
int http_client_new(struct http *http, struct http_client_options *options,
	struct http_client **ret, struct error *err) MUST_CHECK;
/* Cancels its requests without calling them back. Fine from a callback, and with NULL. */
void http_client_free(struct http_client *client);

struct http_result {
	/* 0: an answer with `status` arrived whole. -ETIMEDOUT, -ECONNREFUSED, -ENOENT (no such unix
	 * socket), -EACCES, -EHOSTUNREACH (name or route), -EPROTO (TLS, malformed), -ECONNRESET,
	 * -EFBIG (over max_body), what on_data returned, -EIO. The body of an answer that is no 2xx
	 * is cut at max_body and no error. */
	int code;
	long status; /* HTTP status, 0 where no answer came */
	const char *body; /* NUL-terminated; empty where on_data took it. Valid during on_done. */
	size_t body_len;
	const char *content_type; /* "" where missing */
	int64_t retry_after_ns; /* from Retry-After, -1 where missing */
	char message
		[256]; /* for a person, where code != 0: the reason; the caller names the peer */
	const struct http_request *request; /* for http_result_header() */
};

/* The last value of a header of the answer, "" where it is missing. Valid during on_done. */
const char *http_result_header(const struct http_result *result, const char *name);

/* Of one request; not owned. */
struct http_request_header {
	const char *name, *value;
};

struct http_request_options {
	const char *method; /* "GET", "POST" */
	const char *url;
	const struct http_request_header *headers; /* beside those of the client */
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
	 * after it. Callbacks may start and cancel any request and free the client. */
	void (*on_done)(void *ctx, const struct http_result *result);
	void *ctx;
};

/*
 * 0 or -errno (-EINVAL: the URL or a header, or that of reading a secret file); then on_done is never
 * called. *ret (may be NULL) is valid until on_done returns.
 */
int http_request_start(struct http_client *client, const struct http_request_options *options,
	struct http_request **ret, struct error *err) MUST_CHECK;
/* Ends it without a callback. NULL is fine. */
void http_request_cancel(struct http_request *request);

/* Seconds since the epoch of an HTTP date; 0 where it is none. */
int64_t http_date_s(const char *date);
/* Appends s percent-encoded for a query or path segment. */
void http_escape(struct strbuf *out, const char *s);
/* Appends scheme, host, port and path of the URL, for a person: no user, password, query, fragment. */
void http_show_url(struct strbuf *out, const char *url);

#endif
