// SPDX-License-Identifier: Apache-2.0
/*
 * Events are only hints: whatever they say, the engine is asked how things are, and the answer is what
 * counts. So their order does not matter, nor whether one came while a look was on its way (it is
 * then looked at once more), nor whether one was lost (the next full look finds it).
 *
 *	full:   GET /networks, GET /containers/json            who is not in the answer is gone
 *	by id:  GET /containers/json?all=1&filters={"id":...}  the same, for these; ended ones are
 *	                                                       listed, so that they are known once
 *
 * The list has all that labels need, so nothing is inspected, and no environment variable of a
 * container ever reaches this process. Containers are told as they stream in, except those whose
 * labels need another: one that shares the network of a later one, and one whose network is new
 * (/networks is then asked for first). These are held until the end.
 */
#include "docker/look.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

/* A daemon that starts hundreds of containers may be slow; one that takes longer is not well. */
#define TIMEOUT_NS    (30 * NSEC_PER_SEC)
#define LIST_PATH     "/containers/json"
#define NETWORKS_PATH "/networks"

void look_init(struct look *l, struct engine *engine, const struct docker_sd_options *options,
	const struct look_ops *ops, void *ctx)
{
	*l = (struct look){
		.engine = engine,
		.filters = {.list = options->filters, .count = options->filter_count},
		.meta = {.port = options->port,
			.host_networking_host = options->host_networking_host},
		.ops = ops,
		.ctx = ctx,
	};
	container_table_init(&l->containers);
	network_table_init(&l->networks);
	network_table_init(&l->new_networks);
	pending_init(&l->batch);
}

void look_release(struct look *l)
{
	look_stop(l);
	container_table_release(&l->containers);
	network_table_release(&l->networks);
	network_table_release(&l->new_networks);
	pending_release(&l->batch);
	free(l->held);
}

static void end(struct look *l)
{
	l->running = false;
	l->request = NULL;
	container_reader_free(l->container_reader);
	l->container_reader = NULL;
	network_reader_free(l->network_reader);
	l->network_reader = NULL;
	for (size_t i = 0; i < l->held_count; i++)
		docker_summary_release(&l->held[i].summary);
	l->held_count = 0;
	pending_clear(&l->batch);
}

void look_stop(struct look *l)
{
	http_request_cancel(l->request);
	end(l);
}

static void fail(struct look *l, const struct error *err, bool learned)
{
	look_stop(l);
	l->ops->failed(l->ctx, err, learned);
}

static void fail_with(struct look *l, const struct http_result *result, const char *path,
	const char *permission)
{
	struct error err = {0};
	bool learned = engine_learn(l->engine, result);

	engine_explain(l->engine, result, path, permission, &err);
	fail(l, &err, learned);
}

static void forget(struct look *l, struct known_container *k)
{
	char id[DOCKER_ID_LEN + 1];
	bool told = k->told;

	memcpy(id, k->id, sizeof(id));
	container_table_remove(&l->containers, k);
	if (told)
		l->ops->gone(l->ctx, id);
}

static void tell(struct look *l, const struct docker_summary *s, const struct labels *labels)
{
	const struct docker_container c = {
		.id = s->id,
		.name = s->plain_name,
		.state = s->state,
		.labels = labels,
	};

	l->ops->container(l->ctx, &c);
}

/* Tells of k where something is new, which a start always is. */
static void apply(struct look *l, struct known_container *k, const struct docker_summary *s)
{
	const struct docker_endpoint *e = container_table_endpoint(&l->containers, k);
	const struct labels *network =
		e->chosen ? network_table_get(&l->networks, e->network_id) : NULL;
	const struct pending_entry *entry = pending_get(&l->batch, k->id);
	struct labels labels cleanup_labels = {0};

	docker_meta_labels(s, e, network, &l->meta, &labels);
	uint64_t hash = labels_hash(&labels);
	bool news = !k->told || hash != k->labels_hash || s->state != k->state ||
		(entry && entry->started);

	k->told = true;
	k->labels_hash = hash;
	k->state = s->state;
	if (news)
		tell(l, s, &labels);
}

static bool needs_networks(const struct look *l, const struct known_container *k)
{
	return k->endpoint.chosen && k->endpoint.network_id[0] &&
		!network_table_get(&l->networks, k->endpoint.network_id);
}

static bool needs_owner(const struct known_container *k)
{
	return !k->endpoint.listed && k->owner[0];
}

static void hold(struct look *l, struct known_container *k, struct docker_summary *s)
{
	if (l->held_count == l->held_capacity) {
		l->held_capacity = grow_capacity(l->held_capacity, l->held_count + 1);
		l->held = xreallocarray(l->held, l->held_capacity, sizeof(*l->held));
	}
	l->held[l->held_count++] = (struct held_container){.known = k, .summary = *s};
	*s = (struct docker_summary){0};
}

/* A container that ended before it was looked at: known for a moment, so that its samples have a name. */
static void tell_ended(struct look *l, const struct docker_summary *s)
{
	const struct labels *network =
		s->endpoint.chosen ? network_table_get(&l->networks, s->endpoint.network_id) : NULL;
	struct labels labels cleanup_labels = {0};

	docker_meta_labels(s, &s->endpoint, network, &l->meta, &labels);
	tell(l, s, &labels);
	l->ops->gone(l->ctx, s->id);
}

static void on_ended(struct look *l, struct docker_summary *s, const struct pending_entry *entry)
{
	struct known_container *k = container_table_get(&l->containers, s->id);
	bool told = k && k->told;

	if (k && k->seen == l->number) /* listed twice */
		return;
	if (k)
		forget(l, k);
	if (!told && entry && entry->started)
		tell_ended(l, s);
}

static void on_container(void *ctx, struct docker_summary *s)
{
	struct look *l = ctx;
	struct pending_entry *entry = pending_get(&l->batch, s->id);

	l->labels_skipped += s->labels.skipped;
	if (entry)
		entry->found = true;
	if (!s->running) {
		on_ended(l, s, entry);
		return;
	}
	struct known_container *k = container_table_add(&l->containers, s->id);

	if (!k || k->seen == l->number)
		return;
	k->seen = l->number;
	known_container_take(k, s);
	if (needs_owner(k) || needs_networks(l, k))
		hold(l, k, s);
	else
		apply(l, k, s);
}

/* In the batch, but not in the answer: removed, or not selected by the filters. */
static void tell_missing(struct look *l)
{
	hashmap_for_each(e, &l->batch.by_id) {
		struct pending_entry *entry = container_of(e, struct pending_entry, entry);
		struct known_container *k = container_table_get(&l->containers, entry->id);
		bool told = k && k->told;
		struct docker_summary s = {0};

		if (entry->found)
			continue;
		if (k)
			forget(l, k);
		if (told || !entry->started || entry->attributes.count == 0)
			continue;
		pending_summary(entry, &s);
		if (filters_match_labels(l->filters, &s.labels))
			tell_ended(l, &s);
		docker_summary_release(&s);
	}
}

static void sweep(struct look *l)
{
	hashmap_for_each(e, &l->containers.by_id) {
		struct known_container *k = container_of(e, struct known_container, entry);

		if (k->seen != l->number)
			forget(l, k);
	}
}

static void finish(struct look *l)
{
	bool full = l->full;

	for (size_t i = 0; i < l->held_count; i++)
		apply(l, l->held[i].known, &l->held[i].summary);
	tell_missing(l);
	if (full)
		sweep(l);
	l->took_ns = clock_monotonic_ns() - l->started_ns;
	end(l);
	l->ops->done(l->ctx, full);
}

static void on_network(void *ctx, struct docker_network *n)
{
	network_table_add(&((struct look *)ctx)->new_networks, n);
}

static int on_network_data(void *ctx, const char *data, size_t len)
{
	return network_reader_feed(((struct look *)ctx)->network_reader, data, len);
}

static void ask_containers(struct look *l);

static void take_networks(struct look *l)
{
	network_table_release(&l->networks);
	l->networks = l->new_networks;
	network_table_init(&l->new_networks);
}

/* Labels of networks are a luxury: where the engine refuses them, the rest is told without. */
static void do_without_networks(struct look *l, const struct http_result *result)
{
	struct error err = {0};

	l->networks_forbidden = result->status == 403 || result->status == 404 ||
		result->status == 405 || result->status == 501;
	engine_explain(l->engine, result, NETWORKS_PATH, "NETWORKS=1", &err);
	l->ops->no_networks(l->ctx, &err);
}

static void on_networks_done(void *ctx, const struct http_result *result)
{
	struct look *l = ctx;
	struct http_result whole = *result;

	l->request = NULL;
	if (!result->code && result->status == 200)
		whole.code = network_reader_finish(l->network_reader);
	if (whole.code || whole.status == 400) {
		fail_with(l, &whole, NETWORKS_PATH, "NETWORKS=1");
		return;
	}
	if (whole.status == 200)
		take_networks(l);
	else
		do_without_networks(l, &whole);
	if (l->container_reader)
		finish(l);
	else
		ask_containers(l);
}

static void ask_networks(struct look *l)
{
	struct http_request_options o = {
		.timeout_ns = TIMEOUT_NS,
		.on_data = on_network_data,
		.on_done = on_networks_done,
		.ctx = l,
	};
	struct error err = {0};

	l->networks_asked = true;
	network_reader_free(l->network_reader);
	network_table_release(&l->new_networks);
	l->network_reader = network_reader_new(on_network, l);
	if (engine_get(l->engine, NETWORKS_PATH, &o, &l->request, &err) < 0)
		fail(l, &err, false);
}

static int on_container_data(void *ctx, const char *data, size_t len)
{
	return container_reader_feed(((struct look *)ctx)->container_reader, data, len);
}

static bool holds_for_network(const struct look *l)
{
	for (size_t i = 0; i < l->held_count; i++)
		if (needs_networks(l, l->held[i].known))
			return true;
	return false;
}

static void on_containers_done(void *ctx, const struct http_result *result)
{
	struct look *l = ctx;
	struct http_result whole = *result;

	l->request = NULL;
	if (!result->code && result->status == 200)
		whole.code = container_reader_finish(l->container_reader);
	if (whole.code || whole.status != 200) {
		fail_with(l, &whole, LIST_PATH, "CONTAINERS=1");
		return;
	}
	if (!l->networks_forbidden && !l->networks_asked && holds_for_network(l))
		ask_networks(l);
	else
		finish(l);
}

static void add_ids(const struct look *l, struct strbuf *path)
{
	const char *ids[LOOK_MAX_IDS];
	size_t count = 0;

	hashmap_for_each(e, &l->batch.by_id)
		if (count < LOOK_MAX_IDS)
			ids[count++] = container_of(e, struct pending_entry, entry)->id;
	strbuf_add_str(path, "?all=1&");
	filters_add_query(path, l->filters, "id", ids, count);
}

static void ask_containers(struct look *l)
{
	struct http_request_options o = {
		.timeout_ns = TIMEOUT_NS,
		.on_data = on_container_data,
		.on_done = on_containers_done,
		.ctx = l,
	};
	struct strbuf path cleanup_strbuf = STRBUF_INIT;
	struct error err = {0};

	strbuf_add_str(&path, LIST_PATH);
	if (!l->full) {
		add_ids(l, &path);
	} else if (l->filters.count > 0) {
		strbuf_add_char(&path, '?');
		filters_add_query(&path, l->filters, NULL, NULL, 0);
	}
	l->container_reader = container_reader_new(on_container, l);
	if (engine_get(l->engine, path.buf, &o, &l->request, &err) < 0)
		fail(l, &err, false);
}

void look_start(struct look *l, struct pending *pending, bool full)
{
	pending_move(&l->batch, pending);
	l->running = true;
	l->full = full || l->batch.overflow > 0 || l->batch.by_id.count > LOOK_MAX_IDS ||
		filters_have(l->filters, "id");
	l->number++;
	l->started_ns = clock_monotonic_ns();
	l->networks_asked = false;
	if (l->full && !l->networks_forbidden)
		ask_networks(l);
	else
		ask_containers(l);
}
