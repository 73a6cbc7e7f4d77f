// SPDX-License-Identifier: Apache-2.0
/* A tree of calls as numbers, as report_flat_tree() writes it. */
#ifndef EXPORT_FLAT_TREE_H
#define EXPORT_FLAT_TREE_H

#include <stddef.h>
#include <stdint.h>

#include "export/pprof.h"

struct flat_node {
	uint32_t parent; /* 0: the root, which has no node; 1: nodes[0], ...; before its children */
	uint32_t frame; /* in frames[] */
	uint64_t self; /* ticks */
};

struct flat_tree {
	struct pprof_options options; /* times and period */
	uint64_t ticks; /* of all, also those without any frame */
	struct pprof_frame *frames; /* the array is its own, the strings are not */
	struct flat_node *nodes;
	size_t frame_count, node_count;
};

void flat_tree_release(struct flat_tree *t);

#endif
