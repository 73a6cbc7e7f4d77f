// SPDX-License-Identifier: Apache-2.0
/*
 * A picture that needs nothing but an SVG viewer: no script, no web font. Frames too narrow to be seen
 * are left out, which bounds the size of the picture.
 *
 *	y grows downwards, so the root's row is the last one
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "export/call_tree.h"
#include "export/columns.h"
#include "export/report.h"

#define WIDTH      1200.0
#define MARGIN     10.0
#define ROW        18.0
#define TOP        46.0 /* title and figures */
#define CHARACTER  6.6 /* width at 11 px, about */
#define TOO_NARROW 0.3

struct picture {
	struct strbuf *out;
	const struct call_tree *tree;
	double scale; /* pixels per tick */
	double seconds; /* per tick */
	unsigned depth; /* rows */
};

static void add_xml(struct strbuf *out, const char *s)
{
	size_t len = strlen(s);

	for (size_t at = 0, size; at < len; at += size) {
		uint32_t c = 0;

		size = utf8_decode(s + at, len - at, &c);
		if (!size) {
			size = 1;
			strbuf_add_str(out, UTF8_REPLACEMENT);
		} else if (c == '&' || c == '<' || c == '>' || c == '"') {
			strbuf_addf(out, "&#%u;", c);
		} else if (c < 0x20 || c == 0xfffe || c == 0xffff) {
			strbuf_add_char(out, ' '); /* XML has no way to write them */
		} else {
			strbuf_add(out, s + at, size);
		}
	}
}

/* Warm for programs, cold for the kernel; a name keeps its shade from one picture to the next. */
static void add_color(struct strbuf *out, const struct call_node *n)
{
	unsigned shade = 0;

	for (const char *c = n->name; *c; c++)
		shade = shade * 31 + (unsigned char)*c;
	if (n->kernel)
		strbuf_addf(out, "hsl(%u,%u%%,%u%%)", 205 + shade % 20, 55 + shade / 20 % 15,
			70 + shade / 300 % 8);
	else
		strbuf_addf(out, "hsl(%u,%u%%,%u%%)", 14 + shade % 34, 78 + shade / 34 % 14,
			64 + shade / 500 % 9);
}

static unsigned depth_of(const struct picture *p, uint32_t node)
{
	unsigned depth = 0;

	for (uint32_t i = p->tree->nodes[node].first_child; i != CALL_TREE_NONE;
		i = p->tree->nodes[i].next) {
		if ((double)p->tree->nodes[i].total * p->scale < TOO_NARROW)
			break;
		depth = MAX(depth, depth_of(p, i));
	}
	return depth + 1;
}

static void add_label(struct strbuf *out, const char *name, double x, double y, double width)
{
	size_t room = (size_t)((width - 6) / CHARACTER);
	struct strbuf cut cleanup_strbuf = STRBUF_INIT;

	if (width < 6 + 3 * CHARACTER)
		return;
	columns_add(&cut, name, room);
	strbuf_addf(out, "<text x=\"%.1f\" y=\"%.1f\">", x + 3, y + ROW - 5.5);
	add_xml(out, cut.buf);
	strbuf_add_str(out, "</text>");
}

static void draw(const struct picture *p, uint32_t node, double x, unsigned row)
{
	const struct call_node *n = &p->tree->nodes[node];
	double width = (double)n->total * p->scale, y = TOP + (p->depth - 1 - row) * ROW;

	if (width < TOO_NARROW)
		return;
	strbuf_add_str(p->out, "<g><title>");
	add_xml(p->out, n->name);
	strbuf_addf(p->out,
		" (%.2f s, %.2f %%)</title><rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
		"height=\"%.0f\" fill=\"",
		(double)n->total * p->seconds,
		100 * (double)n->total / (double)p->tree->nodes[0].total, x, y, width, ROW - 1);
	add_color(p->out, n);
	strbuf_add_str(p->out, "\"/>");
	add_label(p->out, n->name, x, y, width);
	strbuf_add_str(p->out, "</g>\n");
	for (uint32_t i = n->first_child; i != CALL_TREE_NONE; i = p->tree->nodes[i].next) {
		draw(p, i, x, row + 1);
		x += (double)p->tree->nodes[i].total * p->scale;
	}
}

void report_svg(struct strbuf *out, const struct pprof *profile, const char *title)
{
	struct call_tree tree;
	double period = (double)pprof_get_options(profile)->period_ns / 1e9;

	call_tree_init(&tree, profile, title);
	uint64_t total = MAX(tree.nodes[0].total, UINT64_C(1));
	struct picture p = {
		.out = out,
		.tree = &tree,
		.scale = (WIDTH - 2 * MARGIN) / (double)total,
		.seconds = period,
	};

	p.depth = depth_of(&p, 0);
	double height = TOP + p.depth * ROW + MARGIN;

	strbuf_addf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
		"viewBox=\"0 0 %.0f %.0f\">\n"
		"<style>text{font:11px ui-monospace,Menlo,Consolas,monospace;fill:#1c1917}"
		".t{font:600 15px system-ui,sans-serif}.s{font:12px system-ui,sans-serif;fill:#57534e}"
		"g:hover rect{stroke:#1c1917}</style>\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n<text class=\"t\" x=\"10\" y=\"20\">",
		WIDTH, height, WIDTH, height);
	add_xml(out, title);
	strbuf_addf(out,
		"</text><text class=\"s\" x=\"10\" y=\"37\">%.2f s of CPU, %" PRIu64
		" samples</text>\n",
		(double)tree.nodes[0].total * period, tree.nodes[0].total);
	draw(&p, 0, MARGIN, 0);
	strbuf_add_str(out, "</svg>\n");
	call_tree_release(&tree);
}
