// SPDX-License-Identifier: Apache-2.0
/*
 * Paths to functions, and the parts of the agent's life that the face takes part in. Nothing here decides
 * anything about profiling: without a listener the agent is the same.
 */
#include "face.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "face_parts.h"
#include "web/page.h"

#define APPLY_NS     (100 * NSEC_PER_MSEC) /* for the answer to a reload to leave */
/* Looking up a host's name waits for the network, and the loop with it: a fiftieth of its time at most. */
#define LISTEN_SHARE 49

struct route {
	const char *path;
	void (*answer)(struct face *f, struct web_exchange *x, const struct web_request *r);
	bool changes; /* something: PUT or POST only, and where web.enable_lifecycle allows it */
};

void face_text(struct web_exchange *x, unsigned status, const char *text)
{
	struct strbuf body = STRBUF_INIT;

	strbuf_add_str(&body, text);
	web_respond(x, &(struct web_response){.status = status, .body = &body});
}

void face_json(struct web_exchange *x, unsigned status, struct strbuf *body)
{
	web_respond(x,
		&(struct web_response){.status = status, .type = "application/json", .body = body});
}

void face_error(struct web_exchange *x, unsigned status, const char *type, const char *message)
{
	struct strbuf body = STRBUF_INIT;
	struct json j = {.out = &body};

	json_open(&j, NULL, '{');
	json_string(&j, "status", "error");
	json_string(&j, "errorType", type);
	json_string(&j, "error", message);
	json_close(&j, '}');
	face_json(x, status, &body);
}

static void answer_page(struct face *f, struct web_exchange *x, const struct web_request *r)
{
	struct strbuf headers cleanup_strbuf = STRBUF_INIT;

	(void)f;
	(void)r;
	page_headers(&headers);
	web_respond(x,
		&(struct web_response){
			.type = "text/html; charset=utf-8",
			.constant = page_text(),
			.constant_len = page_length(),
			.headers = headers.buf,
		});
}

static void answer_healthy(struct face *f, struct web_exchange *x, const struct web_request *r)
{
	(void)f;
	(void)r;
	face_text(x, 200, "dockprof is healthy.\n");
}

static void answer_reload(struct face *f, struct web_exchange *x, const struct web_request *r)
{
	struct error err = {0};
	struct strbuf text cleanup_strbuf = STRBUF_INIT;

	(void)r;
	if (f->ops->reload(f->ctx, &err) == 0) {
		face_text(x, 200, "");
		return;
	}
	strbuf_addf(&text, "failed to reload config: %s\n", err.message);
	face_text(x, 500, text.buf);
}

static const struct route routes[] = {
	{"/", answer_page, false},
	{"/metrics", face_metrics, false},
	{"/-/healthy", answer_healthy, false},
	{"/-/ready", face_ready, false},
	{"/-/reload", answer_reload, true},
	{"/api/v1/targets", face_targets, false},
	{"/api/v1/status/config", face_config, false},
	{"/api/v1/containers", face_containers, false},
	{"/api/v1/flamegraph", face_flamegraph, false},
	{"/api/v1/profile", face_download, false},
	{"/debug/profile", face_debug_profile, false},
	{"/debug/info", face_info, false},
};

static void answer(struct face *f, const struct route *route, struct web_exchange *x,
	const struct web_request *r)
{
	bool changes = r->method == WEB_POST || r->method == WEB_PUT;

	if (changes != route->changes)
		web_respond(x,
			&(struct web_response){
				.status = 405,
				.headers = route->changes ? "Allow: POST, PUT\r\n"
							  : "Allow: GET, HEAD\r\n",
			});
	else if (changes && !f->view.config->web.enable_lifecycle)
		face_text(x, 403, "Lifecycle API is not enabled (web.enable_lifecycle).\n");
	else
		route->answer(f, x, r);
}

static void on_request(void *ctx, struct web_exchange *x, const struct web_request *r)
{
	struct face *f = ctx;

	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		if (strcmp(routes[i].path, r->path) == 0) {
			answer(f, &routes[i], x, r);
			return;
		}
	}
	face_text(x, 404, "nothing is here; / has the page\n");
}

static const struct web_ops web_ops = {.request = on_request};

static bool service_is(const struct hashmap_entry *e, const void *key)
{
	return strcmp(container_of(e, struct face_service, entry)->name, key) == 0;
}

static void try_to_listen(struct face *f)
{
	const struct web_face_options *o = &f->view.config->web;
	int64_t begin = clock_monotonic_ns();
	struct web_options options = {
		.address = f->wanted,
		.hosts = (const char *const *)o->allowed_hosts,
		.host_count = o->allowed_host_count,
	};
	struct error err = {0};

	if (web_new(f->loop, &options, &web_ops, f, &f->web, &err) == 0) {
		log_info("web", "page, metrics and API are served",
			LOG_STR("address", web_address(f->web)));
		f->complained = false;
		return;
	}
	f->web = NULL;
	int64_t now = clock_monotonic_ns();

	f->listen_again_ns = now + (now - begin) * LISTEN_SHARE;
	if (!f->complained)
		log_warn("web",
			"no page and no metrics; profiling goes on, trying again (web.listen_address)",
			LOG_STR("reason", err.message));
	f->complained = true;
}

/* Address and further names in one text, to see whether they changed; NULL: off. */
static char *listening(const struct face *f, char **ret_address)
{
	const struct web_face_options *o = &f->view.config->web;
	const char *address = f->address ? f->address : o->listen_address;
	struct strbuf text = STRBUF_INIT;

	*ret_address = *address ? xstrdup(address) : NULL;
	strbuf_add_str(&text, address);
	for (size_t i = 0; i < o->allowed_host_count; i++)
		strbuf_addf(&text, " %s", o->allowed_hosts[i]);
	return strbuf_detach(&text);
}

void face_apply(struct face *f)
{
	char *address cleanup_free = NULL;
	char *now cleanup_free = listening(f, &address);

	history_set_max_bytes(f->history, f->view.config->web.history_max_bytes);
	if (f->listening && strcmp(f->listening, now) == 0)
		return;
	web_free(f->web);
	f->web = NULL;
	free(f->wanted);
	free(f->listening);
	f->wanted = steal_ptr(&address);
	f->listening = steal_ptr(&now);
	f->complained = false;
	if (f->wanted)
		try_to_listen(f);
}

/* Not within the request that asked for the reload: it ends with its listener. */
static void on_apply(struct loop_timer *t)
{
	face_apply(container_of(t, struct face, apply_timer));
}

struct face *face_new(struct loop *loop, const struct face_view *view, const char *address,
	const struct face_ops *ops, void *ctx)
{
	struct face *f = xcalloc(1, sizeof(*f));

	*f = (struct face){
		.loop = loop,
		.view = *view,
		.address = address,
		.ops = ops,
		.ctx = ctx,
		.history = history_new(view->config->web.history_max_bytes),
		.totals = {.start_ns = clock_realtime_ns(), .reload_good = true},
	};
	f->totals.reload_ns = f->totals.start_ns;
	loop_timer_init(loop, &f->apply_timer, on_apply);
	hashmap_init(&f->services, service_is);
	list_init(&f->service_list);
	list_init(&f->waiting);
	return f;
}

void face_free(struct face *f)
{
	if (!f)
		return;
	loop_timer_stop(&f->apply_timer);
	web_free(f->web);
	face_taps_free(f);
	history_free(f->history);
	list_for_each_safe(n, &f->service_list) {
		struct face_service *s = list_entry(n, struct face_service, node);

		free(s->name);
		free(s);
	}
	hashmap_release(&f->services);
	free(f->wanted);
	free(f->listening);
	free(f);
}

void face_reloaded(struct face *f, bool good)
{
	f->totals.reload_good = good;
	if (!good)
		return;
	f->totals.reload_ns = clock_realtime_ns();
	loop_timer_start(&f->apply_timer, APPLY_NS);
}

void face_profile(struct face *f, const struct target *t, const struct pprof *p)
{
	face_count_profile(f, t, p);
	face_tap(f, t, p);
	if (f->wanted)
		history_add(f->history, t->origin, t->service_name, t->name, p);
}

void face_round(struct face *f, const struct collect_tally *tally, bool good)
{
	struct collect_tally *all = &f->totals.ticks;

	f->totals.rounds++;
	f->totals.failed_rounds += !good;
	f->totals.last_round_ns = clock_realtime_ns();
	all->ticks += tally->ticks;
	all->filtered += tally->filtered;
	all->exported += tally->exported;
	all->unknown += tally->unknown;
	for (int i = 0; i < LOSS_COUNT; i++)
		all->lost[i] += tally->lost[i];
	if (f->wanted && !f->web && clock_monotonic_ns() >= f->listen_again_ns)
		try_to_listen(f);
}
