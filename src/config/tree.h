// SPDX-License-Identifier: Apache-2.0
/*
 * A YAML file as a tree of nodes that know where they stand. What a configuration does not need is
 * refused with a message: several documents, merge keys, tags, keys that are no plain text.
 */
#ifndef CONFIG_TREE_H
#define CONFIG_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"
#include "config/config.h"

#define TREE_MAX_BYTES   (1024 * 1024) /* hundreds of times the longest file seen in the field */
#define TREE_MAX_DEPTH   32 /* the deepest key is at 7; keeps every walk over the tree shallow */
#define TREE_MAX_NODES   100000 /* counting what aliases repeat, so that they cannot multiply */
#define TREE_MAX_ANCHORS 64
#define TREE_MAX_ALIASES 64

enum node_kind {
	NODE_NULL, /* nothing, ~ or null, without quotes */
	NODE_SCALAR,
	NODE_LIST,
	NODE_MAP,
};

struct node {
	enum node_kind kind;
	unsigned line, column; /* 1-based */
	bool quoted;
	char *text; /* SCALAR: valid UTF-8, no NUL; NULL: as written; else NULL */
	struct node **items; /* LIST: items; MAP: key, value, key, value, ... */
	size_t count, capacity; /* of items */
	size_t weight; /* nodes in it, itself included, aliases expanded */
	unsigned height; /* 1: holds nothing */
};

/* Nodes may appear at several places of the tree (aliases), never beneath themselves. */
struct tree {
	struct node *root;
	struct node **nodes; /* all, for releasing */
	size_t count, capacity;
};

/* 0, or -EINVAL with at least one problem added; *ret is to be released in any case. */
int tree_parse(const char *text, size_t len, struct tree *ret,
	struct config_problems *problems) MUST_CHECK;
void tree_release(struct tree *tree);

/* Entries of a map. */
static inline size_t node_entries(const struct node *map)
{
	return map->kind == NODE_MAP ? map->count / 2 : 0;
}

static inline const struct node *node_key(const struct node *map, size_t i)
{
	return map->items[2 * i];
}

static inline const struct node *node_value(const struct node *map, size_t i)
{
	return map->items[2 * i + 1];
}

/* The value under that key; NULL where there is none, or where `map` is no map. */
const struct node *node_get(const struct node *map, const char *key);
/* The key itself, for its place. */
const struct node *node_get_key(const struct node *map, const char *key);

#endif
