// SPDX-License-Identifier: Apache-2.0
/* The keys of Prometheus' http_config, which stand among those of docker_sd_configs and endpoint.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "config/scalar.h"
#include "config/sections.h"
#include "config/url.h"
#include "http/http.h"

#define AT(field)         offsetof(struct http_client_options, field)
#define AT_TLS(field)     offsetof(struct http_tls_options, field)
#define AT_PROXY(field)   offsetof(struct http_proxy_options, field)
#define MAX_HEADER_VALUE  8192 /* what common servers take */
#define TOKEN_PUNCTUATION "!#$%&'*+-.^_`|~"

static const struct config_key basic_auth_keys[] = {
	{.name = "username",
		.type = KEY_STRING,
		.offset = AT(basic_auth.username),
		.help = "The user name."},
	{.name = "username_file",
		.type = KEY_PATH,
		.offset = AT(basic_auth.username_file),
		.help = "A file that holds the user name."},
	{.name = "password",
		.type = KEY_SECRET,
		.offset = AT(basic_auth.password),
		.flags = KEY_MAY_BE_EMPTY,
		.help = "The password. Better in a file, or as `${VAR}`."},
	{.name = "password_file",
		.type = KEY_PATH,
		.offset = AT(basic_auth.password_file),
		.help = "A file that holds the password."},
	{0},
};

static const struct config_key authorization_keys[] = {
	{.name = "type",
		.type = KEY_STRING,
		.offset = AT(authorization.type),
		.def = "Bearer",
		.help = "The scheme in the Authorization header. For Basic write `basic_auth`."},
	{.name = "credentials",
		.type = KEY_SECRET,
		.offset = AT(authorization.credentials),
		.help = "What follows the scheme."},
	{.name = "credentials_file",
		.type = KEY_PATH,
		.offset = AT(authorization.credentials_file),
		.help = "A file that holds it."},
	{0},
};

static const char *const tls_versions[] = {"TLS10", "TLS11", "TLS12", "TLS13", NULL};

static const struct config_key tls_keys[] = {
	{.name = "ca",
		.type = KEY_STRING,
		.offset = AT_TLS(ca),
		.help = "Certificates (PEM) that the server's must descend from. Default: those of "
			"the "
			"system."},
	{.name = "ca_file",
		.type = KEY_PATH,
		.offset = AT_TLS(ca_file),
		.help = "The same, a file."},
	{.name = "cert",
		.type = KEY_STRING,
		.offset = AT_TLS(cert),
		.help = "The client's certificate (PEM)."},
	{.name = "cert_file",
		.type = KEY_PATH,
		.offset = AT_TLS(cert_file),
		.help = "The same, a file."},
	{.name = "key",
		.type = KEY_SECRET,
		.offset = AT_TLS(key),
		.help = "The client's private key (PEM)."},
	{.name = "key_file",
		.type = KEY_PATH,
		.offset = AT_TLS(key_file),
		.help = "The same, a file."},
	{.name = "ca_pem",
		.type = KEY_STRING,
		.flags = KEY_ALIAS,
		.offset = AT_TLS(ca),
		.help = "Another name of `ca`."},
	{.name = "cert_pem",
		.type = KEY_STRING,
		.flags = KEY_ALIAS,
		.offset = AT_TLS(cert),
		.help = "Another name of `cert`."},
	{.name = "key_pem",
		.type = KEY_SECRET,
		.flags = KEY_ALIAS,
		.offset = AT_TLS(key),
		.help = "Another name of `key`."},
	{.name = "server_name",
		.type = KEY_STRING,
		.offset = AT_TLS(server_name),
		.help = "The name the certificate must be for, where it is not the URL's host."},
	{.name = "insecure_skip_verify",
		.type = KEY_BOOL,
		.offset = AT_TLS(insecure_skip_verify),
		.def = "false",
		.help = "Accept any certificate."},
	{.name = "min_version",
		.type = KEY_CHOICE,
		.flags = KEY_CHOICE_IS_TEXT,
		.choices = tls_versions,
		.offset = AT_TLS(min_version),
		.help = "The oldest TLS version to accept. Default: the library's (TLS12)."},
	{0},
};

/* One name of http_headers. */
struct header_values {
	char **values, **secrets, **files;
	size_t value_count, secret_count, file_count;
};

static const struct config_key header_keys[] = {
	{.name = "values",
		.type = KEY_STRINGS,
		.offset = offsetof(struct header_values, values),
		.count_offset = offsetof(struct header_values, value_count),
		.help = "Values, each sent in a header of its own."},
	{.name = "secrets",
		.type = KEY_STRINGS,
		.flags = KEY_SECRET_ITEMS,
		.offset = offsetof(struct header_values, secrets),
		.count_offset = offsetof(struct header_values, secret_count),
		.help = "The same, never shown."},
	{.name = "files",
		.type = KEY_STRINGS,
		.flags = KEY_PATH_ITEMS,
		.offset = offsetof(struct header_values, files),
		.count_offset = offsetof(struct header_values, file_count),
		.help = "Files that hold a value; read when the configuration is."},
	{0},
};

static bool header_name_ok(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr(TOKEN_PUNCTUATION, *s))
			return false;
	return true;
}

/* What dockprof itself must say for a request to be one. */
static bool header_is_ours(const char *name)
{
	static const char *const ours[] = {"Host", "Connection", "Content-Length", "Content-Type",
		"Content-Encoding", "Transfer-Encoding", "Accept-Encoding",
		"Connect-Protocol-Version", "Upgrade", "Expect"};

	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		if (strcasecmp(name, ours[i]) == 0)
			return true;
	return false;
}

const char *header_name_problem(const char *name)
{
	if (!header_name_ok(name))
		return "not a header name; use letters, digits and -";
	return header_is_ours(name) ? "this header is set by dockprof; remove it" : NULL;
}

static bool header_name_read(struct config_reader *r, const struct node *key)
{
	const char *problem = header_name_problem(key->text);

	if (problem)
		reader_problem(r, key, "%s", problem);
	return !problem;
}

bool header_value_ok(const char *value)
{
	for (const char *p = value; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return false;
	return true;
}

/* Takes over `value`. */
static void add_header(struct config_reader *r, const struct node *key, char *value,
	struct http_client_options *o)
{
	char *owned cleanup_free = value;
	size_t len = strlen(value);

	if (!header_value_ok(value)) {
		reader_problem(r, key,
			"a value of the header %s has a line end or control character", key->text);
		return;
	}
	if (len > MAX_HEADER_VALUE) {
		reader_problem(r, key, "a value of the header %s is longer than %d bytes",
			key->text, MAX_HEADER_VALUE);
		return;
	}
	if (o->header_count == HEADERS_MAX) {
		reader_problem(r, key, "more than %d headers", HEADERS_MAX);
		return;
	}
	o->headers = xreallocarray(o->headers, o->header_count + 1, sizeof(*o->headers));
	o->headers[o->header_count++] = (struct http_header){
		.name = xstrdup(key->text),
		.value = steal_ptr(&owned),
	};
}

static void add_header_file(struct config_reader *r, const struct node *key, const char *path,
	struct http_client_options *o)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;
	int code = file_read_at(AT_FDCWD, path, MAX_HEADER_VALUE, &text);

	if (code < 0) {
		reader_problem(r, key, "cannot read %.200s: %s", path, strerror(-code));
		return;
	}
	while (text.len && isspace((unsigned char)text.buf[text.len - 1]))
		strbuf_set_len(&text, text.len - 1);
	add_header(r, key, strbuf_detach(&text), o);
}

static void header_values_read(struct config_reader *r, const struct node *key,
	const struct node *value, struct http_client_options *o)
{
	struct header_values v = {0};

	section_read(r, &http_header_section, value, &v);
	if (header_name_read(r, key)) {
		for (size_t i = 0; i < v.value_count; i++)
			add_header(r, key, xstrdup(v.values[i]), o);
		for (size_t i = 0; i < v.secret_count; i++)
			add_header(r, key, xstrdup(v.secrets[i]), o);
		for (size_t i = 0; i < v.file_count; i++)
			add_header_file(r, key, v.files[i], o);
	}
	strings_free(v.values, v.value_count);
	strings_free(v.secrets, v.secret_count);
	strings_free(v.files, v.file_count);
}

static void http_headers_read(struct config_reader *r, const struct config_key *key,
	const struct node *value, void *object)
{
	(void)key;
	if (!expect_map(r, "`http_headers`", value))
		return;
	for (size_t i = 0; i < node_entries(value); i++)
		header_values_read(r, node_key(value, i), node_value(value, i), object);
}

void headers_read(struct config_reader *r, const struct config_key *key, const struct node *value,
	void *object)
{
	struct http_client_options *o =
		(struct http_client_options *)(void *)((char *)object + key->offset);

	if (!expect_map(r, "`headers`", value))
		return;
	for (size_t i = 0; i < node_entries(value); i++) {
		struct strbuf text cleanup_strbuf = STRBUF_INIT;
		const struct node *name = node_key(value, i);

		if (header_name_read(r, name) &&
			scalar_text(r, "a header", true, node_value(value, i), &text))
			add_header(r, name, strbuf_detach(&text), o);
	}
}

/* Which of the names are there: how many, and the one that is last in the file. */
static size_t given(const struct node *map, const char *const *names, const struct node **ret_last)
{
	size_t count = 0;

	for (size_t i = 0; names[i]; i++) {
		const struct node *key = node_get_key(map, names[i]);

		if (!key)
			continue;
		count++;
		if (!*ret_last || key->line > (*ret_last)->line ||
			(key->line == (*ret_last)->line && key->column > (*ret_last)->column))
			*ret_last = key;
	}
	return count;
}

void at_most_one(struct config_reader *r, const struct node *map, const char *const *names)
{
	struct strbuf all cleanup_strbuf = STRBUF_INIT;
	const struct node *last = NULL;

	if (given(map, names, &last) < 2)
		return;
	for (size_t i = 0; names[i]; i++)
		strbuf_addf(&all, "%s`%s`", !i ? "" : names[i + 1] ? ", " : " and ", names[i]);
	reader_problem(r, last, "only one of %s can be set; remove `%s` or the other", all.buf,
		last->text);
}

static void check_basic_auth(struct config_reader *r, const struct node *map, void *object)
{
	const char *const names[] = {"username", "username_file", NULL};
	const struct node *last = NULL;

	(void)object;
	AT_MOST_ONE(r, map, "username", "username_file");
	AT_MOST_ONE(r, map, "password", "password_file");
	if (!given(map, names, &last))
		reader_problem(r, map, "`basic_auth` needs `username` or `username_file`");
}

static void check_authorization(struct config_reader *r, const struct node *map, void *object)
{
	const struct http_client_options *o = object;
	const char *const names[] = {"credentials", "credentials_file", NULL};
	const struct node *type = node_get(map, "type"), *last = NULL;

	AT_MOST_ONE(r, map, "credentials", "credentials_file");
	if (type && o->authorization.type && strcasecmp(o->authorization.type, "basic") == 0)
		reader_problem(r, type, "the type cannot be Basic; write `basic_auth` instead");
	else if (!given(map, names, &last))
		reader_problem(r, map, "`authorization` needs `credentials` or `credentials_file`");
}

static void check_tls(struct config_reader *r, const struct node *map, void *object)
{
	const char *const certs[] = {"cert", "cert_file", "cert_pem", NULL};
	const char *const keys[] = {"key", "key_file", "key_pem", NULL};
	const struct node *cert = NULL, *key = NULL;

	(void)object;
	AT_MOST_ONE(r, map, "ca", "ca_file", "ca_pem");
	AT_MOST_ONE(r, map, "cert", "cert_file", "cert_pem");
	AT_MOST_ONE(r, map, "key", "key_file", "key_pem");
	given(map, certs, &cert);
	given(map, keys, &key);
	if (cert && !key)
		reader_problem(r, cert, "a client certificate needs its key; add `key_file`");
	if (key && !cert)
		reader_problem(r, key, "a client key needs its certificate; add `cert_file`");
}

static void check_proxy(struct config_reader *r, const struct node *map, void *object)
{
	const struct http_proxy_options *o = object;
	static const char *const schemes[] = {"http", "https", "socks5", "socks5h", NULL};
	const struct node *url = node_get(map, "proxy_url");
	const struct node *no_proxy = node_get_key(map, "no_proxy");
	struct error err = {0};

	if (o->from_environment && url)
		reader_problem(r, node_get_key(map, "proxy_url"),
			"`proxy_from_environment` is true already; remove one of the two");
	if (o->from_environment && no_proxy)
		reader_problem(r, no_proxy,
			"with `proxy_from_environment` the variable NO_PROXY counts; remove this");
	else if (no_proxy && !url)
		reader_problem(r, no_proxy, "`no_proxy` has no use without `proxy_url`");
	if (url && o->url && url_check_proxy(o->url, schemes, &err) < 0)
		reader_problem(r, url, "`proxy_url`: %s", err.message);
}

static void check_http(struct config_reader *r, const struct node *map, void *object)
{
	(void)object;
	AT_MOST_ONE(r, map, "basic_auth", "authorization", "bearer_token", "bearer_token_file",
		"oauth2");
}

static const struct config_key proxy_keys[] = {
	{.name = "proxy_url",
		.type = KEY_STRING,
		.offset = AT_PROXY(url),
		.help = "The proxy to go through; with `user:password@` before its host where it asks "
			"for them (`%40` for an @ in them). They are never shown."},
	{.name = "no_proxy",
		.type = KEY_STRING,
		.offset = AT_PROXY(no_proxy),
		.help = "Hosts, separated by commas, that are reached without it."},
	{.name = "proxy_from_environment",
		.type = KEY_BOOL,
		.offset = AT_PROXY(from_environment),
		.def = "false",
		.help = "Take the proxy from HTTP_PROXY, HTTPS_PROXY and NO_PROXY."},
	{.name = "proxy_connect_header",
		.type = KEY_REFUSED,
		.help = "remove it, or let `proxy_url` name a proxy that needs none"},
	{0},
};

static const struct config_key http_keys[] = {
	{.name = "basic_auth",
		.type = KEY_SECTION,
		.section = &http_basic_auth_section,
		.help = "User name and password."},
	{.name = "authorization",
		.type = KEY_SECTION,
		.section = &http_authorization_section,
		.help = "An Authorization header with a token."},
	{.name = "bearer_token",
		.type = KEY_SECRET,
		.offset = AT(authorization.credentials),
		.help = "Short for `authorization` with these credentials."},
	{.name = "bearer_token_file",
		.type = KEY_PATH,
		.offset = AT(authorization.credentials_file),
		.help = "Short for `authorization` with this credentials file."},
	{.name = "oauth2",
		.type = KEY_SECTION,
		.section = &http_oauth2_section,
		.offset = AT(oauth2),
		.help = "A token from an OAuth 2.0 server."},
	{.name = "tls_config",
		.type = KEY_SECTION,
		.section = &http_tls_section,
		.offset = AT(tls),
		.help = "Certificates and what to accept."},
	{.name = "follow_redirects",
		.type = KEY_BOOL,
		.offset = AT(follow_redirects),
		.def = "true",
		.help = "Follow HTTP redirects (never to another scheme)."},
	{.name = "enable_http2",
		.type = KEY_BOOL,
		.offset = AT(enable_http2),
		.def = "true",
		.help = "Offer HTTP/2 to servers with TLS."},
	{.type = KEY_INLINE,
		.name = "Proxy keys",
		.section = &http_proxy_section,
		.offset = AT(proxy)},
	{.name = "http_headers",
		.type = KEY_CUSTOM,
		.flags = KEY_SECRET_INSIDE,
		.read = http_headers_read,
		.type_text = "a map of header names, each with `values`, `secrets` or `files`",
		.help = "More headers."},
	{0},
};

const struct config_section http_basic_auth_section = {
	.name = "`basic_auth`",
	.help = "At most one of each name and its `_file`; files are read for every request.",
	.keys = basic_auth_keys,
	.check = check_basic_auth,
};
const struct config_section http_authorization_section = {
	.name = "`authorization`",
	.help = "Exactly one of `credentials` and `credentials_file`.",
	.keys = authorization_keys,
	.check = check_authorization,
};
const struct config_section http_tls_section = {
	.name = "`tls_config`",
	.help = "At most one of each name and its `_file`. A client certificate needs its key.",
	.keys = tls_keys,
	.check = check_tls,
};
const struct config_section http_proxy_section = {
	.name = "Proxy keys",
	.help = "These stand among the HTTP keys and those of `oauth2`.",
	.keys = proxy_keys,
	.check = check_proxy,
};
const struct config_section http_header_section = {
	.name = "a name under `http_headers`",
	.help = "For each header name at least one of these.",
	.keys = header_keys,
};
const struct config_section http_section = {
	.name = "HTTP keys",
	.help = "These stand among the keys of `docker_sd_configs` (where they matter for http://, "
		"https:// and tcp:// hosts) and of `endpoint`, as in Prometheus' http_config. At "
		"most one of `basic_auth`, `authorization`, `bearer_token`, `bearer_token_file` "
		"and `oauth2`.",
	.keys = http_keys,
	.check = check_http,
};
