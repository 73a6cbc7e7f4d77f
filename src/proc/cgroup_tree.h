// SPDX-License-Identifier: Apache-2.0
/*
 * The cgroup file system as a tree of directories, and how much CPU time the kernel charges each of
 * them: cpu.stat of cgroup v2, cpuacct.usage of v1. Read through a path of ours, so a private cgroup
 * namespace or a partial mount of it shows as an incomplete tree.
 */
#ifndef PROC_CGROUP_TREE_H
#define PROC_CGROUP_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

#define CGROUP_TREE_DEPTH 16 /* systemd and Docker together make four or five levels */
#define CGROUP_TREES      2
#define CGROUP_TREE_DIRS                                                                           \
	20000 /* of one walk: 10 ms or so; a container may make as many as it likes */

struct cgroup_tree {
	int fd; /* O_PATH, of the directory whose hierarchy accounts for CPU time; -1: none */
	bool v1;
	char *path; /* of that directory */
};

/*
 * fs: "/proc/1/root/sys/fs/cgroup" for the host's view, or "/sys/fs/cgroup". Opens the hierarchies that
 * account for CPU time there: v2; else v1's cpuacct, and v2 beside it (a container may be in either).
 * Their number, at most CGROUP_TREES, or -errno; -ENODEV where there is none.
 */
int cgroup_trees_open(struct cgroup_tree ret[CGROUP_TREES], const char *fs) MUST_CHECK;
/* Harmless on a zero-initialised one that was never opened, and after itself. */
void cgroup_tree_release(struct cgroup_tree *tree);
/* Whether both are the same directory. */
bool cgroup_tree_same(const struct cgroup_tree *a, const struct cgroup_tree *b);

/*
 * Visits directories, parents before children; `path` is relative, `name` its last component. visit
 * returns whether to look below. 0; -E2BIG where it ended at a bound; or -errno.
 */
int cgroup_tree_walk(const struct cgroup_tree *tree,
	bool (*visit)(void *ctx, const char *path, const char *name), void *ctx);

/* CPU time charged to the cgroup and all below since it was made. 0 or -errno (-ENOENT: it is gone). */
int cgroup_tree_cpu(const struct cgroup_tree *tree, const char *path, uint64_t *ret_ns) MUST_CHECK;

#endif
