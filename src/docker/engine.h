// SPDX-License-Identifier: Apache-2.0
/* One Docker Engine as a peer: which API version to speak, requests by path, errors in words. */
#ifndef DOCKER_ENGINE_H
#define DOCKER_ENGINE_H

#include "base/error.h"
#include "docker/host.h"
#include "http/http.h"

struct engine {
	struct docker_host host;
	struct http_client *client;
	struct http_request *ping;
	unsigned version; /* see docker/version.h; 0: paths without version, the server chooses */
	unsigned learned; /* from the server's refusal of another; 0: nothing */
	char version_text[16]; /* "" while not negotiated */
	char engine_version[64];
	int64_t clock_s; /* the engine's, rounded down, when it was pinged; 0: unknown */
	void (*on_ready)(void *ctx);
	void (*on_fail)(void *ctx, const struct error *err);
	void *ctx;
};

/* Takes over *http_options. -EINVAL. */
int engine_init(struct engine *e, const char *host, struct http *http,
	struct http_client_options *http_options, struct error *err);
void engine_release(struct engine *e);

/* Asks the engine for its version; on_ready or on_fail follows. */
void engine_negotiate(struct engine *e);
/* Ends that, and forgets what was negotiated. */
void engine_forget(struct engine *e);
/*
 * Where the answer says that the version is not served but another is, remembers that for
 * engine_negotiate(). False where it says nothing, or nothing new.
 */
bool engine_learn(struct engine *e, const struct http_result *result);

/* GET. `path` without version; o's method and url are set here. 0 or -errno. */
int engine_get(struct engine *e, const char *path, struct http_request_options *o,
	struct http_request **ret, struct error *err) MUST_CHECK;

/*
 * Why a request did not give what was asked for. `path` as for a person ("/events"), `permission` what
 * a socket proxy calls the right to it ("EVENTS=1").
 */
void engine_explain(const struct engine *e, const struct http_result *result, const char *path,
	const char *permission, struct error *err);

#endif
