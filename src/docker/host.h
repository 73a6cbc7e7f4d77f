// SPDX-License-Identifier: Apache-2.0
/* Where the engine is and how to talk to it: the host option and what the docker client's environment says. */
#ifndef DOCKER_HOST_H
#define DOCKER_HOST_H

#include "base/error.h"
#include "http/http.h"

#define DOCKER_DEFAULT_HOST "unix:///var/run/docker.sock"

struct docker_host {
	char *shown; /* for a person, without credentials */
	char *base_url; /* request paths are appended */
	char *pinned_api; /* DOCKER_API_VERSION, NULL where it is not set */
};

void docker_host_release(struct docker_host *h);

/*
 * host: the option, NULL: DOCKER_HOST, else DOCKER_DEFAULT_HOST. DOCKER_TLS_VERIFY and DOCKER_CERT_PATH
 * count only for a tcp:// host that came from DOCKER_HOST, as in the docker client. *http is adapted:
 * emptied for unix sockets, as Prometheus ignores these settings there. -EINVAL.
 */
int docker_host_init(struct docker_host *h, const char *host, struct http_client_options *http,
	struct error *err);

#endif
