// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as what an engine answers: lists, events, an error. Read in one piece and in many, the outcome is the same;
 * what comes out is valid UTF-8 within its bounds, and labels can be made from it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/hex.h"
#include "base/utf8.h"
#include "docker/meta_labels.h"
#include "docker/pending.h"
#include "docker/readers.h"

/* Pieces get slow; larger inputs teach nothing new. */
#define MAX_SIZE ((size_t)1 << 18)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	uint64_t hash; /* of everything that was told */
	size_t count;
	struct network_table networks;
};

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void take_string(struct outcome *o, const char *s)
{
	if (s)
		require(utf8_valid(s, strlen(s)) && strlen(s) <= 3 * JSON_MAX_STRING);
	o->hash = hash_combine(o->hash, s ? hash_string(s) : 1);
}

static void take_pairs(struct outcome *o, const struct pairs *pairs)
{
	require(pairs->count <= PAIRS_MAX && pairs->bytes <= PAIRS_MAX_BYTES);
	for (size_t i = 0; i < pairs->count; i++) {
		take_string(o, pairs->list[i].key);
		take_string(o, pairs->list[i].value);
	}
}

static void take_labels(struct outcome *o, const struct docker_summary *s)
{
	static const struct docker_meta_options options = {.port = 80,
		.host_networking_host = "localhost"};
	const struct labels *network =
		s->endpoint.chosen ? network_table_get(&o->networks, s->endpoint.network_id) : NULL;
	struct labels labels cleanup_labels = {0};

	docker_meta_labels(s, &s->endpoint, network, &options, &labels);
	for (size_t i = 0; i < labels.count; i++) {
		require(label_name_valid_legacy(labels.list[i].name));
		take_string(o, labels.list[i].value);
	}
	require(labels_has(&labels, "__address__"));
}

static void on_container(void *ctx, struct docker_summary *s)
{
	struct outcome *o = ctx;

	o->count++;
	require(hex_is_lower(s->id, DOCKER_ID_LEN) && *s->plain_name && s->name);
	take_string(o, s->plain_name);
	take_pairs(o, &s->labels);
	take_labels(o, s);
}

static void on_network(void *ctx, struct docker_network *n)
{
	struct outcome *o = ctx;

	o->count++;
	take_string(o, n->id);
	take_pairs(o, &n->labels);
	network_table_add(&o->networks, n);
}

static void on_event(void *ctx, struct docker_event *e)
{
	struct outcome *o = ctx;
	struct docker_summary s = {0};
	struct pending pending;

	o->count++;
	take_string(o, e->action);
	take_pairs(o, &e->attributes);
	require(e->time_ns >= 0);
	if (!e->id[0])
		return;
	pending_init(&pending);
	pending_add(&pending, e, true);
	pending_summary(pending_get(&pending, e->id), &s);
	take_labels(o, &s);
	docker_summary_release(&s);
	pending_release(&pending);
}

#define read_all(kind, reader, data, size, step, code)                                             \
	do {                                                                                       \
		for (size_t i_ = 0; i_ < (size) && (code) == 0; i_ += (step))                      \
			(code) = kind##_feed(reader, (data) + i_, MIN((size_t)(step), (size)-i_)); \
	} while (0)

/* The number of readers that took it to the end, in the outcome's hash as well. */
static void read_everything(struct outcome *o, const char *data, size_t size, size_t step)
{
	struct network_reader *networks = network_reader_new(on_network, o);
	struct container_reader *containers = container_reader_new(on_container, o);
	struct event_reader *events = event_reader_new(on_event, o);
	int codes[3] = {0};

	read_all(network_reader, networks, data, size, step, codes[0]);
	if (codes[0] == 0)
		codes[0] = network_reader_finish(networks);
	read_all(container_reader, containers, data, size, step, codes[1]);
	if (codes[1] == 0)
		codes[1] = container_reader_finish(containers);
	read_all(event_reader, events, data, size, step, codes[2]);
	require(codes[0] == codes[1]);
	/* What is told before an error depends on how far the scan is ahead of the parser. */
	if (codes[0] < 0)
		o->hash = o->count = 0;
	o->hash = hash_combine(o->hash, (uint64_t)-codes[0]);
	network_reader_free(networks);
	container_reader_free(containers);
	event_reader_free(events);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct outcome whole = {0}, pieces = {0};
	char message[256];

	if (size == 0 || size > MAX_SIZE)
		return 0;
	network_table_init(&whole.networks);
	network_table_init(&pieces.networks);
	read_everything(&whole, text, size, size);
	read_everything(&pieces, text, size, 1 + data[0] % 16);
	require(whole.hash == pieces.hash && whole.count == pieces.count);
	docker_error_message(text, size, message, sizeof(message));
	require(utf8_valid(message, strlen(message)));
	network_table_release(&whole.networks);
	network_table_release(&pieces.networks);
	return 0;
}
