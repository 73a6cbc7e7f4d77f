// SPDX-License-Identifier: Apache-2.0
/*
 * libyaml's events -> nodes. The events of a well-formed document nest, so a stack of the open
 * containers is all the state there is; nothing here recurses:
 *
 *	targets:            MAP <- stack[0]
 *	  - a: 1            LIST <- stack[1]; MAP <- stack[2]; SCALAR a, SCALAR 1 are appended to it
 *
 * An alias is a second pointer to a node that is already complete (one to a node that is still on
 *the stack would make a loop and is refused). The tree is therefore a graph without loops, and
 *walking it costs as much as the text would with every alias written out. That cost, the weight, is
 *summed up as containers close, and a file whose weight is over the limit is refused before anybody
 *walks it.
 */
#include "config/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/alloc.h"
#include "config/problems.h"

struct anchor {
	char *name;
	struct node *node;
};

struct builder {
	yaml_parser_t parser;
	const char *text;
	size_t len;
	struct tree *tree;
	struct config_problems *problems;
	struct node *stack[TREE_MAX_DEPTH];
	unsigned depth;
	struct anchor anchors[TREE_MAX_ANCHORS];
	size_t anchor_count, alias_count;
	unsigned documents;
};

static unsigned mark_line(const yaml_mark_t *mark)
{
	return (unsigned)mark->line + 1;
}

static unsigned mark_column(const yaml_mark_t *mark)
{
	return (unsigned)mark->column + 1;
}

#define refuse(b, mark, ...)                                                                       \
	({                                                                                         \
		const yaml_mark_t *mark_ = (mark);                                                 \
		problem_add((b)->problems, mark_line(mark_), mark_column(mark_), __VA_ARGS__);     \
		-EINVAL;                                                                           \
	})

static struct node *add_node(struct builder *b, enum node_kind kind, const yaml_mark_t *mark)
{
	struct tree *tree = b->tree;
	struct node *node = xcalloc(1, sizeof(*node));

	*node = (struct node){
		.kind = kind,
		.line = mark_line(mark),
		.column = mark_column(mark),
		.weight = 1,
		.height = 1,
	};
	if (tree->count == tree->capacity) {
		tree->capacity = grow_capacity(tree->capacity, tree->count + 1);
		tree->nodes = xreallocarray(tree->nodes, tree->capacity, sizeof(struct node *));
	}
	tree->nodes[tree->count++] = node;
	return node;
}

static bool is_key_position(const struct builder *b)
{
	const struct node *parent = b->depth ? b->stack[b->depth - 1] : NULL;

	return parent && parent->kind == NODE_MAP && parent->count % 2 == 0;
}

/* Makes the node a child of the innermost open container, or the root. */
static int attach(struct builder *b, struct node *node, const yaml_mark_t *mark)
{
	if (!b->depth) {
		b->tree->root = node;
		return 0;
	}
	struct node *parent = b->stack[b->depth - 1];

	if (is_key_position(b) && node->kind != NODE_SCALAR)
		return refuse(b, mark, "a key must be a plain word");
	if (is_key_position(b) && !node->quoted && strcmp(node->text, "<<") == 0)
		return refuse(b, mark, "merge keys (<<) are not supported; write the keys out");
	if (parent->count == parent->capacity) {
		parent->capacity = grow_capacity(parent->capacity, parent->count + 1);
		parent->items =
			xreallocarray(parent->items, parent->capacity, sizeof(struct node *));
	}
	parent->items[parent->count++] = node;
	return 0;
}

static int remember_anchor(struct builder *b, struct node *node, const yaml_event_t *event,
	const yaml_char_t *name)
{
	if (!name)
		return 0;
	if (b->anchor_count == TREE_MAX_ANCHORS)
		return refuse(b, &event->start_mark, "more than %d anchors", TREE_MAX_ANCHORS);
	b->anchors[b->anchor_count++] = (struct anchor){
		.name = xstrdup((const char *)name),
		.node = node,
	};
	return 0;
}

/* Only the tag that says what is the case anyway is allowed. */
static int check_tag(struct builder *b, const yaml_event_t *event, const yaml_char_t *tag)
{
	const char *t = (const char *)tag;

	if (!t || strcmp(t, "!") == 0 ||
		(event->type == YAML_SCALAR_EVENT && strcmp(t, YAML_STR_TAG) == 0))
		return 0;
	return refuse(b, &event->start_mark, "tags (%.40s) are not supported; remove it", t);
}

static bool is_null(const char *s)
{
	return !*s || strcmp(s, "~") == 0 || strcmp(s, "null") == 0 || strcmp(s, "Null") == 0 ||
		strcmp(s, "NULL") == 0;
}

static int on_scalar(struct builder *b, const yaml_event_t *event)
{
	const char *value = (const char *)event->data.scalar.value;
	size_t len = event->data.scalar.length;
	int r = check_tag(b, event, event->data.scalar.tag);

	if (r < 0)
		return r;
	if (memchr(value, '\0', len))
		return refuse(b, &event->start_mark, "a text cannot hold the NUL character (\\0)");
	bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !event->data.scalar.tag;
	enum node_kind kind = plain && is_null(value) ? NODE_NULL : NODE_SCALAR;
	struct node *node = add_node(b, kind, &event->start_mark);

	node->quoted = !plain;
	node->text = xstrndup(value, len);
	r = remember_anchor(b, node, event, event->data.scalar.anchor);
	return r < 0 ? r : attach(b, node, &event->start_mark);
}

static int open_container(struct builder *b, enum node_kind kind, const yaml_event_t *event,
	const yaml_char_t *anchor, const yaml_char_t *tag)
{
	int r = check_tag(b, event, tag);

	if (r < 0)
		return r;
	if (b->depth == TREE_MAX_DEPTH)
		return refuse(b, &event->start_mark, "nested deeper than %d levels",
			TREE_MAX_DEPTH);
	struct node *node = add_node(b, kind, &event->start_mark);

	r = remember_anchor(b, node, event, anchor);
	if (r == 0)
		r = attach(b, node, &event->start_mark);
	if (r == 0)
		b->stack[b->depth++] = node;
	return r;
}

static int close_container(struct builder *b)
{
	struct node *node = b->stack[--b->depth];

	for (size_t i = 0; i < node->count; i++) {
		node->weight += node->items[i]->weight;
		node->height = MAX(node->height, node->items[i]->height + 1);
	}
	if (node->weight <= TREE_MAX_NODES)
		return 0;
	problem_add(b->problems, node->line, node->column,
		"more than %d values (aliases written out)", TREE_MAX_NODES);
	return -EINVAL;
}

static int on_alias(struct builder *b, const yaml_event_t *event)
{
	const char *name = (const char *)event->data.alias.anchor;
	struct node *node = NULL;

	for (size_t i = 0; i < b->anchor_count; i++)
		if (strcmp(b->anchors[i].name, name) == 0)
			node = b->anchors[i].node;
	if (!node)
		return refuse(b, &event->start_mark, "no anchor &%.40s stands before this alias",
			name);
	for (unsigned i = 0; i < b->depth; i++)
		if (b->stack[i] == node)
			return refuse(b, &event->start_mark, "*%.40s is inside its own anchor",
				name);
	if (++b->alias_count > TREE_MAX_ALIASES)
		return refuse(b, &event->start_mark, "more than %d aliases", TREE_MAX_ALIASES);
	if (b->depth + node->height > TREE_MAX_DEPTH)
		return refuse(b, &event->start_mark, "nested deeper than %d levels",
			TREE_MAX_DEPTH);
	return attach(b, node, &event->start_mark);
}

static int on_event(struct builder *b, const yaml_event_t *event)
{
	if (b->tree->count > TREE_MAX_NODES)
		return refuse(b, &event->start_mark, "more than %d values", TREE_MAX_NODES);
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (++b->documents > 1)
			return refuse(b, &event->start_mark,
				"a second document starts here (---); write everything in one");
		return 0;
	case YAML_SCALAR_EVENT:
		return on_scalar(b, event);
	case YAML_SEQUENCE_START_EVENT:
		return open_container(b, NODE_LIST, event, event->data.sequence_start.anchor,
			event->data.sequence_start.tag);
	case YAML_MAPPING_START_EVENT:
		return open_container(b, NODE_MAP, event, event->data.mapping_start.anchor,
			event->data.mapping_start.tag);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return close_container(b);
	case YAML_ALIAS_EVENT:
		return on_alias(b, event);
	default:
		return 0;
	}
}

/* libyaml counts bytes, not lines, where a byte is no text at all. */
static void position_of(const struct builder *b, size_t offset, unsigned *ret_line,
	unsigned *ret_column)
{
	*ret_line = *ret_column = 1;
	for (size_t i = 0; i < offset && i < b->len; i++) {
		bool continuation = ((unsigned char)b->text[i] & 0xc0) == 0x80;

		if (b->text[i] == '\n') {
			++*ret_line;
			*ret_column = 1;
		} else if (!continuation) {
			++*ret_column;
		}
	}
}

static void report_unreadable_byte(struct builder *b)
{
	bool control = strcmp(b->parser.problem, "control characters are not allowed") == 0;
	unsigned line, column;

	position_of(b, b->parser.problem_offset, &line, &column);
	problem_add(b->problems, line, column,
		control ? "a control character; remove it, or write it as \"\\xNN\" in double "
			  "quotes"
			: "not valid UTF-8; save the file as UTF-8");
}

static bool tab_at(const struct builder *b, const yaml_mark_t *mark)
{
	size_t line = 0;
	const char *p = b->text, *end = b->text + b->len;

	for (; p < end && line < mark->line; p++)
		line += *p == '\n';
	for (; p < end && (*p == ' ' || *p == '\t'); p++)
		if (*p == '\t')
			return true;
	return false;
}

static void report_syntax(struct builder *b)
{
	const yaml_parser_t *p = &b->parser;

	if (p->error == YAML_READER_ERROR)
		report_unreadable_byte(b);
	else if (tab_at(b, &p->problem_mark))
		(void)refuse(b, &p->problem_mark,
			"a tab in the indentation; YAML allows only spaces there");
	else if (p->context)
		(void)refuse(b, &p->problem_mark, "not valid YAML: %s (%s, from line %u)",
			p->problem, p->context, mark_line(&p->context_mark));
	else
		(void)refuse(b, &p->problem_mark, "not valid YAML: %s", p->problem);
}

static int run(struct builder *b)
{
	for (bool end = false; !end;) {
		yaml_event_t event;

		if (!yaml_parser_parse(&b->parser, &event)) {
			report_syntax(b);
			return -EINVAL;
		}
		int r = on_event(b, &event);

		end = event.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
		if (r < 0)
			return r;
	}
	return 0;
}

int tree_parse(const char *text, size_t len, struct tree *ret, struct config_problems *problems)
{
	struct builder b = {.text = text, .len = len, .tree = ret, .problems = problems};

	*ret = (struct tree){0};
	if (len > TREE_MAX_BYTES) {
		problem_add(problems, 0, 0, "larger than %d bytes", TREE_MAX_BYTES);
		return -EINVAL;
	}
	if (!yaml_parser_initialize(&b.parser))
		abort(); /* out of memory, as in base/alloc.h */
	yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&b.parser, (const unsigned char *)text, len);
	int r = run(&b);

	yaml_parser_delete(&b.parser);
	for (size_t i = 0; i < b.anchor_count; i++)
		free(b.anchors[i].name);
	return r;
}

void tree_release(struct tree *tree)
{
	for (size_t i = 0; i < tree->count; i++) {
		free(tree->nodes[i]->text);
		free(tree->nodes[i]->items);
		free(tree->nodes[i]);
	}
	free(tree->nodes);
	*tree = (struct tree){0};
}

const struct node *node_get_key(const struct node *map, const char *key)
{
	for (size_t i = 0; i < node_entries(map); i++)
		if (strcmp(node_key(map, i)->text, key) == 0)
			return node_key(map, i);
	return NULL;
}

const struct node *node_get(const struct node *map, const char *key)
{
	for (size_t i = 0; i < node_entries(map); i++)
		if (strcmp(node_key(map, i)->text, key) == 0)
			return node_value(map, i);
	return NULL;
}
