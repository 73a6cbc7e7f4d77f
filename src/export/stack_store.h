// SPDX-License-Identifier: Apache-2.0
/*
 * Call stacks, each place of a call once: a tree of nodes from the roots of all stacks on, of which a
 * stack is one number, that of its leaf. The same code runs interval after interval and in many
 * containers, so a stack seen before costs nothing. Functions are told apart by name and module;
 * addresses are not kept.
 */
#ifndef EXPORT_STACK_STORE_H
#define EXPORT_STACK_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "export/dedup.h"
#include "export/string_table.h"

#define STACK_ROOT 0 /* the node above all */

struct stack_frame {
	uint32_t name, module; /* strings */
	bool kernel;
};

struct stack_node {
	uint32_t parent, frame; /* parents come before their children */
};

struct stack_store {
	struct string_table strings;
	struct stack_frame *frames;
	struct stack_node *nodes;
	size_t frame_count, frame_capacity;
	size_t node_count, node_capacity;
	struct dedup frame_dedup, node_dedup;
};

void stack_store_init(struct stack_store *s);
void stack_store_release(struct stack_store *s);
uint32_t stack_store_frame(struct stack_store *s, const char *name, const char *module,
	bool kernel);
/* Nothing will be added any more: gives up what only finding needs, which is most of it. */
void stack_store_seal(struct stack_store *s);
/* The node of `frame` called by `parent`. */
uint32_t stack_store_child(struct stack_store *s, uint32_t parent, uint32_t frame);
/* What it holds takes, without the room to grow: at least half of stack_store_bytes() once it has grown. */
size_t stack_store_needed(const struct stack_store *s);
/* What it takes of memory. */
size_t stack_store_bytes(const struct stack_store *s);

#endif
