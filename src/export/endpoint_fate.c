// SPDX-License-Identifier: Apache-2.0
/* What becomes of deliveries: counted, and told as often as a person wants to read it. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "export/endpoint_inside.h"

static int64_t oldest_ns(const struct list_node *deliveries, int64_t oldest)
{
	list_for_each(n, deliveries) {
		int64_t t = list_entry(n, struct delivery, of_endpoint)->parcel->time_ns;

		if (t && (!oldest || t < oldest))
			oldest = t;
	}
	return oldest;
}

void endpoint_stats(const struct endpoint *e, struct write_stats *ret)
{
	int64_t oldest = 0;

	*ret = e->stats;
	for (const struct endpoint *p = e; p; p = p->predecessor) {
		oldest = oldest_ns(&p->waiting, oldest_ns(&p->in_flight, oldest));
		if (p != e)
			write_stats_add(ret, &p->stats);
	}
	ret->oldest_waiting_ns = oldest;
	endpoint_spool_stats(e, ret);
}

static bool same_tenant(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

bool endpoint_continue(struct endpoint *e, struct endpoint *previous)
{
	const struct write_endpoint_options *o = &e->options, *p = &previous->options;

	if (previous->successor || strcmp(o->name, p->name) != 0 ||
		strcmp(e->url, previous->url) != 0 || !same_tenant(o->tenant_id, p->tenant_id))
		return false;
	e->predecessor = previous;
	previous->successor = e;
	return true;
}

void endpoint_bequeath(struct endpoint *e)
{
	struct endpoint *heir = e->successor;

	if (heir) {
		write_stats_add(&heir->stats, &e->stats);
		heir->lost_told += e->lost_told;
		heir->predecessor = e->predecessor;
	}
	if (e->predecessor)
		e->predecessor->successor = heir;
}

void endpoint_tell(struct endpoint *e, enum writer_event event, const struct error *err)
{
	if (e->ops->event)
		e->ops->event(e->ctx, event, e->name, err);
}

/* A reason that differs only in its numbers (times, sizes) is the same reason. */
static uint64_t reason_hash(enum writer_event event, const char *text)
{
	uint64_t h = (uint64_t)event;

	for (; *text; text++)
		if (!isdigit((unsigned char)*text))
			h = hash_combine(h, (unsigned char)*text);
	return h;
}

void endpoint_tell_once(struct endpoint *e, enum writer_event event, const struct error *err)
{
	if (told_is_new(&e->told, reason_hash(event, err->message)))
		endpoint_tell(e, event, err);
}

/* fate: the counter of what became of it. Where it is also on disk it is done with there. */
static void finish(struct endpoint *e, struct delivery *d, struct write_count *fate)
{
	struct write_count count = parcel_count(d->parcel);

	write_count_sub(&e->stats.waiting, &count);
	write_count_add(fate, &count);
	if (d->ticket)
		spool_settle(e->spool, d->ticket);
	delivery_free(d);
}

void endpoint_drop(struct endpoint *e, struct delivery *d, enum write_drop reason, const char *why)
{
	struct error err = {0};

	finish(e, d, &e->stats.dropped[reason]);
	if (why) {
		error_set(&err, -ECANCELED, "%s", why);
		endpoint_tell_once(e, WRITER_DROPPED, &err);
	}
}

void endpoint_delivered(struct endpoint *e, struct delivery *d)
{
	bool first = !e->delivered;

	e->delivered = true;
	e->stats.last_success_ns = clock_realtime_ns();
	finish(e, d, &e->stats.sent);
	if (first)
		endpoint_tell(e, WRITER_FIRST_DELIVERY, NULL);
}

void endpoint_refuse(struct endpoint *e, const struct write_count *count)
{
	struct error err = {0};

	write_count_add(&e->stats.added, count);
	write_count_add(&e->stats.dropped[WRITE_DROP_SIZE], count);
	error_set(&err, -EFBIG, "a single stack has more bytes of names than a server takes");
	endpoint_tell_once(e, WRITER_DROPPED, &err);
}
