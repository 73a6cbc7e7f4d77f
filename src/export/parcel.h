// SPDX-License-Identifier: Apache-2.0
/*
 * A parcel is one request, encoded once and kept until every endpoint is done with it; a delivery is a
 * parcel on its way to one endpoint. The store holds all parcels, oldest first, and knows their bytes.
 */
#ifndef EXPORT_PARCEL_H
#define EXPORT_PARCEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/strbuf.h"
#include "export/write_stats.h"

struct endpoint;
struct http_request;
struct spool_ticket;

struct parcel_store {
	struct list_node parcels;
	size_t bytes;
};

struct parcel {
	struct parcel_store *store;
	struct list_node node;
	struct list_node deliveries;
	bool held; /* by whom has made it: its deliveries may all end while others are still added */
	char *request;
	size_t len;
	int64_t time_ns; /* of its interval; 0: unknown */
	uint64_t value; /* the sum of its sample values */
};

struct delivery {
	struct parcel *parcel;
	struct endpoint *endpoint;
	struct list_node of_parcel;
	struct list_node of_endpoint; /* in its waiting or its in-flight list */
	struct http_request *http; /* NULL while waiting */
	unsigned attempts; /* begun so far */
	struct spool_ticket *ticket; /* NULL: it is in memory only */
	int64_t begun_ns; /* the last one, CLOCK_MONOTONIC */
};

void parcel_store_init(struct parcel_store *store);

/* Takes over the contents of *request; time and value are still to be set. It stays at least until parcel_release(). */
struct parcel *parcel_new(struct parcel_store *store, struct strbuf *request);
struct write_count parcel_count(const struct parcel *parcel);
/* After all its deliveries are made: from now on it goes with the last of them, at once where there is none. */
void parcel_release(struct parcel *parcel);
struct delivery *delivery_new(struct parcel *parcel, struct endpoint *endpoint);
void delivery_free(struct delivery *d);

#endif
