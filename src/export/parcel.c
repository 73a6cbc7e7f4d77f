// SPDX-License-Identifier: Apache-2.0
#include "export/parcel.h"

#include <stdlib.h>

#include "base/alloc.h"

void parcel_store_init(struct parcel_store *store)
{
	list_init(&store->parcels);
	store->bytes = 0;
}

struct parcel *parcel_new(struct parcel_store *store, struct strbuf *request)
{
	struct parcel *parcel = xcalloc(1, sizeof(*parcel));

	parcel->store = store;
	parcel->held = true;
	parcel->len = request->len;
	parcel->request = strbuf_detach(request);
	list_init(&parcel->deliveries);
	list_append(&store->parcels, &parcel->node);
	store->bytes += parcel->len;
	return parcel;
}

struct write_count parcel_count(const struct parcel *parcel)
{
	return (struct write_count){.profiles = 1, .bytes = parcel->len, .value = parcel->value};
}

static void free_unused(struct parcel *parcel)
{
	if (parcel->held || !list_empty(&parcel->deliveries))
		return;
	parcel->store->bytes -= parcel->len;
	list_remove(&parcel->node);
	free(parcel->request);
	free(parcel);
}

void parcel_release(struct parcel *parcel)
{
	parcel->held = false;
	free_unused(parcel);
}

struct delivery *delivery_new(struct parcel *parcel, struct endpoint *endpoint)
{
	struct delivery *d = xcalloc(1, sizeof(*d));

	d->parcel = parcel;
	d->endpoint = endpoint;
	list_append(&parcel->deliveries, &d->of_parcel);
	list_init(&d->of_endpoint);
	return d;
}

void delivery_free(struct delivery *d)
{
	list_remove(&d->of_parcel);
	list_remove(&d->of_endpoint);
	free_unused(d->parcel);
	free(d);
}
