// SPDX-License-Identifier: Apache-2.0
/*
 * The version is negotiated at each connection, since the daemon may have been upgraded in between:
 *
 *	GET /_ping -> Api-Version: 1.41      we speak the lower of that and our own
 *	            -> no such header, 403    paths without a version: the server's own is meant
 *	400 "... too new. Maximum supported API version is 1.40"      ping again, then speak that
 *
 * The third line is for daemons that raised their minimum above what they tell, and for proxies that
 * answer the ping themselves.
 */
#include "docker/engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "docker/readers.h"
#include "docker/version.h"

#define PING_TIMEOUT_NS (5 * NSEC_PER_SEC)

int engine_init(struct engine *e, const char *host, struct http *http,
	struct http_client_options *http_options, struct error *err)
{
	*e = (struct engine){0};
	int r = docker_host_init(&e->host, host, http_options, err);

	if (r == 0)
		r = http_client_new(http, http_options, &e->client, err);
	if (r < 0)
		docker_host_release(&e->host);
	return r;
}

void engine_release(struct engine *e)
{
	http_client_free(e->client);
	docker_host_release(&e->host);
	*e = (struct engine){0};
}

void engine_forget(struct engine *e)
{
	http_request_cancel(e->ping);
	e->ping = NULL;
	e->version = 0;
	e->version_text[0] = e->engine_version[0] = '\0';
}

/* From "Docker/20.10.24 (linux)" the version; from other servers all they say. */
static void read_server(struct engine *e, const char *server)
{
	if (!strncmp(server, "Docker/", 7))
		server += 7;
	snprintf(e->engine_version, sizeof(e->engine_version), "%.*s", (int)strcspn(server, " "),
		server);
}

static int choose_version(struct engine *e, const char *served, struct error *err)
{
	unsigned version = 0;

	if (e->host.pinned_api) {
		snprintf(e->version_text, sizeof(e->version_text), "%s", e->host.pinned_api);
		docker_version_parse(e->host.pinned_api, &e->version);
		return 0;
	}
	if (!docker_version_parse(served, &version)) {
		snprintf(e->version_text, sizeof(e->version_text), "unversioned");
		version = 0;
	} else if (version < DOCKER_VERSION_MIN) {
		return error_set(err, -EPROTONOSUPPORT,
			"its API version %s is too old: 1.24 (Docker Engine 1.12) or newer is needed",
			served);
	}
	if (e->learned)
		version = e->learned;
	else
		version = MIN(version, DOCKER_VERSION_MAX);
	e->version = version;
	if (version)
		docker_version_format(version, e->version_text, sizeof(e->version_text));
	return 0;
}

static void on_pong(void *ctx, const struct http_result *result)
{
	struct engine *e = ctx;
	bool refused = result->status == 403 || result->status == 404 || result->status == 405 ||
		result->status == 501;
	struct error err = {0};

	e->ping = NULL;
	if (result->code || (result->status != 200 && !refused)) {
		engine_explain(e, result, "/_ping", "PING=1", &err);
		e->on_fail(e->ctx, &err);
		return;
	}
	e->clock_s = http_date_s(http_result_header(result, "Date"));
	read_server(e, http_result_header(result, "Server"));
	if (choose_version(e, http_result_header(result, "Api-Version"), &err) < 0)
		e->on_fail(e->ctx, &err);
	else
		e->on_ready(e->ctx);
}

void engine_negotiate(struct engine *e)
{
	struct http_request_options o = {
		.timeout_ns = PING_TIMEOUT_NS,
		.on_done = on_pong,
		.ctx = e,
	};
	struct error err = {0};

	engine_forget(e);
	if (engine_get(e, "/_ping", &o, &e->ping, &err) < 0)
		e->on_fail(e->ctx, &err);
}

bool engine_learn(struct engine *e, const struct http_result *result)
{
	char message[256];
	unsigned wanted;

	if (result->code || result->status != 400 || e->host.pinned_api)
		return false;
	docker_error_message(result->body, result->body_len, message, sizeof(message));
	if (!docker_version_wanted(message, &wanted) || wanted == e->version ||
		wanted == e->learned || wanted < DOCKER_VERSION_MIN)
		return false;
	e->learned = wanted;
	return true;
}

int engine_get(struct engine *e, const char *path, struct http_request_options *o,
	struct http_request **ret, struct error *err)
{
	char version[16] = "";

	if (e->version)
		docker_version_format(e->version, version, sizeof(version));
	char *url cleanup_free =
		xasprintf("%s%s%s%s", e->host.base_url, e->version ? "/v" : "", version, path);

	o->method = "GET";
	o->url = url;
	return http_request_start(e->client, o, ret, err);
}

static int explain_code(const struct http_result *r, bool is_unix, const char *path,
	struct error *err)
{
	if (r->code == -EBADMSG)
		return error_set(err, r->code, "the answer to GET %s is not the Docker API's",
			path);
	if (is_unix && r->code == -EACCES)
		return error_set(err, r->code,
			"no permission for the socket: run dockprof as root, or in the group that owns it");
	if (is_unix && r->code == -ENOENT)
		return error_set(err, r->code,
			"the socket does not exist: is the Docker Engine running? In a container, "
			"mount it: volumes: [\"/var/run/docker.sock:/var/run/docker.sock:ro\"]");
	if (is_unix && r->code == -ECONNREFUSED)
		return error_set(err, r->code,
			"nobody listens at the socket: is the Docker Engine running?");
	return error_set(err, r->code, "GET %s: %s", path, r->message);
}

void engine_explain(const struct engine *e, const struct http_result *result, const char *path,
	const char *permission, struct error *err)
{
	char message[256];

	if (result->code) {
		explain_code(result, !strncmp(e->host.shown, "unix:", 5), path, err);
		return;
	}
	docker_error_message(result->body, result->body_len, message, sizeof(message));
	if (result->status == 401)
		error_set(err, -EACCES,
			"GET %s is answered 401: the credentials are missing or wrong", path);
	else if (result->status == 403)
		error_set(err, -EACCES,
			"GET %s is forbidden (403): where this is a socket proxy, give it %s", path,
			permission);
	else if (result->status == 400 && e->host.pinned_api && strstr(message, "API version"))
		error_set(err, -EPROTO, "DOCKER_API_VERSION=%s: %s", e->host.pinned_api, message);
	else
		error_set(err, -EPROTO, "GET %s is answered %ld%s%s", path, result->status,
			*message ? ": " : "; is this a Docker Engine?", message);
}
