// SPDX-License-Identifier: Apache-2.0
/*
 * A tree as PCRE2 text that matches the same strings, with the same captures.
 *
 * Most constructs have one exact spelling in PCRE2, and every spelling here is independent of PCRE2's
 * newline and class conventions: ^ is \A, $ is \z, (?m)$ is (?![^\n]), . is . under PCRE2_DOTALL, \s
 * is its five characters.
 *
 * What remains is how they search. Both take the first path in order of preference, but RE2 walks an
 * automaton and never enters a state twice at the same place of the text: what was tried there is in
 * progress or has failed. PCRE2, like Perl, tries again. That takes exponential time in (a+)+b, and
 * where a loop's body can match nothing it shows in the captures, too: (a*)* on "aa" has captured "aa"
 * for RE2 and "" for PCRE2. So each choice (|, ?, *, {1,2}) gets a mark:
 *
 *	(a*)*b   ->   (?C{0})(?:((?C{2})(?:a(?C{2}))*)(?C{1}))*b
 *
 * A callout with the string "k" is where state k is entered. It says no where it has been entered at
 * this place before (regex.c keeps one bit per mark and place), and PCRE2 takes the next path, as RE2
 * does. Marks cost time, some ten nanoseconds per choice and place, so a pattern has them only where
 * it needs them: where there are many ways through it, or where it is not anchored.
 *
 * A mark stands for one state, but RE2 has a state per copy of what {n,m} repeats. Where marks are in
 * it, such a repeat is therefore written out, which makes several PCRE2 groups of one group of the
 * pattern; the one that was set last is the furthest to the right (regex.c).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "relabel/re2.h"
#include "relabel/unicode.h"

struct writer {
	struct re2_pcre2 *out;
	bool marked; /* all choices are */
};

static void write_node(struct writer *w, const struct re2_node *node);

static bool is_surrogate(uint32_t rune)
{
	return rune >= 0xd800 && rune <= 0xdfff;
}

static void write_rune(struct strbuf *out, uint32_t rune)
{
	if ((rune >= '0' && rune <= '9') || (rune >= 'A' && rune <= 'Z') ||
		(rune >= 'a' && rune <= 'z') || rune == '_')
		strbuf_add_char(out, (char)rune);
	else
		strbuf_addf(out, "\\x{%x}", rune);
}

/* Surrogates cannot be in a label, and PCRE2 takes them in no range's end. */
static void write_range(struct strbuf *out, uint32_t lo, uint32_t hi)
{
	if (is_surrogate(lo))
		lo = 0xe000;
	if (is_surrogate(hi))
		hi = 0xd7ff;
	if (lo > hi)
		return;
	write_rune(out, lo);
	if (hi > lo) {
		strbuf_add_char(out, '-');
		write_rune(out, hi);
	}
}

/* The group of the text that is opened next stands for the pattern's group. */
static void open_group(struct writer *w, unsigned group)
{
	struct re2_pcre2 *out = w->out;

	if (out->group_count == out->group_capacity) {
		out->group_capacity = grow_capacity(out->group_capacity, out->group_count + 1);
		out->groups =
			xreallocarray(out->groups, out->group_capacity, sizeof(out->groups[0]));
	}
	out->groups[out->group_count++] = group;
}

static void write_mark(struct writer *w, size_t mark)
{
	strbuf_addf(&w->out->text, "(?C{%zu})", mark);
}

/* A choice that is entered here. */
static void write_choice_mark(struct writer *w)
{
	if (w->marked)
		write_mark(w, w->out->mark_count++);
}

static void write_ranges(struct strbuf *out, const struct re2_class *class)
{
	for (size_t i = 0; i < class->range_count; i++)
		write_range(out, class->ranges[i].lo, class->ranges[i].hi);
}

/* Whether anything would be written for it. */
static bool has_ranges(const struct re2_class *class)
{
	for (size_t i = 0; i < class->range_count; i++)
		if (!is_surrogate(class->ranges[i].lo) || !is_surrogate(class->ranges[i].hi))
			return true;
	return false;
}

static void write_strides(struct strbuf *out, const struct unicode_property *p)
{
	for (size_t i = 0; i < p->folded_count; i++) {
		const struct unicode_stride *s = &p->folded[i];

		if (s->stride == 1)
			write_range(out, s->lo, s->hi);
		for (uint32_t c = s->lo; s->stride > 1 && c <= s->hi; c += s->stride)
			write_range(out, c, c);
	}
}

/* Without (?i): one bracket expression. */
static void write_plain_class(struct strbuf *out, const struct re2_class *class)
{
	strbuf_add_str(out, class->negated ? "[^" : "[");
	write_ranges(out, class);
	for (size_t i = 0; i < class->property_count; i++)
		strbuf_addf(out, "\\%c{%s}", class->properties[i].negated ? 'P' : 'p',
			class->properties[i].property->name);
	strbuf_add_char(out, ']');
}

/* Under (?i), where properties are not folded by PCRE2, but are, by table, in Go. */
static void write_folded_class(struct strbuf *out, const struct re2_class *class)
{
	const char *separator = "";

	strbuf_add_str(out, class->negated ? "(?:(?!" : "(?:");
	if (has_ranges(class)) {
		strbuf_add_str(out, "(?i:[");
		write_ranges(out, class);
		strbuf_add_str(out, "])");
		separator = "|";
	}
	for (size_t i = 0; i < class->property_count; i++) {
		const struct re2_property *p = &class->properties[i];

		strbuf_addf(out, "%s[%s\\p{%s}", separator, p->negated ? "^" : "",
			p->property->name);
		write_strides(out, p->property);
		strbuf_add_char(out, ']');
		separator = "|";
	}
	strbuf_add_str(out, class->negated ? ").)" : ")");
}

static void write_class(struct strbuf *out, const struct re2_node *node)
{
	const struct re2_class *class = node->class;
	bool fold = node->flags & RE2_FOLD;

	if (!has_ranges(class) && !class->property_count)
		strbuf_add_str(out, class->negated ? "." : "(?!)");
	else if (fold && class->property_count)
		write_folded_class(out, class);
	else
		write_plain_class(out, class);
}

/* Whether (?i: must be around it, and nothing else of PCRE2's needs to be. */
static bool is_folded_atom(const struct re2_node *node)
{
	if (!(node->flags & RE2_FOLD))
		return false;
	return node->op == RE2_LITERAL ||
		(node->op == RE2_CLASS && !node->class->property_count && has_ranges(node->class));
}

/* What a quantifier of PCRE2 can follow as it is. */
static bool is_atom(const struct re2_node *node)
{
	return node->op == RE2_LITERAL || node->op == RE2_CLASS || node->op == RE2_ANY ||
		node->op == RE2_ANY_NOT_NL || node->op == RE2_CAPTURE;
}

/* A literal or class, without the (?i: that it may need. */
static void write_bare_atom(struct writer *w, const struct re2_node *node)
{
	if (node->op == RE2_CLASS)
		write_class(&w->out->text, node);
	else if (is_surrogate(node->rune))
		strbuf_add_str(&w->out->text, "(?!)");
	else
		write_rune(&w->out->text, node->rune);
}

static void write_lazy(struct writer *w, unsigned flags)
{
	if (flags & RE2_NON_GREEDY)
		strbuf_add_char(&w->out->text, '?');
}

/* x with a quantifier that makes no marks of its own. */
static void write_quantified(struct writer *w, const struct re2_node *node, const char *quantifier)
{
	struct strbuf *out = &w->out->text;
	const struct re2_node *sub = node->first;

	if (is_folded_atom(sub)) {
		strbuf_add_str(out, "(?i:");
		write_bare_atom(w, sub);
	} else if (is_atom(sub)) {
		write_node(w, sub);
	} else {
		strbuf_add_str(out, "(?:");
		write_node(w, sub);
		strbuf_add_char(out, ')');
	}
	strbuf_add_str(out, quantifier);
	write_lazy(w, node->flags);
	if (is_folded_atom(sub))
		strbuf_add_char(out, ')');
}

/*
 * x* or x+. The state is that after a round: go on or leave? It is also that before the first round of
 * x*, unless x is nullable: then Go makes (x+)? of x*, and the first choice is one of its own.
 */
static void write_loop(struct writer *w, const struct re2_node *node, char op)
{
	struct strbuf *out = &w->out->text;
	const struct re2_node *body = node->first;

	if (!w->marked) {
		write_quantified(w, node, (const char[]){op, '\0'});
		return;
	}
	if (op == '*' && body->nullable)
		write_choice_mark(w);
	size_t mark = w->out->mark_count++;

	if (op == '*' && !body->nullable)
		write_mark(w, mark);
	strbuf_add_str(out, "(?:");
	write_node(w, body);
	write_mark(w, mark);
	strbuf_add_char(out, ')');
	strbuf_add_char(out, op);
	write_lazy(w, node->flags);
}

/* x{0,count} as (x(x(x)?)?)? */
static void write_optional_copies(struct writer *w, const struct re2_node *node, int count)
{
	struct strbuf *out = &w->out->text;
	const struct re2_node *sub = node->first;

	if (out->len > RE2_TEXT_MAX)
		return;
	if (count == 1 && sub->op == RE2_QUEST && !((sub->flags ^ node->flags) & RE2_NON_GREEDY)) {
		write_node(w, sub);
		return;
	}
	write_choice_mark(w);
	strbuf_add_str(out, "(?:");
	write_node(w, sub);
	if (count > 1)
		write_optional_copies(w, node, count - 1);
	strbuf_add_str(out, ")?");
	write_lazy(w, node->flags);
}

/* {min,max} in full, so that each copy has marks of its own. */
static void write_copies(struct writer *w, const struct re2_node *node)
{
	const struct re2_node *sub = node->first;
	int count = node->max < 0 ? node->min - 1 : node->min;

	for (int i = 0; i < count && w->out->text.len <= RE2_TEXT_MAX; i++)
		write_node(w, sub);
	if (node->max > node->min)
		write_optional_copies(w, node, node->max - node->min);
	else if (node->max < 0 && sub->op == RE2_PLUS &&
		!((sub->flags ^ node->flags) & RE2_NON_GREEDY))
		write_node(w, sub);
	else if (node->max < 0)
		write_loop(w, node, '+');
}

static void write_repeat(struct writer *w, const struct re2_node *node)
{
	char quantifier[32];

	if (w->marked && node->paths > 1) {
		strbuf_add_str(&w->out->text, "(?:");
		write_copies(w, node);
		strbuf_add_char(&w->out->text, ')');
		return;
	}
	if (node->max < 0)
		snprintf(quantifier, sizeof(quantifier), "{%d,}", node->min);
	else if (node->max == node->min)
		snprintf(quantifier, sizeof(quantifier), "{%d}", node->min);
	else
		snprintf(quantifier, sizeof(quantifier), "{%d,%d}", node->min, node->max);
	write_quantified(w, node, quantifier);
}

static void write_alternate(struct writer *w, const struct re2_node *node)
{
	struct strbuf *out = &w->out->text;

	write_choice_mark(w);
	strbuf_add_str(out, "(?:");
	for (const struct re2_node *c = node->first; c; c = c->next) {
		if (c != node->first)
			strbuf_add_char(out, '|');
		write_node(w, c);
	}
	strbuf_add_char(out, ')');
}

static void write_capture(struct writer *w, const struct re2_node *node)
{
	open_group(w, node->group);
	strbuf_add_char(&w->out->text, '(');
	write_node(w, node->first);
	strbuf_add_char(&w->out->text, ')');
}

/* One after the other; what needs (?i: shares it with its neighbours. */
static void write_concat(struct writer *w, const struct re2_node *node)
{
	for (const struct re2_node *c = node->first; c; c = c->next) {
		if (!is_folded_atom(c)) {
			write_node(w, c);
			continue;
		}
		strbuf_add_str(&w->out->text, "(?i:");
		for (; c->next && is_folded_atom(c->next); c = c->next)
			write_bare_atom(w, c);
		write_bare_atom(w, c);
		strbuf_add_char(&w->out->text, ')');
	}
}

static const char *fixed_text(enum re2_op op)
{
	switch (op) {
	case RE2_ANY:
		return ".";
	case RE2_ANY_NOT_NL:
		return "[^\\x{a}]";
	case RE2_BEGIN_LINE:
		return "(?<![^\\x{a}])";
	case RE2_END_LINE:
		return "(?![^\\x{a}])";
	case RE2_BEGIN_TEXT:
		return "\\A";
	case RE2_END_TEXT:
		return "\\z";
	case RE2_WORD_BOUNDARY:
		return "\\b";
	case RE2_NO_WORD_BOUNDARY:
		return "\\B";
	default:
		return "";
	}
}

static void write_node(struct writer *w, const struct re2_node *node)
{
	if (w->out->text.len > RE2_TEXT_MAX)
		return;
	switch (node->op) {
	case RE2_LITERAL:
	case RE2_CLASS:
		if (is_folded_atom(node))
			strbuf_add_str(&w->out->text, "(?i:");
		write_bare_atom(w, node);
		if (is_folded_atom(node))
			strbuf_add_char(&w->out->text, ')');
		break;
	case RE2_CAPTURE:
		write_capture(w, node);
		break;
	case RE2_CONCAT:
		write_concat(w, node);
		break;
	case RE2_ALTERNATE:
		write_alternate(w, node);
		break;
	case RE2_STAR:
		write_loop(w, node, '*');
		break;
	case RE2_PLUS:
		write_loop(w, node, '+');
		break;
	case RE2_QUEST:
		write_choice_mark(w);
		write_quantified(w, node, "?");
		break;
	case RE2_REPEAT:
		write_repeat(w, node);
		break;
	default:
		strbuf_add_str(&w->out->text, fixed_text(node->op));
	}
}

int re2_to_pcre2(const struct re2 *re, struct re2_pcre2 *ret)
{
	bool anchored = re->root->op == RE2_CONCAT && re->root->first->op == RE2_BEGIN_TEXT;
	struct writer w = {.out = ret, .marked = !anchored || re->root->paths > RE2_PATHS_MAX};

	*ret = (struct re2_pcre2){.text = STRBUF_INIT};
	write_node(&w, re->root);
	return ret->text.len > RE2_TEXT_MAX ? -E2BIG : 0;
}

void re2_pcre2_release(struct re2_pcre2 *p)
{
	strbuf_release(&p->text);
	free(p->groups);
}
