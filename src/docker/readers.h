// SPDX-License-Identifier: Apache-2.0
/*
 * From the Engine's JSON to structs, while it streams in. Each reader hands an object over when its
 * closing brace is read, and holds no other. Unknown keys are skipped; wrong types count as missing.
 * feed and finish return as json_feed() and json_finish() do.
 */
#ifndef DOCKER_READERS_H
#define DOCKER_READERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/json_reader.h"
#include "docker/pairs.h"
#include "docker/summary.h"

/* GET /containers/json. The callback may empty *s and keep what was in it. */
struct container_reader;
struct container_reader *container_reader_new(void (*on_container)(void *ctx,
						      struct docker_summary *s),
	void *ctx);
void container_reader_free(struct container_reader *r);
int container_reader_feed(struct container_reader *r, const char *data, size_t len) MUST_CHECK;
int container_reader_finish(struct container_reader *r) MUST_CHECK;

/* GET /networks. */
struct docker_network {
	char *id, *name, *scope;
	bool internal, ingress;
	struct pairs labels;
};

struct network_reader;
struct network_reader *network_reader_new(void (*on_network)(void *ctx, struct docker_network *n),
	void *ctx);
void network_reader_free(struct network_reader *r);
int network_reader_feed(struct network_reader *r, const char *data, size_t len) MUST_CHECK;
int network_reader_finish(struct network_reader *r) MUST_CHECK;

/* GET /events. */
struct docker_event {
	char id[DOCKER_ID_LEN + 1]; /* "" where it is none of a container */
	bool container; /* its type */
	char *action;
	struct pairs attributes; /* labels, and some keys of the engine's own */
	int64_t time_ns; /* the engine's clock, 0 where missing */
};

struct event_reader;
struct event_reader *event_reader_new(void (*on_event)(void *ctx, struct docker_event *e),
	void *ctx);
void event_reader_free(struct event_reader *r);
int event_reader_feed(struct event_reader *r, const char *data, size_t len) MUST_CHECK;

/*
 * The text of {"message": "..."}, as the Engine answers errors, or the first line of plain text, made
 * safe to print; "" where it is something else.
 */
void docker_error_message(const char *body, size_t len, char *ret, size_t size);

#endif
