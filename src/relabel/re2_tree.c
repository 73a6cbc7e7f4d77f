// SPDX-License-Identifier: Apache-2.0
/* The tree of a pattern, and the figures that are kept about each of its nodes while it grows. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/macros.h"
#include "relabel/re2_scan.h"

struct re2_node *re2_node_new(struct re2 *re, enum re2_op op, unsigned flags)
{
	struct re2_node *node = xcalloc(1, sizeof(*node));

	node->op = op;
	node->flags = flags;
	node->height = 1;
	node->repeats = 1;
	node->paths = op == RE2_ALTERNATE ? 0 : 1;
	node->nullable = op == RE2_EMPTY || (op >= RE2_BEGIN_LINE && op <= RE2_NO_WORD_BOUNDARY);
	node->allocated_next = re->allocated;
	re->allocated = node;
	return node;
}

void re2_node_append(struct re2_node *parent, struct re2_node *child)
{
	child->next = NULL;
	if (parent->last)
		parent->last->next = child;
	else
		parent->first = child;
	parent->last = child;
	parent->height = MAX(parent->height, child->height + 1);
	parent->repeats = MAX(parent->repeats, child->repeats);
	if (parent->op == RE2_ALTERNATE)
		parent->paths = MIN(parent->paths + child->paths, (uint64_t)RE2_PATHS_MANY);
	else
		parent->paths = MIN(parent->paths * child->paths, (uint64_t)RE2_PATHS_MANY);
}

void re2_node_append_flat(struct re2_node *parent, struct re2_node *child)
{
	if (child->op != parent->op) {
		re2_node_append(parent, child);
		return;
	}
	for (struct re2_node *next, *c = child->first; c; c = next) {
		next = c->next;
		re2_node_append(parent, c);
	}
}

/* Ways through a quantifier's node. */
static uint64_t count_paths(const struct re2_node *node)
{
	const struct re2_node *sub = node->first;
	bool endless = node->op == RE2_STAR || node->op == RE2_PLUS ||
		(node->op == RE2_REPEAT && node->max < 0);
	uint64_t paths = 1;

	if (node->op == RE2_QUEST)
		return sub->paths + 1;
	if (endless && (sub->nullable || sub->paths > 1))
		return RE2_PATHS_MANY;
	if (endless)
		return RE2_TYPICAL_LENGTH;
	if (sub->paths == 1)
		return (uint64_t)(node->max - node->min) + 1;
	for (int i = 0; i < node->max && paths < RE2_PATHS_MANY; i++)
		paths *= sub->paths;
	return MIN(paths, (uint64_t)RE2_PATHS_MANY);
}

struct re2_node *re2_node_quantified(struct re2 *re, struct re2_node *sub,
	const struct re2_quantifier *q)
{
	unsigned count = q->op == RE2_REPEAT ? (unsigned)MAX(q->min, q->max) : 1;

	if (sub->op == RE2_EMPTY) {
		sub->repeats *= count;
		return sub;
	}
	if (q->op != RE2_REPEAT && q->op == sub->op &&
		!((q->flags ^ sub->flags) & RE2_NON_GREEDY)) {
		sub->height++; /* as if it were still there */
		return sub;
	}
	struct re2_node *node = re2_node_new(re, q->op, q->flags);

	if (q->op == RE2_REPEAT) {
		node->min = q->min;
		node->max = q->max;
	}
	re2_node_append(node, sub);
	node->repeats *= count;
	node->nullable = sub->nullable || q->op == RE2_STAR || q->op == RE2_QUEST ||
		(q->op == RE2_REPEAT && q->min == 0);
	node->paths = count_paths(node);
	return node;
}

void re2_release(struct re2 *re)
{
	for (struct re2_node *next, *node = re->allocated; node; node = next) {
		next = node->allocated_next;
		if (node->op == RE2_CLASS)
			re2_class_free(node->class);
		free(node);
	}
	for (size_t i = 1; i <= re->group_count; i++)
		free(re->names[i]);
	free(re->names);
	*re = (struct re2){0};
}
