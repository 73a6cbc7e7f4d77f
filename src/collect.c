// SPDX-License-Identifier: Apache-2.0
/*
 * A sample of a container that no source has told of yet is not thrown away: a container may run for
 * some milliseconds before the Engine's event arrives, and longer where the Engine is restarting. It is
 * carried over and judged again after the next round. If then all sources are in reach and nobody knows
 * it, it is another engine's (filtered); while one is out of reach it waits on, some rounds, and counts
 * as unknown in the end. The copies are bounded.
 */
#include "collect.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "quality.h"

#define MAX_ROUNDS  8 /* two minutes at the usual interval: an Engine's restart */
#define MAX_CARRIED 4096 /* stacks; 2 KiB each at most, 8 MiB in the worst case */

struct profile {
	struct hashmap_entry entry;
	struct target *target;
	struct pprof *pprof;
};

struct carried {
	struct list_node node;
	unsigned rounds; /* that it has waited */
	struct profiler_sample sample;
	uint64_t ips[]; /* language frames, two words each; then kernel, then user */
};

static bool profile_is(const struct hashmap_entry *e, const void *key)
{
	return container_of(e, struct profile, entry)->target == key;
}

void collect_init(struct collect *c)
{
	*c = (struct collect){.comm = COMM_STACKFRAME};
	hashmap_init(&c->profiles, profile_is);
	list_init(&c->carried);
	list_init(&c->carrying);
	c->frames = xcalloc(INTERP_FRAMES_MAX + 1 + PROFILER_MAX_FRAMES, sizeof(c->frames[0]));
}

static void free_carried(struct list_node *list)
{
	list_for_each_safe(n, list) {
		list_remove(n);
		free(list_entry(n, struct carried, node));
	}
}

void collect_release(struct collect *c)
{
	collect_flush(c, NULL, NULL);
	hashmap_release(&c->profiles);
	free_carried(&c->carried);
	free_carried(&c->carrying);
	free(c->frames);
}

void collect_start(struct collect *c)
{
	c->start_real_ns = clock_realtime_ns();
	c->start_mono_ns = clock_monotonic_ns();
}

static struct pprof *profile_of(struct collect *c, struct target *t)
{
	uint64_t hash = hash_u64((uintptr_t)t);
	struct hashmap_entry *e = hashmap_get(&c->profiles, hash, t);

	if (e)
		return container_of(e, struct profile, entry)->pprof;
	struct profile *p = xcalloc(1, sizeof(*p));

	if (!++c->profile_number)
		++c->profile_number;
	p->target = t;
	p->pprof = pprof_new(&(struct pprof_options){
		.time_ns = c->start_real_ns,
		.period_ns = NSEC_PER_SEC / c->sample_rate,
		.number = c->profile_number,
	});
	hashmap_add(&c->profiles, &p->entry, hash);
	return p->pprof;
}

/* Between the user frames that are there. Returns how many user frames there are then. */
static size_t add_language_frames(struct collect *c, const struct profiler_sample *s)
{
	struct stitch_stack stack = {
		.ips = s->user_ips,
		.ip_count = s->user_count,
		.ips_complete = s->user_end == UNWIND_END_ROOT,
		.leaf_exact = s->user_leaf_exact,
		.records = s->records,
		.record_count = s->record_count,
	};

	if (!c->interp)
		return s->user_count;
	return interp_stack(c->interp, &s->process, &stack, c->frames + s->kernel_count);
}

static void add(struct collect *c, const struct profiler_sample *s, struct target *t)
{
	char comm[sizeof(s->comm) + 1];
	size_t count = s->kernel_count + s->user_count;

	memcpy(comm, s->comm, sizeof(s->comm));
	comm[sizeof(s->comm)] = '\0';
	symbolizer_kernel(c->symbolizer, s->kernel_ips, s->kernel_count, c->frames);
	symbolizer_user(c->symbolizer, &s->process, s->user_ips, s->user_count, s->user_leaf_exact,
		c->frames + s->kernel_count);
	count = s->kernel_count + add_language_frames(c, s);
	pprof_add(profile_of(c, t),
		&(struct pprof_sample){
			.frames = c->frames,
			.frame_count = count,
			.root = c->comm == COMM_STACKFRAME ? comm : NULL,
			.truncated = s->user_end == UNWIND_END_TRUNCATED ||
				s->user_end == UNWIND_END_CUT,
			.count = s->count,
		});
	quality_count(&t->quality, &c->quality, s, c->frames, count);
	t->samples += s->count;
	c->tally->exported += s->count;
}

/* Takes over k. */
static void wait_on(struct collect *c, struct carried *k)
{
	list_append(&c->carrying, &k->node);
	c->carried_count++;
	symbolizer_keep_process(c->symbolizer, &k->sample.process);
	c->tally->carried_out += k->sample.count;
}

static void carry(struct collect *c, const struct profiler_sample *s)
{
	size_t words = 2 * s->record_count, count = words + s->kernel_count + s->user_count;

	if (c->carried_count >= MAX_CARRIED) {
		c->tally->unknown += s->count;
		return;
	}
	struct carried *k = xmalloc(sizeof(*k) + count * sizeof(uint64_t));

	k->rounds = 0;
	k->sample = *s;
	k->sample.records = (const void *)k->ips;
	k->sample.kernel_ips = k->ips + words;
	k->sample.user_ips = k->ips + words + s->kernel_count;
	if (words)
		memcpy(k->ips, s->records, words * sizeof(uint64_t));
	memcpy(k->ips + words, s->kernel_ips, s->kernel_count * sizeof(uint64_t));
	memcpy(k->ips + words + s->kernel_count, s->user_ips, s->user_count * sizeof(uint64_t));
	wait_on(c, k);
}

/* Charges the sample or filters it; false where its container is not known. */
static bool settle(struct collect *c, const struct profiler_sample *s)
{
	struct target *t;

	switch (attribution_of(c->attribution, s, &t)) {
	case ATTRIBUTED:
		add(c, s, t);
		return true;
	case ATTRIBUTED_DROPPED:
		c->tally->filtered += s->count;
		return true;
	case ATTRIBUTED_UNKNOWN:
		break;
	}
	return false;
}

static void on_sample(void *ctx, const struct profiler_sample *s)
{
	if (!settle(ctx, s))
		carry(ctx, s);
}

static void take_carried(struct collect *c, bool complete)
{
	c->carried_count = 0;
	list_for_each_safe(n, &c->carried) {
		struct carried *k = list_entry(n, struct carried, node);
		uint64_t count = k->sample.count;

		c->tally->carried_in += count;
		list_remove(n);
		if (settle(c, &k->sample)) {
			free(k);
		} else if (!complete && ++k->rounds < MAX_ROUNDS) {
			wait_on(c, k);
		} else {
			*(complete ? &c->tally->filtered : &c->tally->unknown) += count;
			free(k);
		}
	}
}

static void move_all(struct list_node *from, struct list_node *to)
{
	list_for_each_safe(n, from) {
		list_remove(n);
		list_append(to, n);
	}
}

int collect_round(struct collect *c, bool complete, struct collect_tally *ret, struct error *err)
{
	struct profiler_tally kernel = {0};

	*ret = (struct collect_tally){0};
	c->tally = ret;
	symbolizer_begin_round(c->symbolizer);
	take_carried(c, complete);
	int r = profiler_round(c->profiler, on_sample, c, &kernel, err);

	move_all(&c->carrying, &c->carried);
	symbolizer_end_round(c->symbolizer);
	if (c->interp)
		interp_end_round(c->interp);
	c->tally = NULL;
	ret->ticks = kernel.ticks;
	ret->filtered += kernel.filtered;
	memcpy(ret->lost, kernel.lost, sizeof(ret->lost));
	ret->duration_ns = kernel.end_ns - kernel.start_ns;
	return r;
}

void collect_flush(struct collect *c,
	void (*on_profile)(void *ctx, struct target *t, struct pprof *profile), void *ctx)
{
	int64_t duration = clock_monotonic_ns() - c->start_mono_ns;

	hashmap_for_each(e, &c->profiles) {
		struct profile *p = container_of(e, struct profile, entry);

		hashmap_remove(&c->profiles, e);
		pprof_set_duration(p->pprof, duration);
		if (on_profile)
			on_profile(ctx, p->target, p->pprof);
		else
			pprof_free(p->pprof);
		free(p);
	}
	collect_start(c);
}
