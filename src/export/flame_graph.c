// SPDX-License-Identifier: Apache-2.0
/*
 * One row per call path that matters, turned by 90 degrees so that names have room: a row's bar stands
 * where its box would stand in a flame graph, below its caller's and beside its siblings'.
 *
 *	████████████████████ 100.0%  main › run
 *	█████████████         65.0%    parse › read_line
 *	             █████    25.0%    write
 *
 * Calls that keep 99 % of their caller's time continue its row, so rows and indentation are spent on
 * branches. What is below a percentage of the whole is left out; the percentage starts at 1 and grows
 * until the rows suffice.
 */
#include "export/flame_graph.h"

#include <string.h>

#include "export/columns.h"

#define BAR_MIN      10
#define BAR_MAX      30
#define PERCENT      8 /* columns of " 100.0%" and the blank behind it */
#define CHAIN_MAX    64 /* names looked at for one row */
#define SEPARATOR    " \xe2\x80\xba " /* a single right-pointing angle */
#define ELIDED       SEPARATOR ELLIPSIS
#define KERNEL_COLOR 214 /* of the 256 colours: orange, as flame graphs have it */

struct drawing {
	struct strbuf *out;
	const struct call_tree *tree;
	const struct report_options *options;
	uint64_t whole; /* ticks of the root */
	uint64_t smallest; /* ticks that a row must have */
	size_t bar; /* columns */
	unsigned rows;
};

/* The calls that share a row, outermost first. */
struct chain {
	const struct call_node *nodes[CHAIN_MAX];
	size_t count;
};

static const struct call_node *node_at(const struct drawing *d, uint32_t number)
{
	return number == CALL_TREE_NONE ? NULL : &d->tree->nodes[number];
}

static const struct call_node *first_child(const struct drawing *d, const struct call_node *n)
{
	return node_at(d, n->first_child);
}

static void follow(const struct drawing *d, const struct call_node *n, struct chain *chain)
{
	chain->count = 0;
	do {
		const struct call_node *child = first_child(d, n);

		chain->nodes[chain->count++] = n;
		n = child && child->total * 100 >= n->total * 99 ? child : NULL;
	} while (n && chain->count < CHAIN_MAX);
}

static void add_bar(const struct drawing *d, uint64_t start, uint64_t total)
{
	static const char *const eighths[] = {"", "\xe2\x96\x8f", "\xe2\x96\x8e", "\xe2\x96\x8d",
		"\xe2\x96\x8c", "\xe2\x96\x8b", "\xe2\x96\x8a", "\xe2\x96\x89"};
	size_t from = (size_t)(start * d->bar / d->whole);
	size_t size = (size_t)((total * d->bar * 8 + d->whole / 2) / d->whole);

	size = MIN(MAX(size, (size_t)1), (d->bar - from) * 8);
	for (size_t i = 0; i < from; i++)
		strbuf_add_char(d->out, ' ');
	for (size_t i = 0; i < size / 8; i++)
		strbuf_add_str(d->out, "\xe2\x96\x88");
	strbuf_add_str(d->out, eighths[size % 8]);
	for (size_t i = from + (size + 7) / 8; i < d->bar; i++)
		strbuf_add_char(d->out, ' ');
}

/* Reds for user code, the same for the same name in every run. */
static unsigned color_of(const struct call_node *n)
{
	static const unsigned reds[] = {160, 167, 196, 197, 203};
	unsigned sum = 0;

	if (n->kernel)
		return KERNEL_COLOR;
	for (const char *c = n->name; *c; c++)
		sum = sum * 31 + (unsigned char)*c;
	return reds[sum % ARRAY_SIZE(reds)];
}

/* Columns of the names from `from` on, with a separator before each. */
static size_t names_columns(const struct chain *chain, size_t from)
{
	size_t columns = 0;

	for (size_t i = from; i < chain->count; i++)
		columns += columns_of(SEPARATOR) + columns_of(chain->nodes[i]->name);
	return columns;
}

static void add_names_from(struct strbuf *out, const struct chain *chain, size_t from, size_t room)
{
	for (; from < chain->count; from++) {
		strbuf_add_str(out, SEPARATOR);
		columns_add(out, chain->nodes[from]->name, room);
	}
}

/* All names where they fit; else the first and as many of the last as fit; else the last, cut. */
static void add_names(struct strbuf *out, const struct chain *chain, size_t room)
{
	const char *first = chain->nodes[0]->name, *last = chain->nodes[chain->count - 1]->name;
	size_t elided = columns_of(first) + columns_of(ELIDED);
	size_t next = 2;

	if (chain->count == 1 || columns_of(first) + names_columns(chain, 1) <= room) {
		columns_add(out, first, room);
		add_names_from(out, chain, 1, room);
		return;
	}
	while (next < chain->count && elided + names_columns(chain, next) > room)
		next++;
	if (next < chain->count) {
		columns_add(out, first, room);
		strbuf_add_str(out, ELIDED);
		add_names_from(out, chain, next, room);
	} else {
		strbuf_add_str(out, ELLIPSIS SEPARATOR);
		columns_add(out, last, room - columns_of(ELLIPSIS SEPARATOR));
	}
}

static void draw_row(const struct drawing *d, const struct chain *chain, uint64_t start,
	unsigned depth)
{
	const struct call_node *n = chain->nodes[0];
	size_t room = d->options->width - 2 - d->bar - PERCENT;
	size_t indent = MIN((size_t)depth * 2, room / 2);

	strbuf_add_str(d->out, "  ");
	if (d->options->color)
		strbuf_addf(d->out, "\x1b[38;5;%um", color_of(n));
	add_bar(d, start, n->total);
	if (d->options->color)
		strbuf_add_str(d->out, "\x1b[0m");
	strbuf_addf(d->out, "%6.1f%% %*s", 100.0 * (double)n->total / (double)d->whole, (int)indent,
		"");
	add_names(d->out, chain, room - indent);
	strbuf_add_char(d->out, '\n');
}

/* Draws, or only counts, the row of n and the rows below it. */
static void descend(struct drawing *d, const struct call_node *n, uint64_t start, unsigned depth,
	bool draw)
{
	struct chain chain;

	follow(d, n, &chain);
	d->rows++;
	if (draw)
		draw_row(d, &chain, start, depth);
	n = chain.nodes[chain.count - 1];
	for (const struct call_node *c = first_child(d, n); c && c->total >= d->smallest;
		c = node_at(d, c->next)) {
		descend(d, c, start, depth + 1, draw);
		start += c->total;
	}
}

/* The smallest percentage with which the rows suffice. */
static unsigned choose_percentage(struct drawing *d)
{
	static const unsigned steps[] = {1, 2, 3, 5, 8, 12, 18, 25};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		d->smallest = (d->whole * steps[i] + 99) / 100;
		d->rows = 0;
		descend(d, d->tree->nodes, 0, 0, false);
		if (d->rows <= d->options->rows)
			return steps[i];
	}
	return steps[ARRAY_SIZE(steps) - 1];
}

void flame_graph_draw(struct strbuf *out, const struct call_tree *tree,
	const struct report_options *options)
{
	struct drawing d = {
		.out = out,
		.tree = tree,
		.options = options,
		.whole = tree->nodes[0].total,
		.bar = MIN(MAX((size_t)options->width * 3 / 10, (size_t)BAR_MIN), (size_t)BAR_MAX),
	};

	if (!d.whole)
		return;
	unsigned percentage = choose_percentage(&d);

	descend(&d, tree->nodes, 0, 0, true);
	strbuf_addf(out, "  (calls below %u%% are not shown)\n", percentage);
}
