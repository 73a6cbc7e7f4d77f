// SPDX-License-Identifier: Apache-2.0
/*
 * One request: what libcurl hands over on the way (headers, pieces of the body), and what is told at
 * the end. All callbacks of libcurl run inside drive() of client.c, so users may do anything from
 * theirs; after each one `dead` says whether somebody cancelled us in the meantime.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "http/client.h"

#define DEFAULT_MAX_BODY  ((size_t)1 << 20)
/* All header lines of one answer; real ones have a few hundred bytes. */
#define MAX_HEADERS       65536
/* What a server may ask us to wait: a day. More is a mistake or malice. */
#define MAX_RETRY_AFTER_S 86400

static bool is_success(long status)
{
	return status >= 200 && status < 300;
}

/* Answers that are not the last one: 1xx, and redirects that libcurl goes on to follow. */
static bool is_final(struct http_request *r, long status)
{
	struct curl_header *location;

	if (status < 200)
		return false;
	if (status < 300 || status >= 400 || !r->client->options.follow_redirects ||
		r->client->options.unix_socket)
		return true;
	return curl_easy_header(r->easy, "Location", 0, CURLH_HEADER, -1, &location) != CURLHE_OK;
}

static void release_url(CURLU **u)
{
	curl_url_cleanup(*u);
}

/* Appends "host:port"; false where the URL has none. */
static bool add_host(CURLU *u, struct strbuf *out)
{
	char *host = NULL, *port = NULL;
	bool fine = !curl_url_get(u, CURLUPART_HOST, &host, 0) &&
		!curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);

	if (fine)
		strbuf_addf(out, "%s:%s", host, port);
	curl_free(host);
	curl_free(port);
	return fine;
}

/*
 * Whether the redirect that is about to be followed leads to another host or port. libcurl then leaves out
 * Authorization, but no other header, and those of the configuration may be secrets.
 */
static bool leads_elsewhere(struct http_request *r)
{
	CURLU *u __attribute__((cleanup(release_url))) = curl_url();
	struct strbuf here cleanup_strbuf = STRBUF_INIT, there cleanup_strbuf = STRBUF_INIT;
	struct curl_header *location;
	const char *url = NULL;

	if (curl_easy_header(r->easy, "Location", 0, CURLH_HEADER, -1, &location) != CURLHE_OK)
		return false;
	curl_easy_getinfo(r->easy, CURLINFO_EFFECTIVE_URL, &url);
	if (!u || !url || curl_url_set(u, CURLUPART_URL, url, 0) || !add_host(u, &here) ||
		curl_url_set(u, CURLUPART_URL, location->value, 0) || !add_host(u, &there))
		return true;
	return strcasecmp(here.buf, there.buf) != 0;
}

static bool may_go_there(struct http_request *r, long status)
{
	if (status < 300 || !r->client->options.header_count || !leads_elsewhere(r))
		return true;
	r->abort_code = -EPROTO;
	r->led_elsewhere = true;
	return false;
}

static size_t on_header(char *line, size_t size, size_t count, void *ctx)
{
	struct http_request *r = ctx;
	size_t len = size * count;
	long status = 0;

	if (r->dead)
		return 0;
	if (len >= 5 && !memcmp(line, "HTTP/", 5) && !r->status)
		r->header_bytes = 0;
	r->header_bytes += len;
	if (r->header_bytes > MAX_HEADERS) {
		r->abort_code = -EPROTO;
		snprintf(r->message, sizeof(r->message),
			"the headers of the answer are larger than %d bytes", MAX_HEADERS);
		return 0;
	}
	if (line[0] != '\r' && line[0] != '\n')
		return len;
	curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
	if (r->status)
		return len;
	if (!is_final(r, status))
		return may_go_there(r, status) ? len : 0;
	r->status = status;
	if (r->options.on_headers && !http_request_renews_token(r))
		r->options.on_headers(r->options.ctx, status);
	return r->dead ? 0 : len;
}

static size_t gather(struct http_request *r, const char *data, size_t len)
{
	size_t room = r->options.max_body - r->body.len;

	if (len <= room) {
		strbuf_add(&r->body, data, len);
		return len;
	}
	if (!is_success(r->status)) {
		strbuf_add(&r->body, data, room);
		r->body_cut = true;
		return CURL_WRITEFUNC_ERROR;
	}
	r->abort_code = -EFBIG;
	snprintf(r->message, sizeof(r->message), "the answer is larger than %zu bytes",
		r->options.max_body);
	return CURL_WRITEFUNC_ERROR;
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
	struct http_request *r = ctx;
	size_t len = size * count;

	if (r->dead)
		return CURL_WRITEFUNC_ERROR;
	if (!r->options.on_data || !is_success(r->status))
		return gather(r, data, len);
	r->abort_code = r->options.on_data(r->options.ctx, data, len);
	if (r->abort_code < 0 && !r->dead)
		snprintf(r->message, sizeof(r->message), "%s", strerror(-r->abort_code));
	return r->abort_code || r->dead ? CURL_WRITEFUNC_ERROR : len;
}

static int connect_errno(long os_errno)
{
	switch (os_errno) {
	case ECONNREFUSED:
	case ENOENT:
	case ECONNRESET:
	case ETIMEDOUT:
		return (int)-os_errno;
	case EACCES:
	case EPERM:
		return -EACCES;
	default:
		return -EHOSTUNREACH;
	}
}

int http_errno(CURLcode code, long os_errno)
{
	switch (code) {
	case CURLE_OK:
		return 0;
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_COULDNT_CONNECT:
		return connect_errno(os_errno);
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return -EHOSTUNREACH;
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_PARTIAL_FILE:
		return -ECONNRESET;
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_URL_MALFORMAT:
	case CURLE_TOO_MANY_REDIRECTS:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
	case CURLE_BAD_CONTENT_ENCODING:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_ENGINE_NOTFOUND:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
	case CURLE_SSL_INVALIDCERTSTATUS:
	case CURLE_SSL_CLIENTCERT:
	case CURLE_PEER_FAILED_VERIFICATION:
		return -EPROTO;
	case CURLE_OUT_OF_MEMORY:
		return -ENOMEM;
	default:
		return -EIO;
	}
}

int64_t http_date_s(const char *date)
{
	time_t t = curl_getdate(date, NULL);

	return t < 0 ? 0 : (int64_t)t;
}

int64_t http_retry_after_ns(const char *value, int64_t now_s)
{
	char *end;

	if (!*value)
		return -1;
	errno = 0;
	long long wait = strtoll(value, &end, 10);

	if (end == value || errno || *end || wait < 0) {
		int64_t date = http_date_s(value);

		if (!date)
			return -1;
		wait = MAX(date - now_s, INT64_C(0));
	}
	return MIN(wait, MAX_RETRY_AFTER_S) * NSEC_PER_SEC;
}

const char *http_result_header(const struct http_result *result, const char *name)
{
	struct curl_header *header;

	if (curl_easy_header(result->request->easy, name, 0, CURLH_HEADER, -1, &header))
		return "";
	return header->value;
}

/* "OpenSSL SSL_read: OpenSSL/3.0.19: error:0A000412:SSL routines::tlsv1 alert ..., errno 0" */
static const char *tls_reason(const char *message)
{
	static const char mark[] = "SSL routines::";
	const char *at = strstr(message, mark);

	return at ? at + strlen(mark) : NULL;
}

static void explain(struct http_request *r, CURLcode code, struct http_result *result)
{
	const char *reason = r->message[0] ? r->message : r->curl_message;
	long os_errno = 0;

	curl_easy_getinfo(r->easy, CURLINFO_OS_ERRNO, &os_errno);
	result->code = r->abort_code ? r->abort_code : http_errno(code, os_errno);
	if (r->led_elsewhere)
		reason = "redirected to another host, which is not to see the configured headers";
	else if (code == CURLE_COULDNT_CONNECT && os_errno)
		reason = strerror((int)os_errno);
	else if (!*reason)
		reason = curl_easy_strerror(code);
	const char *tls = tls_reason(reason);

	if (tls) {
		result->code = -EPROTO;
		snprintf(result->message, sizeof(result->message), "TLS: %.*s",
			(int)strcspn(tls, ","), tls);
		return;
	}
	snprintf(result->message, sizeof(result->message), "%s", reason);
}

void http_request_finish(struct http_request *r, CURLcode code)
{
	const char *type = NULL;
	struct http_result result = {
		.body = r->body.buf,
		.body_len = r->body.len,
		.status = r->status,
		.content_type = "",
		.request = r,
	};

	if (r->dead) {
		http_request_free(r);
		return;
	}
	if (r->added)
		curl_multi_remove_handle(r->client->multi, r->easy);
	r->added = false;
	if (code && !r->body_cut)
		explain(r, code, &result);
	if (!curl_easy_getinfo(r->easy, CURLINFO_CONTENT_TYPE, &type) && type)
		result.content_type = type;
	result.retry_after_ns = http_retry_after_ns(http_result_header(&result, "Retry-After"),
		clock_realtime_ns() / NSEC_PER_SEC);
	r->dead = true;
	if (r->options.on_done)
		r->options.on_done(r->options.ctx, &result);
	http_request_free(r);
}

bool http_request_renews_token(const struct http_request *r)
{
	return r->client->token && r->status == 401 && !r->token_renewed;
}

void http_request_rewind(struct http_request *r)
{
	if (r->added)
		curl_multi_remove_handle(r->client->multi, r->easy);
	r->added = false;
	r->status = 0;
	r->header_bytes = 0;
	strbuf_reset(&r->body);
	r->body_cut = false;
	r->message[0] = r->curl_message[0] = '\0';
}

void http_request_fail(struct http_request *r, const struct error *err)
{
	r->abort_code = err->code;
	snprintf(r->message, sizeof(r->message), "%.*s", CURL_ERROR_SIZE - 1, err->message);
	http_request_finish(r, CURLE_ABORTED_BY_CALLBACK);
}

void http_request_free(struct http_request *r)
{
	list_remove(&r->node);
	if (r->added)
		curl_multi_remove_handle(r->client->multi, r->easy);
	curl_easy_cleanup(r->easy);
	curl_slist_free_all(r->headers);
	curl_slist_free_all(r->connect_to);
	strbuf_release(&r->body);
	free(r->upload);
	free(r->scheme);
	free(r);
}

static void keep_options(struct http_request *r, const struct http_request_options *o)
{
	r->options = (struct http_request_options){
		.max_body = o->max_body ? o->max_body : DEFAULT_MAX_BODY,
		.on_data = o->on_data,
		.on_headers = o->on_headers,
		.on_done = o->on_done,
		.ctx = o->ctx,
	};
}

int http_request_start(struct http_client *client, const struct http_request_options *o,
	struct http_request **ret, struct error *err)
{
	CURL *easy = curl_easy_init();

	if (!easy)
		return error_set(err, -ENOMEM, "libcurl: out of memory");
	struct http_request *r = xcalloc(1, sizeof(*r));

	r->client = client;
	r->easy = easy;
	strbuf_init(&r->body);
	list_init(&r->node);
	keep_options(r, o);
	int e = http_easy_setup(r, o, err);

	if (e < 0) {
		http_request_free(r);
		return e;
	}
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, r);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, r);
	list_append(&client->requests, &r->node);
	loop_timer_start(&client->start, 0);
	if (ret)
		*ret = r;
	return 0;
}

void http_request_cancel(struct http_request *r)
{
	if (!r || r->dead)
		return;
	r->dead = true;
	if (r->client->depth == 0)
		http_request_free(r);
}
