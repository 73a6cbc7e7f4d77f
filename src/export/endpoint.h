// SPDX-License-Identifier: Apache-2.0
/* One Pyroscope server: its deliveries, when they are tried, and what became of them. */
#ifndef EXPORT_ENDPOINT_H
#define EXPORT_ENDPOINT_H

#include "base/error.h"
#include "export/parcel.h"
#include "export/writer.h"

struct endpoint;

/* Takes over the contents of *options, also on failure. ops must outlive it. */
int endpoint_new(struct loop *loop, struct http *http, struct write_endpoint_options *options,
	const struct writer_ops *ops, void *ctx, struct endpoint **ret,
	struct error *err) MUST_CHECK;
/* What is still pending is counted as dropped at shutdown and told. */
void endpoint_free(struct endpoint *e);

void endpoint_add(struct endpoint *e, struct parcel *parcel);
/* Gives up a delivery that is not being sent right now, for the room it takes. */
void endpoint_make_room(struct delivery *d);
void endpoint_drain(struct endpoint *e);
const struct write_stats *endpoint_stats(const struct endpoint *e);

#endif
