// SPDX-License-Identifier: Apache-2.0
/*
 * Each source has a number that is never used again; later numbers win where two sources name the same
 * container. A reload makes new sources with new numbers beside the old ones, whose targets go once the
 * new ones have told of theirs (for an Engine: when it is connected), so no sample falls between.
 */
#include "discover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "file_sd.h"
#include "self.h"

struct engine {
	struct discover *owner;
	struct docker_discovery *docker;
	unsigned source;
	bool connected;
	bool told; /* of `state`, with a reason where it has one */
	enum docker_connection state;
	int64_t since_ns;
	char *trouble; /* NULL: none */
};

/* What one discover_apply() made. */
struct generation {
	struct engine *engines;
	size_t engine_count;
	struct file_sd_options *files;
	size_t file_count;
	struct file_sd **file_sds;
	unsigned first_source, static_source;
};

struct discover {
	struct loop *loop;
	struct http *http;
	const struct discover_ops *ops;
	void *ctx;
	struct target_table targets;
	struct relabel_rules *rules;
	struct generation now;
	unsigned next_source;
	unsigned oldest_source; /* sources below it were replaced; their targets are gone */
	bool profile_self;
	bool in_container;
	char self_id[CONTAINER_ID_LEN + 1];
};

static bool is_self(const struct discover *d, const struct target *t)
{
	return d->in_container && !d->profile_self &&
		strcmp(labels_get(&t->discovered, "__meta_docker_container_id"), d->self_id) == 0;
}

static void set_internal_labels(struct target *t)
{
	struct target_selector s = target_selector_of(&t->labels);

	if (!labels_has(&t->labels, "__name__"))
		labels_set(&t->labels, "__name__", "process_cpu");
	if (s.container_id) {
		char *id cleanup_free = xstrdup(s.container_id);

		labels_set(&t->labels, "__container_id__", id);
	}
}

/* Whoever starts a container chooses its labels, and rules may give them any name: not those that say which
 * processes are meant. */
static void keep_to_itself(struct target *t)
{
	labels_set(&t->labels, "__process_pid__", "");
	labels_set(&t->labels, "__container_id__", t->origin);
}

/* Rules, verdict, names and index of one target from its discovered labels. */
static void evaluate(struct discover *d, struct target *t)
{
	labels_release(&t->labels);
	labels_copy(&t->labels, &t->discovered);
	struct relabel_result result = relabel_apply(d->rules, &t->labels, NULL, NULL);

	if (t->is_container)
		keep_to_itself(t);

	t->dropped_by = result.dropped_by;
	t->verdict = is_self(d, t) ? TARGET_SELF : result.keep ? TARGET_PROFILED : TARGET_DROPPED;
	free(t->service_name);
	t->service_name = target_service_name(&t->labels, &t->discovered);
	if (t->verdict == TARGET_PROFILED) {
		labels_set(&t->labels, "service_name", t->service_name);
		set_internal_labels(t);
	}
	target_table_index(&d->targets, t);
}

/* What a source says of one target. */
struct finding {
	const char *origin, *name;
	const struct labels *discovered;
	bool is_container, paused;
};

static void update(struct discover *d, unsigned source, const struct finding *f)
{
	struct target *t = target_table_find(&d->targets, source, f->origin);
	bool known = t && !t->gone;

	t = target_table_add(&d->targets, source, f->origin);
	enum target_verdict before = t->verdict;
	bool renamed = strcmp(t->name, f->name) != 0;

	t->is_container = f->is_container;
	t->paused = f->paused;
	free(t->name);
	t->name = xstrdup(f->name);
	labels_release(&t->discovered);
	labels_copy(&t->discovered, f->discovered);
	evaluate(d, t);
	d->ops->target(d->ctx, t, !known || renamed || before != t->verdict);
}

static void gone(struct discover *d, struct target *t)
{
	if (t->gone)
		return;
	target_table_gone(t);
	d->ops->target(d->ctx, t, true);
}

/* All living targets of the sources in [from, to), or of those whose origin starts with prefix. */
static void all_gone(struct discover *d, unsigned from, unsigned to, const char *prefix)
{
	list_for_each(n, &d->targets.targets) {
		struct target *t = list_entry(n, struct target, in_table);

		if (t->source >= from && t->source < to &&
			strncmp(t->origin, prefix, strlen(prefix)) == 0)
			gone(d, t);
	}
}

static void on_container(void *ctx, const struct docker_container *c)
{
	struct engine *e = ctx;

	update(e->owner, e->source,
		&(struct finding){
			.origin = c->id,
			.name = c->name,
			.discovered = c->labels,
			.is_container = true,
			.paused = c->state == DOCKER_PAUSED,
		});
}

static void on_gone(void *ctx, const char *id)
{
	struct engine *e = ctx;
	struct target *t = target_table_find(&e->owner->targets, e->source, id);

	if (t)
		gone(e->owner, t);
}

/* The sources of earlier generations have been replaced by ones that know everything. */
static void retire_old(struct discover *d)
{
	if (!discover_complete(d) || d->oldest_source == d->now.first_source)
		return;
	all_gone(d, d->oldest_source, d->now.first_source, "");
	d->oldest_source = d->now.first_source;
}

static void on_connection(void *ctx, enum docker_connection state, const struct error *err)
{
	struct engine *e = ctx;

	bool news = !e->told || state != e->state;

	if (state != e->state)
		e->since_ns = clock_monotonic_ns();
	free(e->trouble);
	e->trouble = err ? xstrdup(err->message) : NULL;
	e->connected = state == DOCKER_CONNECTED;
	e->state = state;
	e->told = state == DOCKER_CONNECTED || err;
	retire_old(e->owner);
	if (news && e->told)
		e->owner->ops->engine(e->owner->ctx, e->docker, state, err);
}

static void on_notice(void *ctx, const struct error *err)
{
	struct engine *e = ctx;

	e->owner->ops->notice(e->owner->ctx, docker_discovery_host(e->docker), err);
}

static const struct docker_discovery_ops engine_ops = {
	.container = on_container,
	.gone = on_gone,
	.connection = on_connection,
	.notice = on_notice,
};

static void name_of(const struct labels *set, size_t index, char *ret, size_t size)
{
	struct target_selector s = target_selector_of(set);
	const char *service = labels_get(set, "service_name");

	if (*service)
		snprintf(ret, size, "%s", service);
	else if (s.pid)
		snprintf(ret, size, "pid %u", s.pid);
	else if (s.container_id)
		snprintf(ret, size, "%.12s", s.container_id);
	else
		snprintf(ret, size, "target %zu", index + 1);
}

/* Label sets of one place: "PLACE:0", "PLACE:1", ... and none beyond count. */
static void update_sets(struct discover *d, unsigned source, const char *place,
	const struct labels *sets, size_t count)
{
	char *prefix cleanup_free = xasprintf("%s:", place);

	for (size_t i = 0; i < count; i++) {
		char *origin cleanup_free = xasprintf("%s%zu", prefix, i);
		char name[256];

		name_of(&sets[i], i, name, sizeof(name));
		update(d, source,
			&(struct finding){.origin = origin, .name = name, .discovered = &sets[i]});
	}
	list_for_each(n, &d->targets.targets) {
		struct target *t = list_entry(n, struct target, in_table);

		if (t->source == source && strncmp(t->origin, prefix, strlen(prefix)) == 0 &&
			strtoul(t->origin + strlen(prefix), NULL, 10) >= count)
			gone(d, t);
	}
}

static void on_file(void *ctx, const char *path, const struct labels *sets, size_t count)
{
	struct discover *d = ctx;

	update_sets(d, d->now.static_source, path, sets, count);
}

static void on_file_trouble(void *ctx, const char *path, const struct error *err)
{
	struct discover *d = ctx;

	d->ops->notice(d->ctx, path, err);
}

static const struct file_sd_ops file_ops = {.file = on_file, .trouble = on_file_trouble};

static void generation_release(struct generation *g)
{
	for (size_t i = 0; i < g->engine_count; i++) {
		docker_discovery_free(g->engines[i].docker);
		free(g->engines[i].trouble);
	}
	free(g->engines);
	for (size_t i = 0; i < g->file_count; i++) {
		file_sd_free(g->file_sds[i]);
		for (size_t k = 0; k < g->files[i].file_count; k++)
			free(g->files[i].files[k]);
		free(g->files[i].files);
	}
	free(g->file_sds);
	free(g->files);
	*g = (struct generation){0};
}

int discover_new(struct loop *loop, struct http *http, const struct discover_ops *ops, void *ctx,
	struct discover **ret)
{
	struct discover *d = xcalloc(1, sizeof(*d));

	*d = (struct discover){.loop = loop, .http = http, .ops = ops, .ctx = ctx};
	target_table_init(&d->targets);
	d->in_container = self_container_id(d->self_id);
	*ret = d;
	return 0;
}

void discover_free(struct discover *d)
{
	if (!d)
		return;
	generation_release(&d->now);
	target_table_release(&d->targets);
	relabel_rules_free(d->rules);
	free(d);
}

static int make_engines(struct discover *d, struct config *config, struct generation *g,
	struct error *err)
{
	g->engines = xcalloc(config->docker_count, sizeof(*g->engines));
	for (size_t i = 0; i < config->docker_count; i++) {
		struct engine *e = &g->engines[i];

		*e = (struct engine){
			.owner = d,
			.source = g->first_source + (unsigned)i,
			.since_ns = clock_monotonic_ns(),
		};
		int r = docker_discovery_new(d->loop, d->http, &config->docker[i], &engine_ops, e,
			&e->docker, err);

		if (r < 0)
			return r;
		g->engine_count++;
	}
	return 0;
}

static void start_files(struct discover *d, struct config *config)
{
	struct generation *g = &d->now;

	g->files = steal_ptr(&config->files);
	g->file_count = config->file_sd_count;
	config->file_sd_count = 0;
	g->file_sds = xcalloc(g->file_count, sizeof(struct file_sd *));
	for (size_t i = 0; i < g->file_count; i++) {
		struct error err = {0};

		if (file_sd_new(d->loop, &g->files[i], &file_ops, d, &g->file_sds[i], &err) < 0)
			d->ops->notice(d->ctx, "file_sd_configs", &err);
	}
}

int discover_apply(struct discover *d, struct config *config, struct error *err)
{
	struct generation next = {.first_source = d->next_source};
	int r = make_engines(d, config, &next, err);

	if (r < 0) {
		generation_release(&next);
		return r;
	}
	next.static_source = next.first_source + (unsigned)next.engine_count;
	d->next_source = next.static_source + 1;
	generation_release(&d->now);
	d->now = next;
	relabel_rules_free(d->rules);
	d->rules = steal_ptr(&config->rules);
	d->profile_self = config->ebpf.profile_self;
	list_for_each(n, &d->targets.targets)
		evaluate(d, list_entry(n, struct target, in_table));
	for (size_t i = 0; i < d->now.engine_count; i++)
		docker_discovery_start(d->now.engines[i].docker);
	update_sets(d, d->now.static_source, "targets", config->targets, config->target_count);
	start_files(d, config);
	retire_old(d);
	return 0;
}

const struct target_table *discover_targets(const struct discover *d)
{
	return &d->targets;
}

const struct relabel_rules *discover_rules(const struct discover *d)
{
	return d->rules;
}

size_t discover_engine_count(const struct discover *d)
{
	return d->now.engine_count;
}

void discover_engine(const struct discover *d, size_t i, struct discover_engine *ret)
{
	const struct engine *e = &d->now.engines[i];

	*ret = (struct discover_engine){
		.docker = e->docker,
		.state = e->state,
		.trouble = e->trouble ? e->trouble : "",
		.since_ns = e->since_ns,
	};
}

bool discover_engine_of(const struct discover *d, unsigned source, struct discover_engine *ret)
{
	if (source < d->now.first_source || source >= d->now.static_source)
		return false;
	discover_engine(d, source - d->now.first_source, ret);
	return true;
}

bool discover_complete(const struct discover *d)
{
	for (size_t i = 0; i < d->now.engine_count; i++)
		if (!d->now.engines[i].connected)
			return false;
	return true;
}

void discover_end_round(struct discover *d)
{
	target_table_sweep(&d->targets);
}

void discover_count(const struct discover *d, size_t *ret_profiled, size_t *ret_other)
{
	*ret_profiled = *ret_other = 0;
	list_for_each(n, &d->targets.targets) {
		const struct target *t = list_entry(n, struct target, in_table);

		if (!t->gone)
			(*(t->verdict == TARGET_PROFILED ? ret_profiled : ret_other))++;
	}
}
