// SPDX-License-Identifier: Apache-2.0
#include "http/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "base/alloc.h"
#include "base/cleanup.h"

void http_client_options_init(struct http_client_options *o)
{
	*o = (struct http_client_options){.follow_redirects = true, .enable_http2 = true};
}

static void release_tls(struct http_tls_options *tls)
{
	free(tls->ca);
	free(tls->ca_file);
	free(tls->cert);
	free(tls->cert_file);
	free_secret(tls->key);
	free(tls->key_file);
	free(tls->server_name);
	free(tls->min_version);
}

static void release_proxy(struct http_proxy_options *proxy)
{
	free_secret(proxy->url);
	free(proxy->no_proxy);
}

void http_oauth2_options_release(struct http_oauth2_options *o)
{
	free(o->token_url);
	free(o->client_id);
	free_secret(o->client_secret);
	free(o->client_secret_file);
	for (size_t i = 0; i < o->scope_count; i++)
		free(o->scopes[i]);
	free(o->scopes);
	for (size_t i = 0; i < o->param_count; i++) {
		free(o->params[i].name);
		free_secret(o->params[i].value);
	}
	free(o->params);
	release_tls(&o->tls);
	release_proxy(&o->proxy);
	*o = (struct http_oauth2_options){0};
}

void http_client_options_release(struct http_client_options *o)
{
	free(o->unix_socket);
	free(o->basic_auth.username);
	free(o->basic_auth.username_file);
	free_secret(o->basic_auth.password);
	free(o->basic_auth.password_file);
	free(o->authorization.type);
	free_secret(o->authorization.credentials);
	free(o->authorization.credentials_file);
	http_oauth2_options_release(&o->oauth2);
	release_tls(&o->tls);
	release_proxy(&o->proxy);
	for (size_t i = 0; i < o->header_count; i++) {
		free(o->headers[i].name);
		free_secret(o->headers[i].value);
	}
	free(o->headers);
	http_client_options_init(o);
}

struct pair {
	const char *a, *b;
	const char *names;
};

static int check_exclusive(const struct http_client_options *o, struct error *err)
{
	const struct pair pairs[] = {
		{o->basic_auth.username, o->basic_auth.username_file,
			"basic_auth username and username_file"},
		{o->basic_auth.password, o->basic_auth.password_file,
			"basic_auth password and password_file"},
		{o->authorization.credentials, o->authorization.credentials_file,
			"authorization credentials and credentials_file"},
		{o->tls.ca, o->tls.ca_file, "tls_config ca and ca_file"},
		{o->tls.cert, o->tls.cert_file, "tls_config cert and cert_file"},
		{o->tls.key, o->tls.key_file, "tls_config key and key_file"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
		if (pairs[i].a && pairs[i].b)
			return error_set(err, -EINVAL, "at most one of %s can be given",
				pairs[i].names);
	return 0;
}

static bool has_basic_auth(const struct http_client_options *o)
{
	return o->basic_auth.username || o->basic_auth.username_file || o->basic_auth.password ||
		o->basic_auth.password_file;
}

static bool tls_version_known(const char *v)
{
	return !v || !*v || !strcmp(v, "TLS10") || !strcmp(v, "TLS11") || !strcmp(v, "TLS12") ||
		!strcmp(v, "TLS13");
}

static int check_proxy(const struct http_proxy_options *o, struct error *err)
{
	static const char *const schemes[] = {"http://", "https://", "socks5://", "socks5h://"};

	if (o->url && o->from_environment)
		return error_set(err, -EINVAL,
			"at most one of proxy_url and proxy_from_environment can be given");
	if (o->no_proxy && !o->url)
		return error_set(err, -EINVAL, "no_proxy needs proxy_url");
	if (!o->url)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++)
		if (!strncasecmp(o->url, schemes[i], strlen(schemes[i])))
			return 0;
	return error_set(err, -EINVAL, "proxy_url must begin with http://, https:// or socks5://");
}

/* Its TLS and proxy are checked with the client that they are for. */
static int check_oauth2(const struct http_client_options *o, struct error *err)
{
	if (!o->oauth2.token_url)
		return 0;
	if (has_basic_auth(o) || o->authorization.credentials || o->authorization.credentials_file)
		return error_set(err, -EINVAL,
			"at most one of basic_auth, authorization and oauth2 can be given");
	if (!o->oauth2.client_id)
		return error_set(err, -EINVAL, "oauth2 needs client_id");
	if (!o->oauth2.client_secret == !o->oauth2.client_secret_file)
		return error_set(err, -EINVAL,
			"oauth2 needs client_secret or client_secret_file, and only one of them");
	return 0;
}

int http_client_options_check(const struct http_client_options *o, struct error *err)
{
	int r = check_exclusive(o, err);

	if (r < 0)
		return r;
	if (has_basic_auth(o) &&
		(o->authorization.credentials || o->authorization.credentials_file))
		return error_set(err, -EINVAL,
			"at most one of basic_auth and authorization can be given");
	if (!(o->tls.cert || o->tls.cert_file) != !(o->tls.key || o->tls.key_file))
		return error_set(err, -EINVAL,
			"a TLS client certificate needs both its certificate and its key");
	if (!tls_version_known(o->tls.min_version))
		return error_set(err, -EINVAL,
			"tls_config min_version must be TLS10, TLS11, TLS12 or TLS13, not %s",
			o->tls.min_version);
	if (o->unix_socket &&
		(!*o->unix_socket ||
			strlen(o->unix_socket) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)))
		return error_set(err, -EINVAL, "the path of a unix socket has 1 to 107 bytes: %s",
			o->unix_socket);
	r = check_oauth2(o, err);
	return r < 0 ? r : check_proxy(&o->proxy, err);
}
