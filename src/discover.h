// SPDX-License-Identifier: Apache-2.0
/*
 * From sources to targets: Docker Engines, `targets:` and file_sd files give label sets; the rules keep,
 * drop and rename them; the target table holds the outcome.
 */
#ifndef DISCOVER_H
#define DISCOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attribution.h"
#include "base/error.h"
#include "config/config.h"
#include "http/http.h"
#include "loop/loop.h"
#include "target/target_table.h"

struct discover;

struct discover_ops {
	/* A target came, changed or went (t->gone). `news`: its verdict or name is another than before. */
	void (*target)(void *ctx, const struct target *t, bool news);
	/* For the log: an engine's connection changed (err: why, where it is not connected; a reason
	 * that changes alone is not told again); `d` tells host and versions. */
	void (*engine)(void *ctx, const struct docker_discovery *d, enum docker_connection state,
		const struct error *err);
	void (*notice)(void *ctx, const char *where, const struct error *err);
};

int discover_new(struct loop *loop, struct http *http, const struct discover_ops *ops, void *ctx,
	struct discover **ret);
void discover_free(struct discover *d);

/*
 * Takes the docker, targets, files and rules parts out of *config and starts (or, on a reload, replaces)
 * all sources; targets of replaced sources stay until the new ones have told of theirs, and all get
 * the new rules at once. On error nothing has changed.
 */
int discover_apply(struct discover *d, struct config *config, struct error *err);

const struct target_table *discover_targets(const struct discover *d);
const struct relabel_rules *discover_rules(const struct discover *d);

/* One of the engines that are followed now. */
struct discover_engine {
	const struct docker_discovery *docker; /* host, versions, counts */
	enum docker_connection state;
	const char *trouble; /* why it is not connected; "" while unknown, or where it is */
	int64_t since_ns; /* CLOCK_MONOTONIC of that state */
};

size_t discover_engine_count(const struct discover *d);
/* Pointers are valid until the loop turns. */
void discover_engine(const struct discover *d, size_t i, struct discover_engine *ret);
/* The engine that told of the targets of this source; false where none of those followed now did. */
bool discover_engine_of(const struct discover *d, unsigned source, struct discover_engine *ret);

/* Every engine has been listed whole at least once and is connected. */
bool discover_complete(const struct discover *d);
/* Once per round: forgets targets that are gone for long enough. */
void discover_end_round(struct discover *d);
/* Counts of living targets. */
void discover_count(const struct discover *d, size_t *ret_profiled, size_t *ret_other);

#endif
