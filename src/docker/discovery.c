// SPDX-License-Identifier: Apache-2.0
/*
 * The life of the connection:
 *
 *	            fail: back off             .----------- refresh, events: look again
 *	  .-------------------------.          v                    |
 *	WAITING --> PINGING --> SUBSCRIBING --> LISTING --> FOLLOWING
 *	               ^                           |            |
 *	               '--- another API version ---'------------'  anything lost: WAITING
 *
 * Events are subscribed to before the list is asked for, so that nothing falls between the two. What
 * an event speaks of is looked at a moment later, together with what came meanwhile: a compose stack
 * that starts costs a few requests. No look begins sooner after the last one than that one took, so a
 * storm takes at most half of the engine's time, and ours.
 *
 * A stream that ends after it has lived well, as proxies and idle limits cause, is opened again
 * without a word; it is LOST only when that fails.
 */
#include "docker/discovery.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "docker/look.h"
#include "docker/watch.h"
#include "loop/backoff.h"

#define BACKOFF_MIN_NS (100 * NSEC_PER_MSEC)
#define BACKOFF_MAX_NS                                                                             \
	(2 * NSEC_PER_SEC) /* a try costs next to nothing; a container may be waiting */
/* Connected for so long, the peer is taken for a healthy one. */
#define HEALTHY_NS     (10 * NSEC_PER_SEC)
/* Events that belong together come within this. */
#define COALESCE_NS    (2 * NSEC_PER_MSEC)
/* The engine tells of a pause some moments before its own list knows of it. */
#define SETTLE_NS      (200 * NSEC_PER_MSEC)
/* Where events are forbidden. */
#define POLL_NS        (5 * NSEC_PER_SEC)
#define MIN_REFRESH_NS NSEC_PER_SEC

enum phase { IDLE, WAITING, PINGING, SUBSCRIBING, LISTING, FOLLOWING };

struct docker_discovery {
	struct docker_sd_options options;
	const struct docker_discovery_ops *ops;
	void *ctx;
	enum phase phase;
	struct engine engine;
	struct watch watch;
	struct look look;
	struct pending pending;
	bool full_wanted;
	bool polling;
	struct backoff backoff;
	struct loop_timer retry, refresh, look_soon, settle;
	int64_t following_since_ns;
	bool was_connected, told;
	enum docker_connection told_state;
	struct error told_err;
	bool noticed_networks, noticed_events;
	uint64_t failures;
};

void docker_sd_options_init(struct docker_sd_options *o)
{
	*o = (struct docker_sd_options){
		.refresh_interval_ns = 60 * NSEC_PER_SEC,
		.match_first_network = true,
		.port = 80,
		.host_networking_host = xstrdup("localhost"),
	};
	http_client_options_init(&o->http);
}

void docker_sd_options_release(struct docker_sd_options *o)
{
	for (size_t i = 0; i < o->filter_count; i++) {
		for (size_t j = 0; j < o->filters[i].value_count; j++)
			free(o->filters[i].values[j]);
		free(o->filters[i].values);
		free(o->filters[i].name);
	}
	free(o->filters);
	free(o->host);
	free(o->host_networking_host);
	http_client_options_release(&o->http);
	*o = (struct docker_sd_options){0};
}

static void report(struct docker_discovery *d, enum docker_connection state,
	const struct error *err)
{
	if (d->told && d->told_state == state &&
		(!err || !strcmp(err->message, d->told_err.message)))
		return;
	d->told = true;
	d->told_state = state;
	d->told_err = err ? *err : (struct error){0};
	d->ops->connection(d->ctx, state, err);
}

static void connect_now(struct docker_discovery *d)
{
	d->phase = PINGING;
	d->look.networks_forbidden = false;
	d->polling = false;
	engine_negotiate(&d->engine);
}

static void disconnect(struct docker_discovery *d)
{
	engine_forget(&d->engine);
	watch_stop(&d->watch);
	look_stop(&d->look);
	loop_timer_stop(&d->refresh);
	loop_timer_stop(&d->look_soon);
	loop_timer_stop(&d->settle);
}

/* learned: the engine named the API version it wants, so trying again at once makes sense. */
static void fail(struct docker_discovery *d, const struct error *err, bool learned)
{
	bool healthy =
		d->phase == FOLLOWING && clock_monotonic_ns() - d->following_since_ns >= HEALTHY_NS;

	log_debug("docker", "disconnected", LOG_STR("host", d->engine.host.shown),
		LOG_STR("reason", err->message));
	disconnect(d);
	d->failures++;
	if (healthy)
		backoff_reset(&d->backoff);
	if (!learned)
		d->engine.learned = 0;
	if (!learned && !healthy)
		report(d, d->was_connected ? DOCKER_LOST : DOCKER_CONNECTING, err);
	d->phase = WAITING;
	loop_timer_start(&d->retry, learned || healthy ? 0 : backoff_next_ns(&d->backoff));
}

static void on_retry(struct loop_timer *timer)
{
	connect_now(container_of(timer, struct docker_discovery, retry));
}

static void on_engine_ready(void *ctx)
{
	struct docker_discovery *d = ctx;

	d->phase = SUBSCRIBING;
	watch_start(&d->watch);
}

static void on_engine_fail(void *ctx, const struct error *err)
{
	fail(ctx, err, false);
}

static void look_now(struct docker_discovery *d)
{
	bool full = d->full_wanted;

	d->full_wanted = false;
	loop_timer_stop(&d->look_soon);
	look_start(&d->look, &d->pending, full);
}

static void on_look_soon(struct loop_timer *timer)
{
	struct docker_discovery *d = container_of(timer, struct docker_discovery, look_soon);

	if (!d->look.running)
		look_now(d);
}

/* When the running look is done, or after COALESCE_NS, or after a rest as long as the last one took. */
static void want_look(struct docker_discovery *d)
{
	if (d->look.running || loop_timer_running(&d->look_soon) || d->phase < LISTING)
		return;
	int64_t now = clock_monotonic_ns();
	int64_t rested = d->look.started_ns + 2 * d->look.took_ns;

	loop_timer_start_at(&d->look_soon, MAX(now + COALESCE_NS, rested));
}

static void on_refresh(struct loop_timer *timer)
{
	struct docker_discovery *d = container_of(timer, struct docker_discovery, refresh);

	d->full_wanted = true;
	want_look(d);
}

static void on_settle(struct loop_timer *timer)
{
	struct docker_discovery *d = container_of(timer, struct docker_discovery, settle);

	d->full_wanted = true;
	want_look(d);
}

static void begin_listing(struct docker_discovery *d)
{
	d->phase = LISTING;
	d->full_wanted = true;
	look_now(d);
}

static void on_subscribed(void *ctx)
{
	begin_listing(ctx);
}

static void on_event(void *ctx, struct docker_event *e)
{
	struct docker_discovery *d = ctx;
	const struct known_container *k = container_table_get(&d->look.containers, e->id);

	if (strcmp(e->action, "pause") == 0 || strcmp(e->action, "unpause") == 0)
		loop_timer_start(&d->settle, SETTLE_NS);
	pending_add(&d->pending, e, !k || !k->told);
	want_look(d);
}

static void on_events_forbidden(void *ctx, const struct error *err)
{
	struct docker_discovery *d = ctx;
	struct error notice = {0};

	d->polling = true;
	if (!d->noticed_events) {
		d->noticed_events = true;
		error_set(&notice, err->code,
			"%.300s; until then containers are listed every few seconds instead",
			err->message);
		d->ops->notice(d->ctx, &notice);
	}
	if (d->phase == SUBSCRIBING)
		begin_listing(d);
}

static void on_stream_lost(void *ctx, const struct error *err, bool learned)
{
	fail(ctx, err, learned);
}

static void on_container(void *ctx, const struct docker_container *c)
{
	struct docker_discovery *d = ctx;

	d->ops->container(d->ctx, c);
}

static void on_gone(void *ctx, const char *id)
{
	struct docker_discovery *d = ctx;

	d->ops->gone(d->ctx, id);
}

static void on_no_networks(void *ctx, const struct error *err)
{
	struct docker_discovery *d = ctx;
	struct error notice = {0};

	if (d->noticed_networks)
		return;
	d->noticed_networks = true;
	error_set(&notice, err->code,
		"%.300s; until then the __meta_docker_network_* labels other than the IP are missing",
		err->message);
	d->ops->notice(d->ctx, &notice);
}

static void on_look_done(void *ctx, bool full)
{
	struct docker_discovery *d = ctx;
	int64_t interval = MAX(d->options.refresh_interval_ns, MIN_REFRESH_NS);

	if (d->polling)
		interval = MIN(interval, POLL_NS);
	if (full)
		loop_timer_start(&d->refresh, interval);
	if (d->phase == LISTING) {
		d->phase = FOLLOWING;
		d->following_since_ns = clock_monotonic_ns();
		d->was_connected = true;
		report(d, DOCKER_CONNECTED, NULL);
	}
	if (d->full_wanted || pending_any(&d->pending))
		want_look(d);
}

static void on_look_failed(void *ctx, const struct error *err, bool learned)
{
	fail(ctx, err, learned);
}

static const struct watch_ops watch_ops = {
	.subscribed = on_subscribed,
	.event = on_event,
	.forbidden = on_events_forbidden,
	.lost = on_stream_lost,
};

static const struct look_ops look_ops = {
	.container = on_container,
	.gone = on_gone,
	.no_networks = on_no_networks,
	.done = on_look_done,
	.failed = on_look_failed,
};

int docker_discovery_new(struct loop *loop, struct http *http, struct docker_sd_options *options,
	const struct docker_discovery_ops *ops, void *ctx, struct docker_discovery **ret,
	struct error *err)
{
	struct docker_discovery *d = xcalloc(1, sizeof(*d));

	d->options = *options;
	*options = (struct docker_sd_options){0};
	int r = engine_init(&d->engine, d->options.host, http, &d->options.http, err);

	if (r < 0) {
		docker_sd_options_release(&d->options);
		free(d);
		return r;
	}
	d->ops = ops;
	d->ctx = ctx;
	d->engine.on_ready = on_engine_ready;
	d->engine.on_fail = on_engine_fail;
	d->engine.ctx = d;
	look_init(&d->look, &d->engine, &d->options, &look_ops, d);
	watch_init(&d->watch, loop, &d->engine, filters_have(d->look.filters, "health"), &watch_ops,
		d);
	pending_init(&d->pending);
	backoff_init(&d->backoff, BACKOFF_MIN_NS, BACKOFF_MAX_NS);
	loop_timer_init(loop, &d->retry, on_retry);
	loop_timer_init(loop, &d->settle, on_settle);
	loop_timer_init(loop, &d->refresh, on_refresh);
	loop_timer_init(loop, &d->look_soon, on_look_soon);
	*ret = d;
	return 0;
}

void docker_discovery_free(struct docker_discovery *d)
{
	if (!d)
		return;
	disconnect(d);
	loop_timer_stop(&d->retry);
	look_release(&d->look);
	watch_release(&d->watch);
	pending_release(&d->pending);
	engine_release(&d->engine);
	docker_sd_options_release(&d->options);
	free(d);
}

void docker_discovery_start(struct docker_discovery *d)
{
	loop_timer_start(&d->retry, 0);
}

void docker_discovery_stats(const struct docker_discovery *d, struct docker_discovery_stats *ret)
{
	*ret = (struct docker_discovery_stats){
		.events = d->watch.events,
		.looks = d->look.number,
		.failures = d->failures,
		.labels_skipped = d->look.labels_skipped,
		.containers = d->look.containers.by_id.count,
	};
}

const char *docker_discovery_host(const struct docker_discovery *d)
{
	return d->engine.host.shown;
}

const char *docker_discovery_api_version(const struct docker_discovery *d)
{
	return d->phase == FOLLOWING ? d->engine.version_text : "";
}

const char *docker_discovery_engine_version(const struct docker_discovery *d)
{
	return d->phase == FOLLOWING ? d->engine.engine_version : "";
}
