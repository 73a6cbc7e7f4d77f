// SPDX-License-Identifier: Apache-2.0
/*
 * From our options to those of a libcurl easy handle. What libcurl would do by itself and we do not
 * want is switched off here: signals, proxies from the environment, other protocols, waiting for DNS
 * at the end, "Expect: 100-continue", URLs that lead to another scheme.
 *
 * Secrets given as files are read here, once per request, so that rotating one needs no restart.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "http/client.h"

/* A token or password; more than that is a wrong file. */
#define MAX_SECRET                 65536
#define DEFAULT_CONNECT_TIMEOUT_NS (5 * NSEC_PER_SEC)
/* As Go's client has it. */
#define MAX_REDIRECTS              10
/* A peer that vanished is noticed after 30 + 3 * 10 s, also on a stream that is idle for hours. */
#define KEEPALIVE_IDLE_S           30L
#define KEEPALIVE_INTERVAL_S       10L

#define set(r, option, value)                                                                      \
	do {                                                                                       \
		CURLcode code_ = curl_easy_setopt((r)->easy, option, value);                       \
		if (code_ && !(r)->setup)                                                          \
			(r)->setup = code_;                                                        \
	} while (0)

static void set_blob(struct http_request *r, CURLoption option, const char *text)
{
	struct curl_blob blob = {
		.data = xmemdup(text, strlen(text)),
		.len = strlen(text),
		.flags = CURL_BLOB_COPY,
	};
	CURLcode code = curl_easy_setopt(r->easy, option, &blob);

	if (code && !r->setup)
		r->setup = code;
	explicit_bzero(blob.data, blob.len);
	free(blob.data);
}

static void trim(struct strbuf *sb)
{
	size_t skip = 0;

	while (sb->len > 0 && isspace((unsigned char)sb->buf[sb->len - 1]))
		strbuf_set_len(sb, sb->len - 1);
	while (isspace((unsigned char)sb->buf[skip]))
		skip++;
	strbuf_consume(sb, skip);
}

int http_read_secret(const char *value, const char *file, struct strbuf *out, struct error *err)
{
	if (value) {
		strbuf_add_str(out, value);
		return 0;
	}
	if (!file)
		return 0;
	int r = file_read_at(AT_FDCWD, file, MAX_SECRET, out);

	if (r < 0)
		return error_set_errno(err, r, "cannot read %s", file);
	trim(out);
	if (strlen(out->buf) != out->len || strpbrk(out->buf, "\r\n"))
		return error_set(err, -EINVAL, "%s must hold one line of text", file);
	return 0;
}

static int add_header(struct http_request *r, const char *name, const char *value,
	struct error *err)
{
	struct strbuf line cleanup_strbuf = STRBUF_INIT;

	if (!*name || strpbrk(name, "\r\n: \t") || strpbrk(value, "\r\n"))
		return error_set(err, -EINVAL, "the header \"%.64s\" is not valid", name);
	/* A semicolon is libcurl's way to send a header that has no value. */
	strbuf_addf(&line, *value ? "%s: %s" : "%s;", name, value);
	struct curl_slist *longer = curl_slist_append(r->headers, line.buf);

	if (!longer)
		return error_set(err, -ENOMEM, "libcurl: out of memory");
	r->headers = longer;
	return 0;
}

static int set_auth(struct http_request *r, struct error *err)
{
	const struct http_client_options *o = &r->client->options;
	struct strbuf a cleanup_strbuf = STRBUF_INIT;
	struct strbuf b cleanup_strbuf = STRBUF_INIT;
	int e = http_read_secret(o->basic_auth.username, o->basic_auth.username_file, &a, err);

	if (e == 0)
		e = http_read_secret(o->basic_auth.password, o->basic_auth.password_file, &b, err);
	if (e < 0)
		return e;
	if (a.len > 0 || b.len > 0) {
		set(r, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		set(r, CURLOPT_USERNAME, a.buf);
		set(r, CURLOPT_PASSWORD, b.buf);
	}
	strbuf_reset(&b);
	e = http_read_secret(o->authorization.credentials, o->authorization.credentials_file, &b,
		err);
	if (e < 0 || b.len == 0)
		return e;
	strbuf_reset(&a);
	strbuf_addf(&a, "%s %s", o->authorization.type ? o->authorization.type : "Bearer", b.buf);
	e = add_header(r, "Authorization", a.buf, err);
	explicit_bzero(a.buf, a.len);
	explicit_bzero(b.buf, b.len);
	return e;
}

static int set_headers(struct http_request *r, const struct http_request_options *o,
	struct error *err)
{
	const struct http_client_options *c = &r->client->options;
	int e = set_auth(r, err);

	for (size_t i = 0; e == 0 && i < c->header_count; i++)
		e = add_header(r, c->headers[i].name, c->headers[i].value, err);
	for (size_t i = 0; e == 0 && i < o->header_count; i++)
		e = add_header(r, o->headers[i].name, o->headers[i].value, err);
	if (e < 0)
		return e;
	struct curl_slist *longer = curl_slist_append(r->headers, "Expect:");

	if (!longer)
		return error_set(err, -ENOMEM, "libcurl: out of memory");
	r->headers = longer;
	set(r, CURLOPT_HTTPHEADER, r->headers);
	return 0;
}

static long tls_version(const char *name)
{
	if (!name || !*name || !strcmp(name, "TLS12"))
		return CURL_SSLVERSION_TLSv1_2;
	if (!strcmp(name, "TLS13"))
		return CURL_SSLVERSION_TLSv1_3;
	return !strcmp(name, "TLS11") ? CURL_SSLVERSION_TLSv1_1 : CURL_SSLVERSION_TLSv1_0;
}

static void set_tls(struct http_request *r)
{
	const struct http_client_options *o = &r->client->options;

	set(r, CURLOPT_SSLVERSION, tls_version(o->tls.min_version));
	if (o->tls.insecure_skip_verify) {
		set(r, CURLOPT_SSL_VERIFYPEER, 0L);
		set(r, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	if (o->tls.ca || o->tls.ca_file)
		set(r, CURLOPT_CAPATH, NULL);
	if (o->tls.ca)
		set_blob(r, CURLOPT_CAINFO_BLOB, o->tls.ca);
	if (o->tls.ca_file) {
		set(r, CURLOPT_CAINFO, o->tls.ca_file);
		set(r, CURLOPT_CA_CACHE_TIMEOUT, 0L); /* else it is read once a day */
	}
	if (o->tls.cert)
		set_blob(r, CURLOPT_SSLCERT_BLOB, o->tls.cert);
	if (o->tls.cert_file)
		set(r, CURLOPT_SSLCERT, o->tls.cert_file);
	if (o->tls.key)
		set_blob(r, CURLOPT_SSLKEY_BLOB, o->tls.key);
	if (o->tls.key_file)
		set(r, CURLOPT_SSLKEY, o->tls.key_file);
}

/* As Go, unlike libcurl, also HTTP_PROXY in capitals: we are no CGI program. */
static void set_proxy(struct http_request *r)
{
	const struct http_client_options *o = &r->client->options;

	if (o->unix_socket || (!o->proxy.url && !o->proxy.from_environment)) {
		set(r, CURLOPT_PROXY, "");
		return;
	}
	const char *lower = getenv("http_proxy"), *upper = getenv("HTTP_PROXY");

	if (o->proxy.url)
		set(r, CURLOPT_PROXY, o->proxy.url);
	else if (!strcmp(r->scheme, "http") && !(lower && *lower) && upper)
		set(r, CURLOPT_PROXY, upper);
	/* Else libcurl takes NO_PROXY of the environment, which is for the proxy of the environment. */
	if (o->proxy.url)
		set(r, CURLOPT_NOPROXY, o->proxy.no_proxy ? o->proxy.no_proxy : "");
	set(r, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

static void set_connection(struct http_request *r, const struct http_request_options *o)
{
	const struct http_client_options *c = &r->client->options;
	int64_t connect_ns =
		o->connect_timeout_ns > 0 ? o->connect_timeout_ns : DEFAULT_CONNECT_TIMEOUT_NS;
	bool http2 = c->enable_http2 && !strcmp(r->scheme, "https");

	if (c->unix_socket && c->unix_socket[0] == '@')
		set(r, CURLOPT_ABSTRACT_UNIX_SOCKET, c->unix_socket + 1);
	else if (c->unix_socket)
		set(r, CURLOPT_UNIX_SOCKET_PATH, c->unix_socket);
	set(r, CURLOPT_NOSIGNAL, 1L);
	set(r, CURLOPT_QUICK_EXIT, 1L); /* never waits for a resolver thread that hangs */
	set(r, CURLOPT_TCP_KEEPALIVE, 1L);
	set(r, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	set(r, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
	set(r, CURLOPT_HTTP_VERSION,
		(long)(http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
	if (http2)
		set(r, CURLOPT_PIPEWAIT, 1L); /* one connection carries all */
	set(r, CURLOPT_CONNECTTIMEOUT_MS, (long)MAX(connect_ns / NSEC_PER_MSEC, INT64_C(1)));
	if (o->timeout_ns > 0)
		set(r, CURLOPT_TIMEOUT_MS, (long)MAX(o->timeout_ns / NSEC_PER_MSEC, INT64_C(1)));
	set(r, CURLOPT_FOLLOWLOCATION, c->follow_redirects && !c->unix_socket ? 1L : 0L);
	set(r, CURLOPT_MAXREDIRS, (long)MAX_REDIRECTS);
	set(r, CURLOPT_POSTREDIR, (long)CURL_REDIR_POST_ALL);
	set(r, CURLOPT_PROTOCOLS_STR, "http,https");
	set(r, CURLOPT_REDIR_PROTOCOLS_STR, r->scheme);
}

static void set_body(struct http_request *r, const struct http_request_options *o)
{
	const void *body = o->body;

	if (!o->method || !strcmp(o->method, "GET"))
		return;
	if (!strcmp(o->method, "HEAD")) {
		set(r, CURLOPT_NOBODY, 1L);
		return;
	}
	if (body && !o->body_borrowed)
		body = r->upload = xmemdup(o->body, o->body_len);
	set(r, CURLOPT_POST, 1L);
	set(r, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)(body ? o->body_len : 0));
	set(r, CURLOPT_POSTFIELDS, body ? body : "");
	if (strcmp(o->method, "POST"))
		set(r, CURLOPT_CUSTOMREQUEST, o->method);
}

static void release_url(CURLU **u)
{
	curl_url_cleanup(*u);
}

static char *url_part(CURLU *u, CURLUPart part)
{
	char *text = NULL, *copy;

	if (curl_url_get(u, part, &text, part == CURLUPART_PORT ? CURLU_DEFAULT_PORT : 0))
		return xstrdup("");
	copy = xstrdup(text);
	curl_free(text);
	return copy;
}

/*
 * tls server_name: libcurl takes SNI and the name to verify from the URL, so the URL gets that name,
 * the connection goes to the real host, and the Host header names the real host as well.
 */
static int use_server_name(struct http_request *r, CURLU *u, struct error *err)
{
	const char *name = r->client->options.tls.server_name;
	char *host cleanup_free = url_part(u, CURLUPART_HOST);
	char *port cleanup_free = url_part(u, CURLUPART_PORT);
	struct strbuf line cleanup_strbuf = STRBUF_INIT;

	if (!name || !*name || strcmp(r->scheme, "https"))
		return 0;
	strbuf_addf(&line, "%s:%s:%s:%s", name, port, host, port);
	r->connect_to = curl_slist_append(NULL, line.buf);
	if (!r->connect_to || curl_url_set(u, CURLUPART_HOST, name, 0))
		return error_set(err, -EINVAL, "the TLS server_name %s is not valid", name);
	set(r, CURLOPT_CONNECT_TO, r->connect_to);
	strbuf_reset(&line);
	strbuf_addf(&line, strcmp(port, "443") ? "%s:%s" : "%s", host, port);
	return add_header(r, "Host", line.buf, err);
}

static int set_url(struct http_request *r, const char *url, struct error *err)
{
	CURLU *u __attribute__((cleanup(release_url))) = curl_url();
	struct strbuf shown cleanup_strbuf = STRBUF_INIT;

	http_show_url(&shown, url);
	if (!u || curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME))
		return error_set(err, -EINVAL, "the URL is malformed");
	r->scheme = url_part(u, CURLUPART_SCHEME);
	if (strcmp(r->scheme, "http") && strcmp(r->scheme, "https"))
		return error_set(err, -EINVAL, "%s: only http and https are possible", shown.buf);
	int e = use_server_name(r, u, err);

	if (e < 0)
		return e;
	char *text cleanup_free = url_part(u, CURLUPART_URL);

	set(r, CURLOPT_URL, text);
	return 0;
}

int http_easy_setup(struct http_request *r, const struct http_request_options *o, struct error *err)
{
	int e = set_url(r, o->url, err);

	if (e == 0)
		e = set_headers(r, o, err);
	if (e < 0)
		return e;
	set_connection(r, o);
	set_proxy(r);
	if (!strcmp(r->scheme, "https"))
		set_tls(r);
	set_body(r, o);
	set(r, CURLOPT_USERAGENT, "dockprof/" DOCKPROF_VERSION);
	set(r, CURLOPT_ERRORBUFFER, r->curl_message);
	set(r, CURLOPT_PRIVATE, r);
	if (r->setup)
		return error_set(err, -EINVAL, "libcurl: %s", curl_easy_strerror(r->setup));
	return 0;
}
