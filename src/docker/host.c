// SPDX-License-Identifier: Apache-2.0
#include "docker/host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "docker/version.h"

#define TCP_PORT     "2375"
#define TCP_TLS_PORT "2376"

void docker_host_release(struct docker_host *h)
{
	free(h->shown);
	free(h->base_url);
	free(h->pinned_api);
	*h = (struct docker_host){0};
}

static const char *after(const char *s, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(s, prefix, len) ? NULL : s + len;
}

/* NULL where the variable is not set or empty. */
static const char *env(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

static int use_unix(struct docker_host *h, const char *path, struct http_client_options *http,
	struct error *err)
{
	if (*path != '/' && *path != '@')
		return error_set(err, -EINVAL, "the path of a unix:// host must be absolute: %s",
			path);
	http_client_options_release(http);
	http->unix_socket = xstrdup(path);
	h->base_url = xstrdup("http://docker");
	h->shown = xasprintf("unix://%s", path);
	return 0;
}

static int use_certificate(const char *dir, const char *name, char **ret, struct error *err)
{
	char *path = xasprintf("%s/%s", dir, name);

	free(*ret);
	*ret = path;
	if (access(path, R_OK) < 0) {
		error_set_errno(err, -errno,
			"DOCKER_TLS_VERIFY or DOCKER_CERT_PATH is set, so %s is needed", path);
		return -EINVAL;
	}
	return 0;
}

/* As the docker client: three files in one directory; without DOCKER_TLS_VERIFY nothing is verified. */
static int use_tls_from_environment(struct http_client_options *http, struct error *err)
{
	const char *dir = env("DOCKER_CERT_PATH");
	char *in_home cleanup_free = NULL;

	if (!dir) {
		in_home = xasprintf("%s/.docker", env("HOME") ? env("HOME") : "/root");
		dir = in_home;
	}
	int r = use_certificate(dir, "ca.pem", &http->tls.ca_file, err);

	if (r == 0)
		r = use_certificate(dir, "cert.pem", &http->tls.cert_file, err);
	if (r == 0)
		r = use_certificate(dir, "key.pem", &http->tls.key_file, err);
	http->tls.insecure_skip_verify = !env("DOCKER_TLS_VERIFY");
	return r;
}

static bool wants_tls(const struct http_client_options *http)
{
	return http->tls.ca || http->tls.ca_file || http->tls.cert || http->tls.cert_file ||
		http->tls.server_name || http->tls.insecure_skip_verify;
}

/* "host", "[v6]:1", "host:1/path": whether a port is there. */
static bool has_port(const char *authority)
{
	size_t len = strcspn(authority, "/");
	const char *colon = memrchr(authority, ':', len);
	const char *bracket = memrchr(authority, ']', len);

	return colon && colon > bracket;
}

static void use_url(struct docker_host *h, const char *scheme, const char *rest, const char *port)
{
	struct strbuf url cleanup_strbuf = STRBUF_INIT;
	struct strbuf shown cleanup_strbuf = STRBUF_INIT;
	size_t authority = strcspn(rest, "/");

	strbuf_addf(&url, "%s://%.*s%s%s%s", scheme, (int)authority, rest, port ? ":" : "",
		port ? port : "", rest + authority);
	while (url.buf[url.len - 1] == '/')
		strbuf_set_len(&url, url.len - 1);
	h->base_url = xstrdup(url.buf);
	http_show_url(&shown, h->base_url);
	if (shown.buf[shown.len - 1] == '/')
		strbuf_set_len(&shown, shown.len - 1);
	h->shown = xstrdup(shown.buf);
}

static int use_tcp(struct docker_host *h, const char *rest, bool from_environment,
	struct http_client_options *http, struct error *err)
{
	if (from_environment && (env("DOCKER_TLS_VERIFY") || env("DOCKER_CERT_PATH"))) {
		int r = use_tls_from_environment(http, err);

		if (r < 0)
			return r;
	}
	bool tls = wants_tls(http);
	const char *port = tls ? TCP_TLS_PORT : TCP_PORT;

	use_url(h, tls ? "https" : "http", rest, has_port(rest) ? NULL : port);
	return 0;
}

static int use_host(struct docker_host *h, const char *host, bool from_environment,
	struct http_client_options *http, struct error *err)
{
	const char *rest = after(host, "unix://");

	if (rest)
		return use_unix(h, rest, http, err);
	if (strpbrk(host, "?# \t\r\n"))
		return error_set(err, -EINVAL,
			"the host must not have a query, fragment or blanks");
	if (((rest = after(host, "tcp://")) || (rest = after(host, "http://")) ||
		    (rest = after(host, "https://"))) &&
		(!*rest || *rest == '/' || *rest == ':'))
		return error_set(err, -EINVAL, "the host has no name");
	if ((rest = after(host, "tcp://")))
		return use_tcp(h, rest, from_environment, http, err);
	if ((rest = after(host, "http://"))) {
		use_url(h, "http", rest, NULL);
		return 0;
	}
	if ((rest = after(host, "https://"))) {
		use_url(h, "https", rest, NULL);
		return 0;
	}
	if (*host == '/')
		return error_set(err, -EINVAL, "the host needs a scheme: unix://%s", host);
	return error_set(err, -EINVAL,
		"the host must begin with unix://, tcp://, http:// or https://, not with %.*s",
		(int)MIN(strcspn(host, "/:@"), (size_t)16), host);
}

int docker_host_init(struct docker_host *h, const char *host, struct http_client_options *http,
	struct error *err)
{
	const char *name = host;
	const char *pinned = env("DOCKER_API_VERSION");
	unsigned version;

	*h = (struct docker_host){0};
	if (!host)
		name = env("DOCKER_HOST");
	int r = use_host(h, name ? name : DOCKER_DEFAULT_HOST, !host, http, err);

	if (r == 0 && pinned && !docker_version_parse(pinned, &version))
		r = error_set(err, -EINVAL, "DOCKER_API_VERSION must look like 1.41, not %.32s",
			pinned);
	if (r < 0) {
		docker_host_release(h);
		error_prefix(err, "%s", host ? "docker_sd_configs" : "Docker environment");
		return r;
	}
	if (pinned)
		h->pinned_api = xstrdup(pinned);
	return 0;
}
