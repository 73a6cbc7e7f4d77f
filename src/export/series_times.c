// SPDX-License-Identifier: Apache-2.0
/*
 * Of each series only the last time is kept. Times go up, so a profile that comes within a millisecond of
 * it, or soon after a burst that ran ahead, gets the next one. One that is far before it comes from a
 * clock that was set back, and starts anew.
 */
#include "export/series_times.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/macros.h"

#define FIRST_SWEEP   1024 /* series */
#define FORGOTTEN_NS  (600 * NSEC_PER_SEC)
/* The parts of a profile with a hundred million stacks; a clock is set back further than that. */
#define RUN_AHEAD_MAX (10 * NSEC_PER_SEC)

struct series {
	struct hashmap_entry entry;
	int64_t last_ms;
};

static bool is_series(const struct hashmap_entry *e, const void *key)
{
	return e->hash == *(const uint64_t *)key;
}

void series_times_init(struct series_times *t)
{
	hashmap_init(&t->series, is_series);
	t->sweep_at = FIRST_SWEEP;
}

static void forget(struct series_times *t, struct hashmap_entry *e)
{
	hashmap_remove(&t->series, e);
	free(container_of(e, struct series, entry));
}

void series_times_release(struct series_times *t)
{
	hashmap_for_each(e, &t->series)
		forget(t, e);
	hashmap_release(&t->series);
}

static void sweep(struct series_times *t, int64_t now_ms)
{
	hashmap_for_each(e, &t->series) {
		int64_t last = container_of(e, struct series, entry)->last_ms;

		if (llabs(now_ms - last) > FORGOTTEN_NS / NSEC_PER_MSEC)
			forget(t, e);
	}
	t->sweep_at = MAX((size_t)FIRST_SWEEP, 2 * t->series.count);
}

int64_t series_times_next(struct series_times *t, uint64_t series, int64_t wanted_ns)
{
	uint64_t hash = hash_u64(series);
	struct hashmap_entry *e = hashmap_get(&t->series, hash, &hash);
	int64_t ms = wanted_ns / NSEC_PER_MSEC;
	struct series *s;

	if (e) {
		s = container_of(e, struct series, entry);
		if (ms <= s->last_ms && s->last_ms - ms < RUN_AHEAD_MAX / NSEC_PER_MSEC) {
			s->last_ms++;
			return s->last_ms * NSEC_PER_MSEC;
		}
		s->last_ms = ms;
		return wanted_ns;
	}
	if (t->series.count >= t->sweep_at)
		sweep(t, ms);
	s = xcalloc(1, sizeof(*s));
	s->last_ms = ms;
	hashmap_add(&t->series, &s->entry, hash);
	return wanted_ns;
}
