// SPDX-License-Identifier: Apache-2.0
/* A profile as a tree of calls from the roots on, and as a list of functions. */
#ifndef EXPORT_CALL_TREE_H
#define EXPORT_CALL_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "export/dedup.h"
#include "export/pprof.h"

#define CALL_TREE_NONE UINT32_MAX

struct call_node {
	const char *name;
	bool kernel;
	uint32_t parent, first_child, next; /* numbers of nodes, or CALL_TREE_NONE */
	uint64_t total; /* ticks of it and what it called */
};

struct call_function {
	const char *name;
	bool kernel;
	uint64_t self, total; /* ticks; a recursive function counts once per stack */
	uint64_t last_stack; /* that was counted in total */
};

struct call_tree {
	struct call_node *nodes; /* 0: the root above all */
	size_t node_count, node_capacity;
	struct call_function *functions; /* by self, then total, descending */
	size_t function_count, function_capacity;
	struct dedup node_dedup, function_dedup;
	uint64_t stacks;
};

/* Valid as long as nothing is added to p. Children are sorted by total, descending. */
void call_tree_init(struct call_tree *t, const struct pprof *p, const char *root_name);
void call_tree_release(struct call_tree *t);

#endif
