// SPDX-License-Identifier: Apache-2.0
/* What the files of this room share. Other rooms use http/http.h only. */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include <curl/curl.h>

#include "base/list.h"
#include "base/strbuf.h"
#include "http/http.h"
#include "http/token.h"

struct http {
	struct loop *loop;
};

struct http_client {
	struct http *http;
	CURLM *multi; /* its own: connections are never shared with another peer's credentials */
	struct http_client_options options;
	struct list_node requests;
	struct list_node sockets;
	struct loop_timer timeout; /* as libcurl asks for it */
	struct loop_timer start; /* running while a request waits to be given to libcurl */
	struct http_token *token; /* oauth2; NULL: none */
	unsigned depth; /* > 0: libcurl or a callback of ours is on the stack */
	bool doomed; /* freed from a callback; goes away when depth is 0 again */
};

struct http_request {
	struct http_client *client;
	struct list_node node;
	struct http_request_options
		options; /* pointers of the caller are cleared, but for callbacks */
	CURL *easy;
	CURLcode setup; /* the first refusal of a curl_easy_setopt() */
	struct curl_slist *headers, *connect_to;
	void *upload; /* our copy of the body */
	char *scheme;
	struct strbuf body;
	size_t header_bytes;
	long status; /* of the answer whose headers are complete */
	int abort_code; /* why we made libcurl stop */
	bool added; /* libcurl has it */
	bool dead; /* cancelled; never called back again */
	bool body_cut;
	bool led_elsewhere; /* by a redirect that is not followed */
	bool waits_for_token;
	bool token_renewed; /* the server refused the first one */
	unsigned token_serial; /* of the one that it goes with */
	char message[CURL_ERROR_SIZE]; /* why we made it stop; libcurl's would be that we did */
	char curl_message[CURL_ERROR_SIZE];
};

void http_oauth2_options_release(struct http_oauth2_options *o);

/* -EINVAL where options contradict each other. */
int http_client_options_check(const struct http_client_options *o, struct error *err);

/* Configures request->easy from the client's options and `o`. 0 or -errno. */
int http_easy_setup(struct http_request *request, const struct http_request_options *o,
	struct error *err);

/* Appends the value, or the trimmed contents of the file (one line), or nothing. */
int http_read_secret(const char *value, const char *file, struct strbuf *out, struct error *err);

/* Whether this answer is no news to anybody: the request is made again with another token. */
bool http_request_renews_token(const struct http_request *request);
/* Forgets the answer, so that it can be made again. */
void http_request_rewind(struct http_request *request);
/* Where libcurl never had it: ends it with this error. */
void http_request_fail(struct http_request *request, const struct error *err);
/* After libcurl ended it: calls on_done and frees it. */
void http_request_finish(struct http_request *request, CURLcode code);
void http_request_free(struct http_request *request);

/* Nanoseconds from the value of a Retry-After header, -1 where it is none; now in Unix seconds. */
int64_t http_retry_after_ns(const char *value, int64_t now_s);
/* The -errno that libcurl's code means; os_errno as CURLINFO_OS_ERRNO has it. */
int http_errno(CURLcode code, long os_errno);

#endif
