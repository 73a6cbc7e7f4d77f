// SPDX-License-Identifier: Apache-2.0
/*
 * What each target did over the last minutes, in memory and within a budget of bytes: the oldest
 * intervals go first. For whoever wants to look without a server.
 */
#ifndef EXPORT_HISTORY_H
#define EXPORT_HISTORY_H

#include <stddef.h>
#include <stdint.h>

#include "export/flat_tree.h"
#include "export/pprof.h"

/* What a profile of the past may hold: some 20 MB, and half a second of making it. Stacks share most of
 * what they are in the history, but stand alone in a profile. */
#define HISTORY_MAX_FRAMES ((size_t)4 << 20)
/* And a tree, in which they share it: some 20 MB as text. 8 MiB of history hold no more. */
#define HISTORY_MAX_NODES  ((size_t)1 << 20)

struct history;

/* Strings valid as long as the history does not change. */
struct history_interval {
	const char *id, *service, *name; /* the target's key, service_name and name for people */
	int64_t time_ns, duration_ns; /* start, CLOCK_REALTIME */
	int64_t period_ns;
	uint64_t ticks;
};

/* NULL or 0: whatever. Intervals belong to the time in which they begin. */
struct history_query {
	const char *id, *service;
	int64_t from_ns, until_ns;
};

struct history *history_new(size_t max_bytes);
void history_free(struct history *h);
/* Of a reload; what is too much goes at once. */
void history_set_max_bytes(struct history *h, size_t max_bytes);

/* One interval of one target; time and duration are those of the profile. */
void history_add(struct history *h, const char *id, const char *service, const char *name,
	const struct pprof *profile);
/* Oldest first. */
void history_visit(const struct history *h, const struct history_query *query,
	void (*visit)(void *ctx, const struct history_interval *interval), void *ctx);
/*
 * All intervals that the query selects as one profile, which the caller frees; its frames have names
 * and modules but no addresses. -ENOENT where there is no such interval, -EFBIG where its stacks have
 * more than HISTORY_MAX_FRAMES together.
 */
int history_profile(const struct history *h, const struct history_query *query,
	struct pprof **ret) MUST_CHECK;
/*
 * The same as a tree, into *ret, which was released or is new. Its strings are valid as long as the history
 * does not change. -EFBIG where it has more than HISTORY_MAX_NODES.
 */
int history_tree(const struct history *h, const struct history_query *query,
	struct flat_tree *ret) MUST_CHECK;

/* What it takes of memory now, at most max_bytes after each call. */
size_t history_bytes(const struct history *h);
size_t history_intervals(const struct history *h);
/* Intervals that were not taken, as each would have needed more than half of the budget. */
uint64_t history_too_large(const struct history *h);

#endif
