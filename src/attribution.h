// SPDX-License-Identifier: Apache-2.0
/*
 * Which container a cgroup belongs to: the names of the kernel's cgroups on one side, the container
 * ids of the targets on the other.
 */
#ifndef ATTRIBUTION_H
#define ATTRIBUTION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hashmap.h"
#include "base/list.h"
#include "profiler/profiler.h"
#include "target/target_table.h"

#define CONTAINER_ID_LEN 64

struct attribution {
	struct profiler *profiler; /* set once it exists; not owned */
	const struct target_table *targets; /* not owned */
	bool sourceless; /* no engine is followed that could still tell of a container */
	struct hashmap cgroups; /* by key */
	struct list_node order; /* oldest first, to bound their number */
};

/*
 * Finds a container id in the name of a cgroup: exactly 64 hex digits with nothing hexadecimal beside
 * them, as in "<id>", "docker-<id>.scope", "libpod-<id>.scope". Writes CONTAINER_ID_LEN + 1 bytes.
 */
bool container_id_in_name(const char *name, char *ret_id);

void attribution_init(struct attribution *a, const struct target_table *targets);
void attribution_release(struct attribution *a);

/* A new cgroup was sampled (profiler_ops.cgroup_seen): tells the profiler what to do with it. */
void attribution_seen(struct attribution *a, const struct cgroup_chain *v2,
	const struct cgroup_chain *v1);
/* The targets that select this container changed (came, went, other verdict). NULL: any may have. */
void attribution_changed(struct attribution *a, const char *container_id);
/* After a round. `complete`: all engines are connected, so an id still unknown is none of theirs. */
void attribution_end_round(struct attribution *a, bool complete);

/* A cgroup that stands for a container, as far as its name goes. */
struct attributed_cgroup {
	const char *id; /* the container's */
	cgroup_key key; /* its root cgroup */
	bool nested; /* inside of another known container */
	int64_t since_ns; /* CLOCK_MONOTONIC of its first tick */
	enum cgroup_verdict verdict;
};

/* The cgroups with a container id that ticks have fallen into, oldest first. */
void attribution_for_each(const struct attribution *a,
	void (*visit)(void *ctx, const struct attributed_cgroup *c), void *ctx);

enum attribution_answer {
	ATTRIBUTED, /* *ret_target is profiled */
	ATTRIBUTED_DROPPED, /* a container that is not to be profiled, or no container at all */
	ATTRIBUTED_UNKNOWN, /* looks like a container that no source has told of (yet) */
};

enum attribution_answer attribution_of(const struct attribution *a,
	const struct profiler_sample *sample, struct target **ret_target);

#endif
