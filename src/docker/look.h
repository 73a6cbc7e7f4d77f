// SPDX-License-Identifier: Apache-2.0
/*
 * A look at the engine: asks for containers (all of them, or some by id), and tells what has changed
 * since the last one. It holds what is known of containers and networks.
 */
#ifndef DOCKER_LOOK_H
#define DOCKER_LOOK_H

#include "docker/container_table.h"
#include "docker/engine.h"
#include "docker/filters.h"
#include "docker/meta_labels.h"
#include "docker/pending.h"
#include "docker/readers.h"

/* By id up to so many at once; a list of all is cheaper for the engine then, and URLs stay short. */
#define LOOK_MAX_IDS 50

struct look_ops {
	void (*container)(void *ctx, const struct docker_container *c);
	void (*gone)(void *ctx, const char *id);
	/* /networks is forbidden; told at each look that finds it so. */
	void (*no_networks)(void *ctx, const struct error *err);
	void (*done)(void *ctx, bool full);
	/* The look is over without result. learned: connecting again speaks another API version. */
	void (*failed)(void *ctx, const struct error *err, bool learned);
};

/* One container of the answer that waits for the others, or for its network. */
struct held_container {
	struct known_container *known;
	struct docker_summary summary;
};

struct look {
	struct engine *engine;
	struct filters filters;
	struct docker_meta_options meta;
	const struct look_ops *ops;
	void *ctx;
	struct container_table containers;
	struct network_table networks;
	struct network_table new_networks; /* while they stream in */
	bool networks_forbidden;
	uint64_t labels_skipped; /* too large or too many, since the start */

	bool running, full;
	uint64_t number;
	int64_t started_ns, took_ns;
	struct pending batch; /* what is looked for; also in a full look */
	struct http_request *request;
	struct container_reader *container_reader;
	struct network_reader *network_reader;
	bool networks_asked;
	struct held_container *held;
	size_t held_count, held_capacity;
};

/* The pointers must outlive it. */
void look_init(struct look *l, struct engine *engine, const struct docker_sd_options *options,
	const struct look_ops *ops, void *ctx);
void look_release(struct look *l);
/* Everything from *pending is part of it. Not while one is running. */
void look_start(struct look *l, struct pending *pending, bool full);
/* Ends it without a callback. */
void look_stop(struct look *l);

#endif
