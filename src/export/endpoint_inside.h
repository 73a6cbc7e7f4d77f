// SPDX-License-Identifier: Apache-2.0
/* What an endpoint consists of; shared by endpoint*.c. */
#ifndef EXPORT_ENDPOINT_INSIDE_H
#define EXPORT_ENDPOINT_INSIDE_H

#include "export/endpoint.h"
#include "export/spool.h"
#include "export/told.h"
#include "loop/backoff.h"

struct endpoint {
	struct write_endpoint_options options; /* without http, which the client took */
	struct http_client *client;
	char *url;
	char *name; /* a number behind what is written, where others are called the same */
	bool named; /* that has been decided */
	const struct writer_ops *ops;
	void *ctx;
	struct list_node waiting, in_flight;
	unsigned in_flight_count;
	struct spool *spool; /* NULL: none */
	bool replaying; /* takes from the spool; false once another configuration follows */
	bool retired; /* another configuration follows */
	struct parcel_store replays; /* what was taken from it */
	/* Put there less taken from there, by us; may be below zero. */
	struct write_count spool_net;
	int64_t max_age_ns; /* older ones are not sent; 0: all are */
	struct loop_timer hold;
	struct backoff backoff;
	unsigned failures; /* in a row; 0: fine */
	int64_t trouble_since_ns;
	bool trouble_told, draining;
	uint64_t lost_told; /* at the end */
	bool delivered; /* something, and that was told */
	struct told told;
	struct write_stats stats; /* its own, and those of predecessors that are gone */
	struct endpoint *predecessor, *successor; /* the same one in other configurations */
};

/* endpoint_fate.c: what became of deliveries, counted and told. Each of these frees d. */

void endpoint_tell(struct endpoint *e, enum writer_event event, const struct error *err);
/* Once per reason and hour. */
void endpoint_tell_once(struct endpoint *e, enum writer_event event, const struct error *err);
/* why: for a person; NULL: nothing is told. */
void endpoint_drop(struct endpoint *e, struct delivery *d, enum write_drop reason, const char *why);
void endpoint_delivered(struct endpoint *e, struct delivery *d);
/* The end: its counters go over to its successor. Frees nothing. */
void endpoint_bequeath(struct endpoint *e);

/* endpoint_spool.c */

/* Moves it to the spool, or back there; false where none takes it: nothing has changed then. */
bool endpoint_to_spool(struct endpoint *e, struct delivery *d);
/* The same for all that wait, up to the first that finds no room. */
void endpoint_spool_waiting(struct endpoint *e);
/* One that waits in the spool, as a delivery that is in no list yet; NULL: none may be sent now. */
struct delivery *endpoint_take(struct endpoint *e);
/* From now on this one takes from it, and is told what had to go. Fine where there is none. */
void endpoint_own_spool(struct endpoint *e);
/* Fine where there is none. Before its counters go over to its successor. */
void endpoint_leave_spool(struct endpoint *e);
/* Fills what concerns the spool. */
void endpoint_spool_stats(const struct endpoint *e, struct write_stats *ret);

#endif
