// SPDX-License-Identifier: Apache-2.0
/*
 * Follows the containers of one Docker Engine: subscribes to its events, then lists, then keeps up;
 * after any gap it does both again and reconciles. Prometheus' docker_sd_configs, but streaming.
 */
#ifndef DOCKER_DISCOVERY_H
#define DOCKER_DISCOVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "http/http.h"
#include "loop/loop.h"
#include "target/labels.h"

#define DOCKER_ID_LEN 64

struct docker_filter {
	char *name;
	char **values;
	size_t value_count;
};

/* Keys and defaults of Prometheus' docker_sd_configs. Strings owned. */
struct docker_sd_options {
	char *host; /* unix://, tcp://, http://, https://; NULL: DOCKER_HOST, else unix:///var/run/docker.sock */
	int64_t refresh_interval_ns; /* of the reconciling list; default 60 s */
	struct docker_filter *filters;
	size_t filter_count;
	bool match_first_network; /* accepted; one container is one target in any case */
	unsigned port; /* default 80 */
	char *host_networking_host; /* default "localhost" */
	struct http_client_options http;
};

void docker_sd_options_init(struct docker_sd_options *o);
void docker_sd_options_release(struct docker_sd_options *o);

enum docker_container_state { DOCKER_RUNNING, DOCKER_PAUSED };

/* Pointers are valid during the callback. */
struct docker_container {
	const char *id; /* 64 lower-case hex digits */
	const char *name; /* without the leading slash; never empty (short id where it has none) */
	enum docker_container_state state;
	/* __address__ and __meta_docker_*, see docker/meta_labels.h. Of a container that was removed
	 * before it could be looked at: id, name, image and container labels. */
	const struct labels *labels;
};

enum docker_connection {
	DOCKER_CONNECTING, /* not reached yet; said once, with the reason */
	DOCKER_CONNECTED, /* events are followed and the list is complete */
	DOCKER_LOST, /* was connected; trying again; containers are kept */
};

/* Called from the loop. They must not free the discovery. */
struct docker_discovery_ops {
	/* New, labels or state changed, or started again (then also with nothing else changed). Also for
	 * one that was started and has ended since the last look (followed at once by gone). */
	void (*container)(void *ctx, const struct docker_container *c);
	/* Not running any more (or not selected by the filters any more). */
	void (*gone)(void *ctx, const char *id);
	/* The connection's state changed, or the reason for CONNECTING/LOST did (err set then). */
	void (*connection)(void *ctx, enum docker_connection state, const struct error *err);
	/* Something the user should know and can mend, said once per reason: no access to /networks,
	 * events forbidden by a proxy so that lists must do, ... */
	void (*notice)(void *ctx, const struct error *err);
};

struct docker_discovery;

/* Takes over the contents of *options. Fails only where an option is unusable (-EINVAL). */
MUST_CHECK int docker_discovery_new(struct loop *loop, struct http *http,
	struct docker_sd_options *options, const struct docker_discovery_ops *ops, void *ctx,
	struct docker_discovery **ret, struct error *err);
void docker_discovery_free(struct docker_discovery *d);
/* Begins; callbacks come from the loop. */
void docker_discovery_start(struct docker_discovery *d);

/* Since the start. */
struct docker_discovery_stats {
	uint64_t events; /* received, of any kind */
	uint64_t looks, failures; /* lists asked for; connections that failed or were lost */
	uint64_t
		labels_skipped; /* too large or too many, see docker/pairs.h; each time they were seen */
	size_t containers; /* known now */
};

void docker_discovery_stats(const struct docker_discovery *d, struct docker_discovery_stats *ret);
const char *docker_discovery_host(const struct docker_discovery *d);
/*
 * Negotiated API version ("1.41"; "unversioned" where the engine does not tell) and engine version; ""
 * while not connected.
 */
const char *docker_discovery_api_version(const struct docker_discovery *d);
const char *docker_discovery_engine_version(const struct docker_discovery *d);

#endif
