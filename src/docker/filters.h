// SPDX-License-Identifier: Apache-2.0
/* The `filters` parameter of the Engine API, and the part of it that can be judged without the engine. */
#ifndef DOCKER_FILTERS_H
#define DOCKER_FILTERS_H

#include "base/strbuf.h"
#include "docker/discovery.h"
#include "docker/pairs.h"

struct filters {
	const struct docker_filter *list;
	size_t count;
};

/*
 * Appends "filters=..." percent-encoded: those of the user, and with `name` one more with `values`.
 * Values of one name are alternatives; names must all hold. Nothing where there are none.
 */
void filters_add_query(struct strbuf *out, struct filters user, const char *name,
	const char *const *values, size_t value_count);
/* Whether the user filters by that name. */
bool filters_have(struct filters user, const char *name);
/*
 * Whether a container that is no more would have been selected, judged by its labels. False also
 * where there are filters that ask for something else.
 */
bool filters_match_labels(struct filters user, const struct pairs *labels);

#endif
