// SPDX-License-Identifier: Apache-2.0
/* The inside of struct status, for status*.c only. */
#ifndef STATUS_TABLE_H
#define STATUS_TABLE_H

#include "proc/cgroup_tree.h"
#include "status.h"

#define STATUS_TREES   (2 * CGROUP_TREES)
#define STATUS_NOTICES 16 /* places that may have a notice: engines, files */

struct known {
	struct hashmap_entry by_key;
	struct list_node in_table; /* oldest first */
	struct status_entry e;
	char *key; /* container id, "pid N", or "SOURCE ORIGIN" */
	char *name, *service_name, *path;
	struct cpu_proof proof;
	bool present; /* its target lives, or its cgroup does */
	bool stranger; /* never had a target; listed only while present */
	bool seen; /* somebody knows of it still */
	enum cgroup_verdict verdict; /* of a stranger's cgroup */
	unsigned source; /* of the target whose samples were counted last */
	uint64_t counted; /* of that target's samples */
	bool account_read; /* in this round: */
	uint64_t account_ns; /* what the kernel had charged it */
	int64_t account_read_ns; /* CLOCK_MONOTONIC */
	unsigned lookups; /* for its path */
	const struct cgroup_tree *tree; /* that its path is in */
};

struct status {
	const struct discover *discover;
	const struct attribution *attribution;
	char *proc;
	struct cgroup_tree trees[STATUS_TREES]; /* the host's, then those of our own mounts */
	size_t tree_count;
	char *tree_trouble; /* why there is none */
	int64_t tree_due_ns; /* CLOCK_MONOTONIC: when to try to open them again */
	bool tree_cut; /* the last walk ended at a bound */
	struct hashmap known;
	struct list_node order;
	size_t exited;
	const struct status_entry **list;
	size_t list_capacity;
	struct status_notice notices[STATUS_NOTICES];
	size_t notice_count;
};

static inline const struct known *known_of(const struct status_entry *e)
{
	return container_of(e, struct known, e);
}

#endif
