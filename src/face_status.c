// SPDX-License-Identifier: Apache-2.0
/*
 * What is there and how it stands, as JSON: /-/ready, /api/v1/targets (Prometheus' field names),
 * /api/v1/containers (for the page), /api/v1/status/config, /debug/info. All of it comes from the table
 * of states, so everybody says the same. Names and labels are containers' to choose: json.h cuts and
 * escapes them.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/text.h"
#include "face_parts.h"

#define BUCKETS       60 /* of a sparkline */
#define MIN_BUCKET_NS (15 * NSEC_PER_SEC)
#define SHARE_NS      (60 * NSEC_PER_SEC) /* "CPU now" is over the last minute */
#define MAX_FORGOTTEN 200 /* that are shown; short lives leave thousands in the history */

const char *face_history_id(const struct status_entry *e)
{
	return e->target ? e->target->origin : e->id;
}

/* Why the agent is not ready; returns how many reasons. */
static size_t add_reasons(const struct face *f, struct json *j)
{
	const struct discover *d = f->view.pipeline->discover;
	size_t reasons = 0;

	if (!f->view.pipeline->profiler || !f->totals.rounds) {
		json_string(j, NULL, "the sampler has not finished an interval yet");
		reasons++;
	}
	for (size_t i = 0; i < discover_engine_count(d); i++) {
		struct strbuf text cleanup_strbuf = STRBUF_INIT;
		struct discover_engine e;

		discover_engine(d, i, &e);
		if (e.state == DOCKER_CONNECTED)
			continue;
		strbuf_addf(&text, "the engine %s is not followed%s%s",
			docker_discovery_host(e.docker), *e.trouble ? ": " : " yet", e.trouble);
		json_string(j, NULL, text.buf);
		reasons++;
	}
	return reasons;
}

void face_ready(struct face *f, struct web_exchange *x, const struct web_request *r)
{
	struct strbuf body = STRBUF_INIT;
	struct json j = {.out = &body};

	(void)r;
	json_open(&j, NULL, '{');
	json_open(&j, "reasons", '[');
	size_t reasons = add_reasons(f, &j);

	json_close(&j, ']');
	json_bool(&j, "ready", !reasons);
	json_close(&j, '}');
	if (reasons) {
		face_json(x, 503, &body);
		return;
	}
	strbuf_release(&body);
	face_text(x, 200, "dockprof is ready.\n");
}

static void add_labels(struct json *j, const char *key, const struct labels *labels, bool public)
{
	json_open(j, key, '{');
	for (size_t i = 0; i < labels->count; i++) {
		const struct label *l = &labels->list[i];

		if (!public || strncmp(l->name, "__", 2) != 0)
			json_string(j, l->name, l->value);
	}
	json_close(j, '}');
}

static void add_state(struct json *j, const struct face *f, const struct status_entry *e)
{
	struct strbuf reason cleanup_strbuf = STRBUF_INIT;

	status_add_reason(&reason, *f->view.status, e);
	json_string(j, "state", status_state_name(e->state));
	json_string(j, "reason", reason.buf);
	json_number(j, "samples", (int64_t)e->samples);
}

static const char *health_of(enum status_state state)
{
	if (status_state_is_trouble(state))
		return "down";
	return state == STATUS_STARTING ? "unknown" : "up";
}

static void add_active(struct json *j, const struct face *f, const struct status_entry *e)
{
	struct strbuf reason cleanup_strbuf = STRBUF_INIT;
	double interval = (double)f->view.config->ebpf.collect_interval_ns / 1e9;

	if (status_state_is_trouble(e->state))
		status_add_reason(&reason, *f->view.status, e);
	json_open(j, NULL, '{');
	add_labels(j, "discoveredLabels", &e->target->discovered, false);
	add_labels(j, "labels", &e->target->labels, true);
	json_string(j, "scrapePool", e->pid ? "processes" : "containers");
	json_string(j, "scrapeUrl", "");
	json_string(j, "globalUrl", "");
	json_string(j, "lastError", reason.buf);
	json_time(j, "lastScrape", e->last_sample_ns);
	json_double(j, "lastScrapeDuration", interval);
	json_string(j, "health", health_of(e->state));
	json_string(j, "name", e->name);
	add_state(j, f, e);
	json_close(j, '}');
}

static void add_dropped(struct json *j, const struct face *f, const struct status_entry *e)
{
	json_open(j, NULL, '{');
	add_labels(j, "discoveredLabels", &e->target->discovered, false);
	json_string(j, "name", e->name);
	add_state(j, f, e);
	json_close(j, '}');
}

static void add_targets(struct json *j, const struct face *f, bool active)
{
	const struct status_entry *const *list;
	size_t count = status_list(*f->view.status, &list);

	for (size_t i = 0; i < count; i++) {
		const struct target *t = list[i]->target;

		if (!t || t->gone || (t->verdict == TARGET_PROFILED) != active)
			continue;
		if (active)
			add_active(j, f, list[i]);
		else
			add_dropped(j, f, list[i]);
	}
}

static void begin_success(struct json *j)
{
	json_open(j, NULL, '{');
	json_string(j, "status", "success");
	json_open(j, "data", '{');
}

static void end_success(struct json *j, struct web_exchange *x)
{
	json_close(j, '}');
	json_close(j, '}');
	face_json(x, 200, j->out);
}

void face_targets(struct face *f, struct web_exchange *x, const struct web_request *r)
{
	struct strbuf body = STRBUF_INIT, state cleanup_strbuf = STRBUF_INIT;
	struct json j = {.out = &body};

	web_query_get(r, "state", &state);
	begin_success(&j);
	json_open(&j, "activeTargets", '[');
	if (strcmp(state.buf, "dropped") != 0)
		add_targets(&j, f, true);
	json_close(&j, ']');
	json_open(&j, "droppedTargets", '[');
	if (strcmp(state.buf, "active") != 0)
		add_targets(&j, f, false);
	json_close(&j, ']');
	end_success(&j, x);
}

void face_config(struct face *f, struct web_exchange *x, const struct web_request *r)
{
	struct strbuf body = STRBUF_INIT;
	const char *shown = f->view.config->shown ? f->view.config->shown : "";

	(void)r;
	/* Whole, however long it is: a file has TREE_MAX_BYTES at most. */
	strbuf_add_str(&body, "{\"status\":\"success\",\"data\":{\"yaml\":");
	text_add_json(&body, shown, strlen(shown));
	strbuf_add_str(&body, "}}");
	face_json(x, 200, &body);
}

/* What the history has of one target, for its line on the page. */
struct past {
	struct hashmap_entry entry;
	struct list_node node;
	const char *id, *service, *name;
	double cpu_ns[BUCKETS];
	double share_ns; /* CPU time in the last SHARE_NS */
	bool shown;
};

struct pasts {
	struct hashmap map;
	struct list_node list; /* whose last interval is the newest last */
	int64_t begin_ns, bucket_ns; /* of the buckets */
	int64_t share_from_ns, end_ns;
	int64_t oldest_ns;
};

static bool past_is(const struct hashmap_entry *e, const void *key)
{
	return strcmp(container_of(e, struct past, entry)->id, key) == 0;
}

static struct past *past_of(struct pasts *all, const char *id)
{
	struct hashmap_entry *e = hashmap_get(&all->map, hash_string(id), id);

	return e ? container_of(e, struct past, entry) : NULL;
}

static int64_t overlap(int64_t a_from, int64_t a_until, int64_t b_from, int64_t b_until)
{
	int64_t from = MAX(a_from, b_from), until = MIN(a_until, b_until);

	return MAX(until - from, INT64_C(0));
}

/* An interval's CPU time is spread evenly over it. */
static void spread(struct past *p, const struct pasts *all, const struct history_interval *i)
{
	int64_t until = i->time_ns + MAX(i->duration_ns, INT64_C(1));
	double rate = (double)i->ticks * (double)i->period_ns / (double)(until - i->time_ns);
	int64_t first = MAX((i->time_ns - all->begin_ns) / all->bucket_ns, INT64_C(0));

	for (int64_t b = first; b < BUCKETS; b++) {
		int64_t from = all->begin_ns + b * all->bucket_ns;

		if (from >= until)
			break;
		p->cpu_ns[b] +=
			rate * (double)overlap(i->time_ns, until, from, from + all->bucket_ns);
	}
	p->share_ns += rate * (double)overlap(i->time_ns, until, all->share_from_ns, all->end_ns);
}

static void on_interval(void *ctx, const struct history_interval *i)
{
	struct pasts *all = ctx;
	struct past *p = past_of(all, i->id);

	if (!all->oldest_ns)
		all->oldest_ns = i->time_ns;
	if (!p) {
		p = xcalloc(1, sizeof(*p));
		hashmap_add(&all->map, &p->entry, hash_string(i->id));
		list_init(&p->node);
	}
	list_remove(&p->node);
	list_append(&all->list, &p->node);
	p->id = i->id;
	p->service = i->service;
	p->name = i->name;
	spread(p, all, i);
}

static void gather_past(const struct face *f, struct pasts *all)
{
	int64_t interval = f->view.config->ebpf.collect_interval_ns;
	int64_t now = f->totals.last_round_ns ? f->totals.last_round_ns : clock_realtime_ns();

	*all = (struct pasts){.bucket_ns = MAX(interval, MIN_BUCKET_NS), .end_ns = now};
	/* On a grid, so that a line moves by whole buckets. */
	all->begin_ns = (now / all->bucket_ns - BUCKETS + 1) * all->bucket_ns;
	int64_t share = MAX(SHARE_NS, interval);

	all->share_from_ns = MAX(now - share, f->totals.start_ns);
	hashmap_init(&all->map, past_is);
	list_init(&all->list);
	history_visit(f->history, &(struct history_query){0}, on_interval, all);
}

static void release_past(struct pasts *all)
{
	list_for_each_safe(n, &all->list)
		free(list_entry(n, struct past, node));
	hashmap_release(&all->map);
}

/* The newest bucket is not over: without this every line would end in a fall. */
static double covered_ns(const struct pasts *all, int b)
{
	int64_t so_far = all->end_ns - (all->begin_ns + b * all->bucket_ns);

	return (double)MIN(MAX(so_far, NSEC_PER_SEC), all->bucket_ns);
}

static void add_past(struct json *j, const struct pasts *all, struct past *p)
{
	double share_ns = (double)MAX(all->end_ns - all->share_from_ns, INT64_C(1));

	json_double(j, "cores", p ? p->share_ns / share_ns : 0);
	json_open(j, "spark", '[');
	for (int b = 0; p && b < BUCKETS; b++)
		json_double(j, NULL,
			(double)(int64_t)(p->cpu_ns[b] * 1000 / covered_ns(all, b) + 0.5) / 1000);
	json_close(j, ']');
	if (p)
		p->shown = true;
}

static void add_container(struct json *j, const struct face *f, const struct status_entry *e,
	struct pasts *all)
{
	struct strbuf advice cleanup_strbuf = STRBUF_INIT, proof cleanup_strbuf = STRBUF_INIT;
	const char *id = face_history_id(e);

	status_add_advice(&advice, *f->view.status, e);
	status_add_proof(&proof, e);
	json_open(j, NULL, '{');
	json_string(j, "id", id);
	json_string(j, "service", e->service_name);
	json_string(j, "name", e->name);
	add_state(j, f, e);
	json_bool(j, "trouble",
		status_state_is_trouble(e->state) || e->cpu.verdict == CPU_LOW ||
			e->cpu.verdict == CPU_HIGH);
	json_string(j, "advice", advice.buf);
	json_string(j, "proof", proof.buf);
	json_number(j, "lastSample", e->last_sample_ns / NSEC_PER_MSEC);
	add_past(j, all, past_of(all, id));
	json_close(j, '}');
}

/* What was profiled and is not known any more, the newest first. How many were left out. */
static int64_t add_forgotten(struct json *j, struct pasts *all)
{
	int64_t count = 0;

	for (struct list_node *n = all->list.prev; n != &all->list; n = n->prev) {
		struct past *p = list_entry(n, struct past, node);

		if (p->shown || count++ >= MAX_FORGOTTEN)
			continue;
		json_open(j, NULL, '{');
		json_string(j, "id", p->id);
		json_string(j, "service", p->service);
		json_string(j, "name", p->name);
		json_string(j, "state", status_state_name(STATUS_EXITED));
		json_string(j, "reason", "gone; what it did is still here");
		add_past(j, all, p);
		json_close(j, '}');
	}
	return MAX(count - MAX_FORGOTTEN, INT64_C(0));
}

static void add_agent(struct json *j, const struct face *f, const struct pasts *all)
{
	const struct config *c = f->view.config;
	struct utsname host = {0};

	uname(&host);
	json_number(j, "now", clock_realtime_ns() / NSEC_PER_MSEC);
	json_number(j, "lastRound", f->totals.last_round_ns / NSEC_PER_MSEC);
	json_number(j, "started", f->totals.start_ns / NSEC_PER_MSEC);
	json_number(j, "oldest", all->oldest_ns / NSEC_PER_MSEC);
	json_double(j, "interval", (double)c->ebpf.collect_interval_ns / 1e9);
	json_number(j, "hz", c->ebpf.sample_rate);
	json_number(j, "cpus", sysconf(_SC_NPROCESSORS_ONLN));
	json_string(j, "version", DOCKPROF_VERSION);
	json_string(j, "kernel", host.release);
	json_string(j, "host", host.nodename);
	json_bool(j, "history", c->web.history_max_bytes > 0);
	json_number(j, "intervalsTooLarge", (int64_t)history_too_large(f->history));
	json_open(j, "spark", '{');
	json_number(j, "begin", all->begin_ns / NSEC_PER_MSEC);
	json_number(j, "bucket", all->bucket_ns / NSEC_PER_MSEC);
	json_number(j, "count", BUCKETS);
	json_close(j, '}');
}

static void add_notices(struct json *j, const struct face *f)
{
	const struct status_notice *list;
	size_t count = status_notices(*f->view.status, &list);

	json_open(j, "notReady", '[');
	add_reasons(f, j);
	json_close(j, ']');
	json_open(j, "notices", '[');
	for (size_t i = 0; i < count; i++) {
		json_open(j, NULL, '{');
		json_string(j, "where", list[i].where);
		json_string(j, "message", list[i].message);
		json_close(j, '}');
	}
	json_close(j, ']');
}

void face_containers(struct face *f, struct web_exchange *x, const struct web_request *r)
{
	struct strbuf body = STRBUF_INIT;
	struct json j = {.out = &body};
	const struct status_entry *const *list;
	size_t count = status_list(*f->view.status, &list);
	struct pasts all;

	(void)r;
	gather_past(f, &all);
	begin_success(&j);
	add_agent(&j, f, &all);
	add_notices(&j, f);
	json_open(&j, "containers", '[');
	for (size_t i = 0; i < count; i++)
		add_container(&j, f, list[i], &all);
	int64_t left_out = add_forgotten(&j, &all);

	json_close(&j, ']');
	json_number(&j, "containersLeftOut", left_out);
	release_past(&all);
	end_success(&j, x);
}
