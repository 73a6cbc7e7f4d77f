// SPDX-License-Identifier: Apache-2.0
/*
 * The engine answers with its headers at once and subscribes us right after; `since` (at first the
 * second of the ping, by the engine's clock) covers the moment between the two, and the gap after a
 * lost stream as far as the engine remembers (256 events). Getting an event twice does no harm.
 *
 * Only events that can change what we tell are asked for: health checks alone would otherwise wake us
 * three times per container and interval.
 */
#include "docker/watch.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"

#define EVENTS_PATH   "/events"
/* Proxies that buffer show no headers before the first event; then the list must not wait for it. */
#define IMPATIENCE_NS (2 * NSEC_PER_SEC)
/* A Date header has whole seconds. */
#define OVERLAP_S     2

static const char *const actions[] = {"start", "die", "stop", "restart", "pause", "unpause",
	"rename", "destroy", "update"};

static bool matters(const struct watch *w, const char *action)
{
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		if (!strcmp(actions[i], action))
			return true;
	return w->wants_health && !strncmp(action, "health_status", strlen("health_status"));
}

static void on_event(void *ctx, struct docker_event *e)
{
	struct watch *w = ctx;

	w->events++;
	if (e->time_ns > w->since_ns)
		w->since_ns = e->time_ns;
	if (e->container && e->id[0] && matters(w, e->action))
		w->ops->event(w->ctx, e);
}

static int on_data(void *ctx, const char *data, size_t len)
{
	return event_reader_feed(((struct watch *)ctx)->reader, data, len);
}

static void tell_subscribed(struct watch *w)
{
	loop_timer_stop(&w->impatience);
	if (w->told)
		return;
	w->told = true;
	w->ops->subscribed(w->ctx);
}

static void on_headers(void *ctx, long status)
{
	if (status == 200)
		tell_subscribed(ctx);
}

static void on_impatience(struct loop_timer *timer)
{
	tell_subscribed(container_of(timer, struct watch, impatience));
}

static void on_done(void *ctx, const struct http_result *result)
{
	struct watch *w = ctx;
	struct error err = {0};
	bool learned = engine_learn(w->engine, result);

	w->request = NULL;
	watch_stop(w);
	if (result->status == 200 && (!result->code || result->code == -ECONNRESET))
		error_set(&err, -ECONNRESET, "the engine has ended the event stream");
	else
		engine_explain(w->engine, result, EVENTS_PATH, "EVENTS=1", &err);
	if (!result->code &&
		(result->status == 403 || result->status == 404 || result->status == 405 ||
			result->status == 501))
		w->ops->forbidden(w->ctx, &err);
	else
		w->ops->lost(w->ctx, &err, learned);
}

void watch_init(struct watch *w, struct loop *loop, struct engine *engine, bool wants_health,
	const struct watch_ops *ops, void *ctx)
{
	*w = (struct watch){.engine = engine, .ops = ops, .ctx = ctx, .wants_health = wants_health};
	loop_timer_init(loop, &w->impatience, on_impatience);
}

void watch_release(struct watch *w)
{
	watch_stop(w);
}

void watch_stop(struct watch *w)
{
	http_request_cancel(w->request);
	w->request = NULL;
	event_reader_free(w->reader);
	w->reader = NULL;
	loop_timer_stop(&w->impatience);
}

static void add_query(const struct watch *w, struct strbuf *path)
{
	char name[] = "type", type[] = "container", *values[] = {type};
	struct docker_filter types = {.name = name, .values = values, .value_count = 1};
	const char *wanted[ARRAY_SIZE(actions) + 1] = {0};
	size_t count = 0;
	int64_t since = w->since_ns;

	for (; count < ARRAY_SIZE(actions); count++)
		wanted[count] = actions[count];
	if (w->wants_health)
		wanted[count++] = "health_status";
	filters_add_query(path, (struct filters){.list = &types, .count = 1}, "event", wanted,
		count);
	if (!since)
		since = w->engine->clock_s * NSEC_PER_SEC;
	if (since)
		strbuf_addf(path, "&since=%" PRId64 ".%09" PRId64, since / NSEC_PER_SEC,
			since % NSEC_PER_SEC);
}

void watch_start(struct watch *w)
{
	struct http_request_options o = {
		.on_data = on_data,
		.on_headers = on_headers,
		.on_done = on_done,
		.ctx = w,
	};
	struct strbuf path cleanup_strbuf = STRBUF_INIT;
	struct error err = {0};

	watch_stop(w);
	w->told = false;
	strbuf_add_str(&path, EVENTS_PATH "?");
	add_query(w, &path);
	w->reader = event_reader_new(on_event, w);
	loop_timer_start(&w->impatience, IMPATIENCE_NS);
	if (engine_get(w->engine, path.buf, &o, &w->request, &err) < 0) {
		watch_stop(w);
		w->ops->lost(w->ctx, &err, false);
	}
}
