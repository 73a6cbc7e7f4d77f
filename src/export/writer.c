// SPDX-License-Identifier: Apache-2.0
/*
 * writer_add() turns a profile into a parcel that all endpoints share, and hands it to each:
 *
 *	labels  -> labels_wire() -----+-> push_request_encode() -> parcel -+-> endpoint: waiting, in flight
 *	profile -> parts, each with --'                                    +-> endpoint: ...
 *	        |  a time of its own
 *	        '-> directory: written at once, whole
 *
 * The parcels in memory have one budget. When it is passed, the oldest parcels are taken from the
 * endpoints that still have them waiting: an endpoint which keeps up loses nothing through one which
 * does not. An endpoint with a spool moves them there, one without drops them.
 */
#include "export/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/text.h"
#include "base/units.h"
#include "export/directory.h"
#include "export/endpoint.h"
#include "export/gzip.h"
#include "export/labels_wire.h"
#include "export/parcel.h"
#include "export/pprof_parts.h"
#include "export/push_request.h"
#include "export/series_times.h"
#include "export/spool.h"
#include "export/spool_left.h"
#include "export/told.h"

#define SERVICE_SHOWN 128 /* bytes of a service's name in a message */
#define PATH_SHOWN    512

struct writer {
	struct write_options options;
	const struct writer_ops *ops;
	void *ctx;
	struct endpoint **endpoints;
	size_t endpoint_count;
	struct directory *directory;
	struct parcel_store parcels;
	struct series_times times;
	struct told repaired; /* services whose labels had to be changed */
	struct writer *previous, *next; /* of other configurations, as long as they live */
};

/* The directory of endpoint `index`; two with the same URL and tenant get one each. */
static char *spool_path_of(const struct write_options *o, char **names, size_t index)
{
	struct strbuf name cleanup_strbuf = STRBUF_INIT;
	size_t same = 1;

	endpoint_spool_name(&o->endpoints[index], &name);
	names[index] = xstrdup(name.buf);
	for (size_t i = 0; i < index; i++)
		same += strcmp(names[i], names[index]) == 0;
	if (same > 1)
		strbuf_addf(&name, "-%zu", same);
	return xasprintf("%s/%s", o->spool.path, name.buf);
}

static struct spool_options spool_options_of(const struct write_options *o, const char *path)
{
	return (struct spool_options){
		.path = path,
		.max_bytes = o->spool.max_bytes / o->endpoint_count,
		.max_age_ns = o->spool.max_age_ns,
		.sync_ns = o->spool.sync_ns,
	};
}

/* That of any configuration before, which may still be about to finish what it has. */
static struct spool *shared_spool(const struct writer *previous, const char *path)
{
	for (; previous; previous = previous->previous)
		for (size_t i = 0; i < previous->endpoint_count; i++) {
			struct spool *spool = endpoint_pass_spool(previous->endpoints[i], path);

			if (spool)
				return spool;
		}
	return NULL;
}

/* One that is shared keeps its limits until the new configuration is in force. */
static int open_spool(struct loop *loop, const struct write_options *o, const char *path,
	struct writer *previous, struct spool **ret, struct error *err)
{
	const struct spool_options options = spool_options_of(o, path);

	*ret = shared_spool(previous, path);
	return *ret ? 0 : spool_open(loop, &options, ret, err);
}

static int open_spools(struct writer *w, struct loop *loop, char *const *paths,
	struct writer *previous, struct error *err)
{
	for (size_t i = 0; i < w->endpoint_count; i++) {
		struct spool *spool;
		int r = open_spool(loop, &w->options, paths[i], previous, &spool, err);

		if (r < 0)
			return r;
		endpoint_use_spool(w->endpoints[i], spool);
	}
	return 0;
}

static void free_all(char **texts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(texts[i]);
	free(texts);
}

static int add_spools(struct writer *w, struct loop *loop, char **paths, struct writer *previous,
	struct error *err)
{
	return w->options.spool.path ? open_spools(w, loop, paths, previous, err) : 0;
}

static char **spool_paths(const struct write_options *o)
{
	char **paths = xcalloc(o->endpoint_count, sizeof(paths[0]));
	char **names = xcalloc(o->endpoint_count, sizeof(names[0]));

	for (size_t i = 0; o->spool.path && i < o->endpoint_count; i++)
		paths[i] = spool_path_of(o, names, i);
	free_all(names, o->endpoint_count);
	return paths;
}

static int add_endpoints(struct writer *w, struct loop *loop, struct http *http, struct error *err)
{
	struct write_options *o = &w->options;

	w->endpoints = xcalloc(o->endpoint_count, sizeof(struct endpoint *));
	for (size_t i = 0; i < o->endpoint_count; i++) {
		int r = endpoint_new(loop, http, &o->endpoints[i], w->ops, w->ctx, &w->endpoints[i],
			err);

		if (r < 0)
			return r;
		endpoint_set_max_age(w->endpoints[i], o->spool.max_age_ns);
		w->endpoint_count++;
	}
	return 0;
}

static bool continue_counters(struct endpoint *e, struct writer *previous)
{
	for (; previous; previous = previous->previous)
		for (size_t i = 0; i < previous->endpoint_count; i++)
			if (endpoint_continue(e, previous->endpoints[i]))
				return true;
	return false;
}

/* Those that are continued first: so they keep their names, and a series of metrics is one endpoint's
 * wherever that stands in the file by now. */
static void name_endpoints(struct writer *w, struct writer *previous)
{
	for (size_t i = 0; i < w->endpoint_count; i++)
		if (continue_counters(w->endpoints[i], previous))
			endpoint_tell_apart(w->endpoints[i], w->endpoints, w->endpoint_count);
	for (size_t i = 0; i < w->endpoint_count; i++)
		endpoint_tell_apart(w->endpoints[i], w->endpoints, w->endpoint_count);
}

static void follow(struct writer *w, struct writer *previous)
{
	w->previous = previous;
	previous->next = w;
	if (w->directory && previous->directory)
		directory_continue(w->directory, previous->directory);
	for (size_t i = 0; i < previous->endpoint_count; i++)
		endpoint_retire(previous->endpoints[i]);
}

static void leave_row(struct writer *w)
{
	if (w->previous)
		w->previous->next = w->next;
	if (w->next)
		w->next->previous = w->previous;
}

static int add_directory(struct writer *w, struct error *err)
{
	const struct directory_options options = {
		.path = w->options.directory,
		.max_bytes = w->options.directory_max_bytes,
		.max_age_ns = w->options.directory_max_age_ns,
	};

	return options.path ? directory_new(&options, w->ops, w->ctx, &w->directory, err) : 0;
}

int writer_prepare(struct loop *loop, struct http *http, struct write_options *options,
	const struct writer_ops *ops, void *ctx, struct writer *previous, struct writer **ret,
	struct error *err)
{
	struct writer *w = xcalloc(1, sizeof(*w));
	char **paths = spool_paths(options);
	size_t path_count = options->endpoint_count;

	w->options = *options;
	write_options_init(options);
	w->ops = ops;
	w->ctx = ctx;
	parcel_store_init(&w->parcels);
	series_times_init(&w->times);
	told_init(&w->repaired, TOLD_MAX, 0);
	int r = add_endpoints(w, loop, http, err);

	if (r == 0)
		r = add_spools(w, loop, paths, previous, err);
	free_all(paths, path_count);
	if (r == 0)
		r = add_directory(w, err);
	if (r < 0) {
		writer_free(w);
		return r;
	}
	*ret = w;
	return 0;
}

static void on_left(void *ctx, const char *directory, uint64_t bytes)
{
	struct writer *w = ctx;
	struct strbuf size cleanup_strbuf = STRBUF_INIT, shown cleanup_strbuf = STRBUF_INIT;
	struct error err = {0};

	for (size_t i = 0; i < w->endpoint_count; i++)
		if (endpoint_has_spool(w->endpoints[i], directory))
			return;
	size_add(&size, bytes);
	text_add_safe(&shown, directory, strlen(directory), PATH_SHOWN);
	error_set(&err, 0, "%s in %s", size.buf, shown.buf);
	if (w->ops->event)
		w->ops->event(w->ctx, WRITER_SPOOL_LEFT, "", &err);
}

void writer_take_over(struct writer *w, struct writer *previous)
{
	name_endpoints(w, previous);
	if (previous)
		follow(w, previous);
	else if (w->options.spool.path)
		spool_find_left(w->options.spool.path, on_left, w);
	for (size_t i = 0; i < w->endpoint_count; i++) {
		const struct spool_options options = spool_options_of(&w->options, NULL);

		endpoint_limit_spool(w->endpoints[i], &options);
		endpoint_start(w->endpoints[i]);
	}
	if (w->directory)
		directory_start(w->directory);
}

int writer_new(struct loop *loop, struct http *http, struct write_options *options,
	const struct writer_ops *ops, void *ctx, struct writer *previous, struct writer **ret,
	struct error *err)
{
	int r = writer_prepare(loop, http, options, ops, ctx, previous, ret, err);

	if (r == 0)
		writer_take_over(*ret, previous);
	return r;
}

void writer_free(struct writer *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->endpoint_count; i++)
		endpoint_free(w->endpoints[i]);
	free(w->endpoints);
	leave_row(w);
	directory_free(w->directory);
	series_times_release(&w->times);
	write_options_release(&w->options);
	free(w);
}

static void tell_repairs(struct writer *w, const struct labels *wire, const struct strbuf *repairs)
{
	struct strbuf service cleanup_strbuf = STRBUF_INIT;
	const char *name = labels_get(wire, "service_name");
	struct error err = {0};

	if (!repairs->len || !w->ops->event || !told_is_new(&w->repaired, hash_string(name)))
		return;
	text_add_safe(&service, name, strlen(name), SERVICE_SHOWN);
	error_set(&err, -EINVAL, "service %s: %s", service.buf, repairs->buf);
	w->ops->event(w->ctx, WRITER_LABELS_REPAIRED, "", &err);
}

static size_t count_waiting(const struct parcel *parcel, struct delivery **ret_first)
{
	size_t n = 0;

	list_for_each(node, &parcel->deliveries) {
		struct delivery *d = list_entry(node, struct delivery, of_parcel);

		if (!d->http && !n++)
			*ret_first = d;
	}
	return n;
}

/* Gives its waiting deliveries up; the parcel goes with the last one. */
static void make_room(const struct parcel *parcel)
{
	struct delivery *first = NULL;

	for (size_t left = count_waiting(parcel, &first); left > 0; left--) {
		endpoint_make_room(first);
		if (left > 1)
			count_waiting(parcel, &first);
	}
}

static void keep_to_budget(struct writer *w)
{
	list_for_each_safe(n, &w->parcels.parcels) {
		if (w->parcels.bytes <= w->options.max_pending_bytes)
			return;
		make_room(list_entry(n, struct parcel, node));
	}
}

static void add_parcel(struct writer *w, const struct labels *wire,
	const struct encoded_profile *profile)
{
	struct strbuf request cleanup_strbuf = STRBUF_INIT;

	push_request_encode(&request, wire, profile->data, profile->len);
	struct parcel *parcel = parcel_new(&w->parcels, &request);

	parcel->time_ns = profile->time_ns;
	parcel->value = profile->value;
	for (size_t i = 0; i < w->endpoint_count; i++)
		endpoint_add(w->endpoints[i], parcel);
	parcel_release(parcel);
	keep_to_budget(w);
}

static uint64_t series_hash(const struct labels *wire)
{
	uint64_t h = 0;

	for (size_t i = 0; i < wire->count; i++)
		h = hash_combine(hash_combine(h, hash_string(wire->list[i].name)),
			hash_string(wire->list[i].value));
	return h;
}

static void add_part(struct writer *w, const struct labels *wire, const struct strbuf *plain,
	const struct encoded_profile *known)
{
	struct encoded_profile part = *known;
	struct strbuf packed cleanup_strbuf = STRBUF_INIT;

	gzip_add(&packed, plain->buf, plain->len);
	part.data = packed.buf;
	part.len = packed.len;
	add_parcel(w, wire, &part);
}

static void add_parts(struct writer *w, const struct labels *wire, const struct pprof *profile)
{
	const struct pprof_options *o = pprof_get_options(profile);
	const struct pprof_part_limits limits = {PART_MAX_SAMPLES, PART_MAX_BYTES};
	struct pprof_parts parts = {.whole = profile};
	struct strbuf plain cleanup_strbuf = STRBUF_INIT;
	uint64_t series = series_hash(wire);

	for (;;) {
		struct encoded_profile part = {
			.time_ns = series_times_next(&w->times, series, o->time_ns),
		};

		strbuf_reset(&plain);
		if (!pprof_next_part(&parts, &limits, part.time_ns, &plain))
			return;
		part.value = parts.ticks * (uint64_t)o->period_ns;
		if (!parts.too_large) {
			add_part(w, wire, &plain, &part);
			continue;
		}
		for (size_t i = 0; i < w->endpoint_count; i++)
			endpoint_refuse(w->endpoints[i],
				&(struct write_count){1, plain.len, part.value});
	}
}

static void make_labels(struct writer *w, const struct labels *labels, struct labels *wire)
{
	struct strbuf repairs cleanup_strbuf = STRBUF_INIT;

	labels_wire(wire, labels, &w->options, &repairs);
	tell_repairs(w, wire, &repairs);
}

static void keep_as_file(struct writer *w, const struct labels *labels, const struct pprof *profile)
{
	const struct pprof_options *o = pprof_get_options(profile);
	struct strbuf packed cleanup_strbuf = STRBUF_INIT;

	pprof_encode_gzip(profile, &packed);
	directory_add(w->directory, labels,
		&(struct encoded_profile){
			.data = packed.buf,
			.len = packed.len,
			.time_ns = o->time_ns,
			.value = pprof_total(profile) * (uint64_t)o->period_ns,
		});
}

void writer_add(struct writer *w, const struct labels *labels, const struct pprof *profile)
{
	struct labels wire cleanup_labels = {0};

	if (w->endpoint_count) {
		make_labels(w, labels, &wire);
		add_parts(w, &wire, profile);
	}
	if (w->directory)
		keep_as_file(w, labels, profile);
}

void writer_add_encoded(struct writer *w, const struct labels *labels,
	const struct encoded_profile *profile)
{
	struct labels wire cleanup_labels = {0};

	if (w->endpoint_count) {
		make_labels(w, labels, &wire);
		add_parcel(w, &wire, profile);
	}
	if (w->directory)
		directory_add(w->directory, labels, profile);
}

void writer_begin_interval(struct writer *w)
{
	for (size_t i = 0; i < w->endpoint_count; i++)
		endpoint_secure(w->endpoints[i]);
}

bool writer_idle(const struct writer *w)
{
	for (size_t i = 0; i < w->endpoint_count; i++)
		if (!endpoint_idle(w->endpoints[i]))
			return false;
	return true;
}

void writer_end(struct writer *w)
{
	for (size_t i = 0; i < w->endpoint_count; i++)
		endpoint_end(w->endpoints[i]);
}

void writer_drain(struct writer *w)
{
	for (size_t i = 0; i < w->endpoint_count; i++)
		endpoint_drain(w->endpoints[i]);
}

size_t writer_endpoint_count(const struct writer *w)
{
	return w->endpoint_count + (w->directory ? 1 : 0);
}

void writer_stats(const struct writer *w, size_t endpoint, struct write_stats *ret)
{
	if (endpoint < w->endpoint_count)
		endpoint_stats(w->endpoints[endpoint], ret);
	else
		*ret = *directory_stats(w->directory);
}
