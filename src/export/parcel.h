// SPDX-License-Identifier: Apache-2.0
/*
 * A parcel is one request, encoded once and kept until every endpoint is done with it; a delivery is a
 * parcel on its way to one endpoint. The store holds all parcels, oldest first, and knows their bytes.
 */
#ifndef EXPORT_PARCEL_H
#define EXPORT_PARCEL_H

#include <stddef.h>

#include "base/list.h"
#include "base/strbuf.h"

struct endpoint;
struct http_request;

struct parcel_store {
	struct list_node parcels;
	size_t bytes;
};

struct parcel {
	struct parcel_store *store;
	struct list_node node;
	struct list_node deliveries;
	char *request;
	size_t len;
};

struct delivery {
	struct parcel *parcel;
	struct endpoint *endpoint;
	struct list_node of_parcel;
	struct list_node of_endpoint; /* in its waiting or its in-flight list */
	struct http_request *http; /* NULL while waiting */
	unsigned attempts; /* begun so far */
};

void parcel_store_init(struct parcel_store *store);

/* Takes over the contents of *request. Freed with its last delivery, or by parcel_release(). */
struct parcel *parcel_new(struct parcel_store *store, struct strbuf *request);
/* Frees it where it has no deliveries. */
void parcel_release(struct parcel *parcel);
struct delivery *delivery_new(struct parcel *parcel, struct endpoint *endpoint);
void delivery_free(struct delivery *d);

#endif
