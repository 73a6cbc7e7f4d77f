// SPDX-License-Identifier: Apache-2.0
/*
 * A shift-reduce parser of Go's regular expressions: nodes are pushed on a stack; a quantifier takes
 * the topmost; | and ) and the end fold what lies above the last ( or | into one node.
 *
 *	a(b|c*      stack:  a  (  b  |  c*
 *	a(b|c*)     stack:  a  group(alternate(b, star(c)))
 *
 * It has Go's stack discipline on purpose, because legality depends on it: in `a*(?i)*` the second
 * star finds a star on top of the stack, and it is legal as it does not follow it directly.
 *
 * The tree is simplified while it is built, as Go does before compiling: a repeated nothing is
 * nothing, (?:x*)* is x*, one-element sequences vanish, sequences in sequences are flattened. The
 * shape decides which captures a match reports (see re2_pcre2.c), so it has to be Go's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/macros.h"
#include "base/utf8.h"
#include "relabel/re2_scan.h"

#define FRAME_START "^(?s:"
#define FRAME_END   ")$"

struct parser {
	struct re2_scan scan;
	struct re2_node **stack;
	size_t depth, capacity;
};

static struct re2_node *new_node(struct parser *p, enum re2_op op)
{
	return re2_node_new(p->scan.re, op, p->scan.flags);
}

static void push(struct parser *p, struct re2_node *node)
{
	if (p->depth == p->capacity) {
		p->capacity = grow_capacity(p->capacity, p->depth + 1);
		p->stack = xreallocarray(p->stack, p->capacity, sizeof(p->stack[0]));
	}
	p->stack[p->depth++] = node;
}

static int push_op(struct parser *p, enum re2_op op, size_t used)
{
	push(p, new_node(p, op));
	p->scan.pos += used;
	return 0;
}

static void push_literal(struct parser *p, uint32_t rune)
{
	struct re2_node *node = new_node(p, RE2_LITERAL);

	node->rune = rune;
	push(p, node);
}

static bool on_stack_only(const struct re2_node *node)
{
	return node->op == RE2_LEFT_PAREN || node->op == RE2_VERTICAL_BAR;
}

/* Go refuses towers; the bound keeps our own recursion over the tree shallow, too. */
static int check_height(struct parser *p, const struct re2_node *node)
{
	if (node->height <= RE2_HEIGHT_MAX)
		return 0;
	return re2_refuse(&p->scan, "expression nests too deeply", NULL, NULL);
}

/* Folds the `count` topmost nodes into one sequence. */
static int reduce_concat(struct parser *p)
{
	size_t start = p->depth;

	while (start > 0 && !on_stack_only(p->stack[start - 1]))
		start--;
	if (p->depth - start == 1)
		return 0;
	struct re2_node *node = new_node(p, start == p->depth ? RE2_EMPTY : RE2_CONCAT);

	if (start < p->depth)
		node->nullable = true;
	for (size_t i = start; i < p->depth; i++) {
		node->nullable &= p->stack[i]->nullable;
		re2_node_append_flat(node, p->stack[i]);
	}
	p->depth = start;
	push(p, node);
	return check_height(p, node);
}

/* Folds `x | y | z` above the last ( into one node. */
static int reduce_alternate(struct parser *p)
{
	size_t start = p->depth;
	int r = reduce_concat(p);

	if (r < 0)
		return r;
	for (start = p->depth; start > 0 && p->stack[start - 1]->op != RE2_LEFT_PAREN;)
		start--;
	if (p->depth - start == 1)
		return 0;
	struct re2_node *node = new_node(p, RE2_ALTERNATE);

	for (size_t i = start; i < p->depth; i += 2) {
		struct re2_node *child = p->stack[i];

		node->nullable |= child->nullable;
		if (child->op != RE2_EMPTY || !node->last || node->last->op != RE2_EMPTY)
			re2_node_append_flat(node, child);
	}
	p->depth = start;
	push(p, node->first == node->last ? node->first : node);
	return check_height(p, node);
}

static int scan_vertical_bar(struct parser *p)
{
	int r = reduce_concat(p);

	return r < 0 ? r : push_op(p, RE2_VERTICAL_BAR, 1);
}

static int scan_right_paren(struct parser *p)
{
	int r = reduce_alternate(p);

	if (r < 0)
		return r;
	if (p->depth < 2) {
		p->scan.pos++;
		return re2_refuse(&p->scan, "unexpected )", NULL, NULL);
	}
	struct re2_node *paren = p->stack[p->depth - 2], *body = p->stack[p->depth - 1];

	p->depth -= 2;
	p->scan.flags = paren->flags;
	p->scan.pos++;
	if (paren->group) {
		paren->op = RE2_CAPTURE;
		paren->nullable = body->nullable;
		re2_node_append(paren, body);
		body = paren;
	}
	push(p, body);
	return check_height(p, body);
}

/* Opens a capturing group; the name is [name, name + len), or NULL. */
static void push_group(struct parser *p, const char *name, size_t len)
{
	struct re2 *re = p->scan.re;
	struct re2_node *node = new_node(p, RE2_LEFT_PAREN);

	node->group = (unsigned)++re->group_count;
	if (re->group_count >= re->name_capacity) {
		re->name_capacity = grow_capacity(re->name_capacity, re->group_count + 1);
		re->names = xreallocarray(re->names, re->name_capacity, sizeof(re->names[0]));
	}
	re->names[0] = NULL;
	re->names[re->group_count] = name ? xstrndup(name, len) : NULL;
	push(p, node);
}

static bool group_name_valid(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!strchr("0123456789_"
			    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
			    name[i]) ||
			!name[i])
			return false;
	return len > 0;
}

/* (?P<name> or (?<name> at the place; `skip` bytes lead to the name. */
static int scan_named_group(struct parser *p, size_t skip)
{
	const char *from = p->scan.pos, *name = from + skip;
	const char *end = memchr(name, '>', (size_t)(p->scan.end - name));
	const char *hint = *name == '=' || *name == '!'
		? "Prometheus' RE2 has no look-behind"
		: "write (?P<name>...) with letters, digits and _";

	p->scan.pos = end ? end + 1 : p->scan.end;
	if (!end)
		return re2_refuse(&p->scan, "invalid named capture", from, hint);
	if (!utf8_valid(name, (size_t)(end - name)))
		return re2_refuse(&p->scan, "invalid UTF-8", NULL, NULL);
	if (!group_name_valid(name, (size_t)(end - name)))
		return re2_refuse(&p->scan, "invalid named capture", from, hint);
	push_group(p, name, (size_t)(end - name));
	return 0;
}

static unsigned perl_flag(uint32_t c)
{
	switch (c) {
	case 'i':
		return RE2_FOLD;
	case 'm':
		return RE2_MULTI_LINE;
	case 's':
		return RE2_DOT_NL;
	case 'U':
		return RE2_NON_GREEDY;
	default:
		return 0;
	}
}

/* (?flags) or (?flags:, where flags may be empty, or hold one - with at least one flag behind it. */
static int scan_flags(struct parser *p)
{
	const char *from = p->scan.pos;
	unsigned set = 0, cleared = 0;
	bool minus = false;

	p->scan.pos += 2;
	while (p->scan.pos < p->scan.end) {
		uint32_t c = 0;
		int r = re2_scan_rune(&p->scan, &c);

		if (r < 0)
			return r;
		if (perl_flag(c)) {
			*(minus ? &cleared : &set) |= perl_flag(c);
			continue;
		}
		if (c == '-' && !minus) {
			minus = true;
			continue;
		}
		if ((c != ':' && c != ')') || (minus && !cleared))
			break;
		if (c == ':')
			push(p, new_node(p, RE2_LEFT_PAREN));
		p->scan.flags = (p->scan.flags | set) & ~cleared;
		return 0;
	}
	return re2_refuse(&p->scan, "invalid or unsupported Perl syntax", from,
		re2_perl_hint(from, p->scan.end));
}

static int scan_left_paren(struct parser *p)
{
	const struct re2_scan *scan = &p->scan;

	if (re2_scan_peek(scan, 1) == '?') {
		if (re2_scan_left(scan) > 4 && scan->pos[2] == 'P' && scan->pos[3] == '<')
			return scan_named_group(p, 4);
		if (re2_scan_left(scan) > 3 && scan->pos[2] == '<')
			return scan_named_group(p, 3);
		return scan_flags(p);
	}
	push_group(p, NULL, 0);
	p->scan.pos++;
	return 0;
}

/* Rewrites what {min,max} says shorter. RE2_EMPTY: nothing at all; RE2_CONCAT: just once. */
static enum re2_op repeat_op(int min, int max)
{
	if (min == 0 && max == 0)
		return RE2_EMPTY;
	if (min == 1 && max == 1)
		return RE2_CONCAT;
	if (max == -1 && min <= 1)
		return min ? RE2_PLUS : RE2_STAR;
	if (min == 0 && max == 1)
		return RE2_QUEST;
	return RE2_REPEAT;
}

/* Applies the quantifier that began at `from` and was read up to scan.pos to the topmost node. */
static int reduce_quantifier(struct parser *p, enum re2_op op, int min, int max, const char *from)
{
	struct re2_quantifier quantifier = {.op = op,
		.min = min,
		.max = max,
		.flags = p->scan.flags};
	struct re2_node *sub = p->depth ? p->stack[p->depth - 1] : NULL, *node;

	if (re2_scan_peek(&p->scan, 0) == '?') {
		quantifier.flags ^= RE2_NON_GREEDY;
		p->scan.pos++;
	}
	if (!sub || on_stack_only(sub))
		return re2_refuse(&p->scan, "missing argument to repetition operator", from,
			sub && sub->op == RE2_LEFT_PAREN && *from == '*'
				? "Prometheus' RE2 has no (*VERBS)"
				: NULL);
	if (op == RE2_EMPTY)
		node = new_node(p, RE2_EMPTY);
	else if (op == RE2_CONCAT)
		node = sub;
	else
		node = re2_node_quantified(p->scan.re, sub, &quantifier);
	p->stack[p->depth - 1] = node;
	if (node->repeats > RE2_REPEAT_MAX)
		return re2_refuse(&p->scan, "invalid repeat count", from,
			"repeats multiply to more than 1000");
	return check_height(p, node);
}

/* A decimal number without leading zeros; false where there is none. Large ones become INT_MAX-ish. */
static bool scan_count(struct re2_scan *scan, int *ret)
{
	int value = 0;

	if (re2_scan_peek(scan, 0) < '0' || re2_scan_peek(scan, 0) > '9')
		return false;
	if (re2_scan_peek(scan, 0) == '0' && re2_scan_peek(scan, 1) >= '0' &&
		re2_scan_peek(scan, 1) <= '9')
		return false;
	for (; re2_scan_peek(scan, 0) >= '0' && re2_scan_peek(scan, 0) <= '9'; scan->pos++)
		value = MIN(value * 10 + (*scan->pos - '0'), RE2_REPEAT_MAX + 1);
	*ret = value;
	return true;
}

/* {n}, {n,} or {n,m}; max -1: no bound. False: no such thing, and the brace is a literal. */
static bool scan_repeat_counts(struct re2_scan *scan, int *ret_min, int *ret_max)
{
	scan->pos++;
	if (!scan_count(scan, ret_min))
		return false;
	*ret_max = *ret_min;
	if (re2_scan_peek(scan, 0) == ',') {
		scan->pos++;
		*ret_max = -1;
		if (re2_scan_peek(scan, 0) != '}' && !scan_count(scan, ret_max))
			return false;
	}
	if (re2_scan_peek(scan, 0) != '}')
		return false;
	scan->pos++;
	return true;
}

/* *ret_quantifier: whether it was one, and not a literal brace. */
static int scan_quantifier(struct parser *p, const char *last, bool *ret_quantifier)
{
	const char *from = p->scan.pos;
	enum re2_op op = RE2_REPEAT;
	int min = 0, max = 0;

	*ret_quantifier = true;
	if (*from == '{') {
		if (!scan_repeat_counts(&p->scan, &min, &max)) {
			*ret_quantifier = false;
			p->scan.pos = from + 1;
			push_literal(p, '{');
			return 0;
		}
		if (min > RE2_REPEAT_MAX || max > RE2_REPEAT_MAX || (max >= 0 && min > max))
			return re2_refuse(&p->scan, "invalid repeat count", from,
				"at most 1000, and the first not above the second");
		op = repeat_op(min, max);
	} else {
		op = *from == '*' ? RE2_STAR : *from == '+' ? RE2_PLUS : RE2_QUEST;
		p->scan.pos++;
	}
	if (last) {
		if (re2_scan_peek(&p->scan, 0) == '?')
			p->scan.pos++;
		return re2_refuse(&p->scan, "invalid nested repetition operator", last,
			*from == '+' ? "Prometheus' RE2 has no possessive quantifiers" : NULL);
	}
	return reduce_quantifier(p, op, min, max, from);
}

static int scan_quoted(struct parser *p)
{
	struct re2_scan *scan = &p->scan;

	scan->pos += 2;
	while (scan->pos < scan->end) {
		uint32_t rune = 0;

		if (scan->pos[0] == '\\' && re2_scan_peek(scan, 1) == 'E') {
			scan->pos += 2;
			return 0;
		}
		int r = re2_scan_rune(scan, &rune);

		if (r < 0)
			return r;
		push_literal(p, rune);
	}
	return 0;
}

static int scan_brackets(struct parser *p)
{
	struct re2_node *node = new_node(p, RE2_CLASS);

	node->class = re2_class_new();
	push(p, node);
	return re2_scan_brackets(&p->scan, node->class);
}

static int scan_backslash(struct parser *p)
{
	uint32_t rune = 0;
	bool found;

	switch (re2_scan_peek(&p->scan, 1)) {
	case 'A':
		return push_op(p, RE2_BEGIN_TEXT, 2);
	case 'z':
		return push_op(p, RE2_END_TEXT, 2);
	case 'b':
		return push_op(p, RE2_WORD_BOUNDARY, 2);
	case 'B':
		return push_op(p, RE2_NO_WORD_BOUNDARY, 2);
	case 'Q':
		return scan_quoted(p);
	}
	struct re2_class *class = re2_class_new();
	int r = re2_scan_class_escape(&p->scan, class, &found);

	if (r == 0 && found) {
		struct re2_node *node = new_node(p, RE2_CLASS);

		node->class = class;
		push(p, node);
		return 0;
	}
	re2_class_free(class);
	if (r < 0)
		return r;
	r = re2_scan_escape(&p->scan, &rune);
	if (r == 0)
		push_literal(p, rune);
	return r;
}

/* Everything but quantifiers. */
static int scan_item(struct parser *p)
{
	unsigned flags = p->scan.flags;
	uint32_t rune = 0;
	int r;

	switch (*p->scan.pos) {
	case '(':
		return scan_left_paren(p);
	case ')':
		return scan_right_paren(p);
	case '|':
		return scan_vertical_bar(p);
	case '^':
		return push_op(p, flags & RE2_MULTI_LINE ? RE2_BEGIN_LINE : RE2_BEGIN_TEXT, 1);
	case '$':
		return push_op(p, flags & RE2_MULTI_LINE ? RE2_END_LINE : RE2_END_TEXT, 1);
	case '.':
		return push_op(p, flags & RE2_DOT_NL ? RE2_ANY : RE2_ANY_NOT_NL, 1);
	case '[':
		return scan_brackets(p);
	case '\\':
		return scan_backslash(p);
	}
	r = re2_scan_rune(&p->scan, &rune);
	if (r == 0)
		push_literal(p, rune);
	return r;
}

static int scan_all(struct parser *p)
{
	const char *last = NULL; /* the quantifier that was read just before */

	while (p->scan.pos < p->scan.end) {
		const char *from = p->scan.pos;
		bool quantifier = false;
		int r = strchr("*+?{", *from) ? scan_quantifier(p, last, &quantifier)
					      : scan_item(p);

		if (r < 0)
			return r;
		last = quantifier ? from : NULL;
	}
	int r = reduce_alternate(p);

	if (r < 0)
		return r;
	if (p->depth != 1)
		return re2_refuse(&p->scan, "missing closing )", NULL, NULL);
	p->scan.re->root = p->stack[0];
	return 0;
}

int re2_parse(struct re2 *re, const char *pattern, struct error *err)
{
	char *text cleanup_free = xasprintf("%s%s%s", FRAME_START, pattern, FRAME_END);
	struct parser p = {.scan = {.pos = text, .end = text + strlen(text), .re = re}};

	*re = (struct re2){0};
	int r = scan_all(&p);

	if (r < 0) {
		re2_say_why(&p.scan, text + strlen(FRAME_START), strlen(pattern), err);
		re2_release(re);
	}
	free(p.stack);
	return r;
}
