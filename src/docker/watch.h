// SPDX-License-Identifier: Apache-2.0
/* The engine's event stream: one endless request. */
#ifndef DOCKER_WATCH_H
#define DOCKER_WATCH_H

#include "docker/engine.h"
#include "docker/filters.h"
#include "docker/readers.h"

struct watch_ops {
	/* The engine has accepted the request, or a proxy keeps that to itself for a while. */
	void (*subscribed)(void *ctx);
	/* Containers only. May take things out of *e. */
	void (*event)(void *ctx, struct docker_event *e);
	/* Events are not to be had here. */
	void (*forbidden)(void *ctx, const struct error *err);
	/* The stream has ended or never began. learned: as for look_ops. */
	void (*lost)(void *ctx, const struct error *err, bool learned);
};

struct watch {
	struct engine *engine;
	const struct watch_ops *ops;
	void *ctx;
	bool wants_health; /* filters by health: such events matter */
	struct http_request *request;
	struct event_reader *reader;
	struct loop_timer impatience;
	bool told; /* subscribed */
	int64_t since_ns; /* the engine's clock: of the last event; 0: none yet */
	uint64_t events; /* since the start */
};

void watch_init(struct watch *w, struct loop *loop, struct engine *engine, bool wants_health,
	const struct watch_ops *ops, void *ctx);
void watch_release(struct watch *w);
void watch_start(struct watch *w);
/* Ends it without a callback. */
void watch_stop(struct watch *w);

#endif
