// SPDX-License-Identifier: Apache-2.0
/*
 * writer_add() turns a profile into a parcel that all endpoints share, and hands it to each:
 *
 *	labels -> labels_wire() -> push_request_encode() -> parcel -+-> endpoint: waiting, in flight
 *	                                                            +-> endpoint: ...
 *	       -> directory: written at once
 *
 * The parcels in memory have one budget. When it is passed, the oldest parcels are taken from the
 * endpoints that still have them waiting: an endpoint which keeps up loses nothing through one which
 * does not. A queue on disk would take the parcels over at that place, instead of their being dropped.
 */
#include "export/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/text.h"
#include "export/directory.h"
#include "export/endpoint.h"
#include "export/labels_wire.h"
#include "export/parcel.h"
#include "export/push_request.h"
#include "export/told.h"

#define SERVICE_SHOWN 128 /* bytes of a service's name in a message */

struct writer {
	struct write_options options;
	const struct writer_ops *ops;
	void *ctx;
	struct endpoint **endpoints;
	size_t endpoint_count;
	struct directory *directory;
	struct parcel_store parcels;
	struct told repaired; /* services whose labels had to be changed */
};

static int add_endpoints(struct writer *w, struct loop *loop, struct http *http, struct error *err)
{
	struct write_options *o = &w->options;

	w->endpoints = xcalloc(o->endpoint_count, sizeof(struct endpoint *));
	for (size_t i = 0; i < o->endpoint_count; i++) {
		int r = endpoint_new(loop, http, &o->endpoints[i], w->ops, w->ctx, &w->endpoints[i],
			err);

		if (r < 0)
			return r;
		w->endpoint_count++;
	}
	return 0;
}

int writer_new(struct loop *loop, struct http *http, struct write_options *options,
	const struct writer_ops *ops, void *ctx, struct writer **ret, struct error *err)
{
	struct writer *w = xcalloc(1, sizeof(*w));

	w->options = *options;
	write_options_init(options);
	w->ops = ops;
	w->ctx = ctx;
	parcel_store_init(&w->parcels);
	told_init(&w->repaired, TOLD_MAX, 0);
	int r = add_endpoints(w, loop, http, err);

	if (r == 0 && w->options.directory)
		r = directory_new(w->options.directory, w->options.directory_max_bytes, ops, ctx,
			&w->directory, err);
	if (r < 0) {
		writer_free(w);
		return r;
	}
	*ret = w;
	return 0;
}

void writer_free(struct writer *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->endpoint_count; i++)
		endpoint_free(w->endpoints[i]);
	free(w->endpoints);
	directory_free(w->directory);
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

static void add_to_endpoints(struct writer *w, const struct labels *labels, const void *profile,
	size_t len)
{
	struct labels wire cleanup_labels = {0};
	struct strbuf repairs cleanup_strbuf = STRBUF_INIT, request cleanup_strbuf = STRBUF_INIT;

	labels_wire(&wire, labels, &w->options, &repairs);
	tell_repairs(w, &wire, &repairs);
	push_request_encode(&request, &wire, profile, len);
	struct parcel *parcel = parcel_new(&w->parcels, &request);

	for (size_t i = 0; i < w->endpoint_count; i++)
		endpoint_add(w->endpoints[i], parcel);
	keep_to_budget(w);
}

void writer_add(struct writer *w, const struct labels *labels, const void *profile, size_t len,
	int64_t time_ns)
{
	if (w->endpoint_count)
		add_to_endpoints(w, labels, profile, len);
	if (w->directory)
		directory_add(w->directory, labels, profile, len, time_ns);
}

bool writer_idle(const struct writer *w)
{
	return list_empty(&w->parcels.parcels);
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
	*ret = endpoint < w->endpoint_count ? *endpoint_stats(w->endpoints[endpoint])
					    : *directory_stats(w->directory);
}
