// SPDX-License-Identifier: Apache-2.0
/*
 * Names are interned in the profile, so a pointer identifies a function, and a node is found by its
 * parent's number and that pointer, whatever the number of siblings. Siblings are linked at the end, in
 * the order in which they are shown.
 */
#include "export/call_tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"

struct key {
	const struct call_tree *tree;
	const char *name;
	uint32_t parent;
};

static bool same_node(const void *key, uint32_t i)
{
	const struct key *k = key;
	const struct call_node *n = &k->tree->nodes[i];

	return n->name == k->name && n->parent == k->parent;
}

static uint32_t add_node(struct call_tree *t, uint32_t parent, const char *name, bool kernel)
{
	if (t->node_count == t->node_capacity) {
		t->node_capacity = grow_capacity(t->node_capacity, t->node_count + 1);
		t->nodes = xreallocarray(t->nodes, t->node_capacity, sizeof(t->nodes[0]));
	}
	uint32_t i = (uint32_t)t->node_count++;

	t->nodes[i] = (struct call_node){
		.name = name,
		.kernel = kernel,
		.parent = parent,
		.first_child = CALL_TREE_NONE,
		.next = CALL_TREE_NONE,
	};
	return i;
}

static uint32_t child_of(struct call_tree *t, uint32_t parent, const struct pprof_frame *frame)
{
	struct key key = {.tree = t, .name = frame->name, .parent = parent};
	uint64_t hash = hash_combine(parent, (uintptr_t)frame->name);
	uint32_t i = dedup_find(&t->node_dedup, hash, same_node, &key);

	if (i != DEDUP_NONE)
		return i;
	i = add_node(t, parent, frame->name, frame->kernel);
	dedup_add(&t->node_dedup, hash, i);
	return i;
}

static bool same_function(const void *key, uint32_t i)
{
	const struct key *k = key;

	return k->tree->functions[i].name == k->name;
}

static struct call_function *function_of(struct call_tree *t, const struct pprof_frame *frame)
{
	struct key key = {.tree = t, .name = frame->name};
	uint64_t hash = hash_u64((uintptr_t)frame->name);
	uint32_t i = dedup_find(&t->function_dedup, hash, same_function, &key);

	if (i != DEDUP_NONE)
		return &t->functions[i];
	if (t->function_count == t->function_capacity) {
		t->function_capacity = grow_capacity(t->function_capacity, t->function_count + 1);
		t->functions =
			xreallocarray(t->functions, t->function_capacity, sizeof(t->functions[0]));
	}
	i = (uint32_t)t->function_count++;
	t->functions[i] = (struct call_function){.name = frame->name, .kernel = frame->kernel};
	dedup_add(&t->function_dedup, hash, i);
	return &t->functions[i];
}

static void add_stack(void *ctx, const struct pprof_frame *frames, size_t count, uint64_t ticks)
{
	struct call_tree *t = ctx;
	uint32_t node = 0;

	t->stacks++;
	t->nodes[0].total += ticks;
	for (size_t i = count; i-- > 0;) {
		struct call_function *f = function_of(t, &frames[i]);

		node = child_of(t, node, &frames[i]);
		t->nodes[node].total += ticks;
		if (f->last_stack != t->stacks)
			f->total += ticks;
		f->last_stack = t->stacks;
		if (i == 0)
			f->self += ticks;
	}
}

static int by_self(const void *a, const void *b)
{
	const struct call_function *x = a, *y = b;

	if (x->self != y->self)
		return x->self < y->self ? 1 : -1;
	if (x->total != y->total)
		return x->total < y->total ? 1 : -1;
	return strcmp(x->name, y->name);
}

struct sortable {
	const struct call_node *node;
	uint32_t number;
};

static int by_total(const void *a, const void *b)
{
	const struct call_node *x = ((const struct sortable *)a)->node;
	const struct call_node *y = ((const struct sortable *)b)->node;

	if (x->parent != y->parent)
		return x->parent < y->parent ? -1 : 1;
	if (x->total != y->total)
		return x->total < y->total ? 1 : -1;
	return strcmp(x->name, y->name);
}

/* All nodes by (parent, total), then each parent's children are linked in that order. */
static void sort_children(struct call_tree *t)
{
	struct sortable *all = xcalloc(t->node_count, sizeof(all[0]));

	for (uint32_t i = 0; i < t->node_count; i++)
		all[i] = (struct sortable){.node = &t->nodes[i], .number = i};
	qsort(all, t->node_count, sizeof(all[0]), by_total);
	for (size_t i = t->node_count; i-- > 0;) {
		struct call_node *n = &t->nodes[all[i].number];
		bool last = i + 1 == t->node_count || all[i + 1].node->parent != n->parent;

		n->next = last ? CALL_TREE_NONE : all[i + 1].number;
		if (n->parent != CALL_TREE_NONE)
			t->nodes[n->parent].first_child = all[i].number;
	}
	free(all);
}

void call_tree_init(struct call_tree *t, const struct pprof *p, const char *root_name)
{
	*t = (struct call_tree){0};
	add_node(t, CALL_TREE_NONE, root_name, false);
	pprof_visit(p, add_stack, t);
	if (t->function_count)
		qsort(t->functions, t->function_count, sizeof(t->functions[0]), by_self);
	sort_children(t);
}

void call_tree_release(struct call_tree *t)
{
	free(t->nodes);
	free(t->functions);
	dedup_release(&t->node_dedup);
	dedup_release(&t->function_dedup);
}
