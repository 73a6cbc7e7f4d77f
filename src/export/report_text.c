// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>

#include "base/clock.h"
#include "export/call_tree.h"
#include "export/columns.h"
#include "export/flame_graph.h"
#include "export/report.h"

#define DEFAULT_WIDTH     100
#define DEFAULT_FUNCTIONS 10
#define DEFAULT_ROWS      24
#define MIN_WIDTH         40
#define MAX_WIDTH         400
#define TABLE_NUMBERS     34 /* columns before the names */

static void add_time(struct strbuf *out, uint64_t ticks, int64_t period_ns)
{
	double seconds = (double)ticks * (double)period_ns / 1e9;

	if (seconds < 0.9995)
		strbuf_addf(out, "%.0f ms", seconds * 1e3);
	else
		strbuf_addf(out, seconds < 100 ? "%.2f s" : "%.0f s", seconds);
}

static void add_share(struct strbuf *out, uint64_t ticks, const struct pprof *p)
{
	struct strbuf time cleanup_strbuf = STRBUF_INIT;

	add_time(&time, ticks, pprof_get_options(p)->period_ns);
	strbuf_addf(out, "%5.1f%% %8s  ", 100.0 * (double)ticks / (double)pprof_total(p), time.buf);
}

static void add_heading(struct strbuf *out, const struct pprof *p, const struct report_options *o)
{
	const struct pprof_options *options = pprof_get_options(p);
	double duration = (double)options->duration_ns / 1e9;

	if (o->color)
		strbuf_add_str(out, "\x1b[1m");
	columns_add(out, o->title, o->width / 2);
	if (o->color)
		strbuf_add_str(out, "\x1b[0m");
	strbuf_add_str(out, "  ");
	add_time(out, pprof_total(p), options->period_ns);
	strbuf_add_str(out, " of CPU");
	if (duration > 0)
		strbuf_addf(out, " in %.1f s (%.2f cores)", duration,
			(double)pprof_total(p) * (double)options->period_ns / 1e9 / duration);
	strbuf_addf(out, ", %" PRIu64 " samples, %zu stacks\n", pprof_total(p),
		pprof_sample_count(p));
}

static void add_functions(struct strbuf *out, const struct pprof *p, const struct call_tree *tree,
	const struct report_options *o)
{
	size_t n = MIN(tree->function_count, (size_t)o->functions);

	strbuf_add_str(out, "\n            SELF           TOTAL  FUNCTION\n");
	for (size_t i = 0; i < n && tree->functions[i].self; i++) {
		const struct call_function *f = &tree->functions[i];

		add_share(out, f->self, p);
		add_share(out, f->total, p);
		if (o->color && f->kernel)
			strbuf_add_str(out, "\x1b[38;5;214m");
		columns_add(out, f->name, o->width - TABLE_NUMBERS);
		if (o->color && f->kernel)
			strbuf_add_str(out, "\x1b[0m");
		strbuf_add_char(out, '\n');
	}
	strbuf_add_char(out, '\n');
}

void report_text(struct strbuf *out, const struct pprof *p, const struct report_options *options)
{
	struct report_options o = *options;
	struct call_tree tree;

	o.width = o.width ? MIN(MAX(o.width, (unsigned)MIN_WIDTH), (unsigned)MAX_WIDTH)
			  : DEFAULT_WIDTH;
	o.functions = o.functions ? o.functions : DEFAULT_FUNCTIONS;
	o.rows = o.rows ? o.rows : DEFAULT_ROWS;
	add_heading(out, p, &o);
	if (!pprof_total(p))
		return;
	call_tree_init(&tree, p, o.title);
	add_functions(out, p, &tree, &o);
	flame_graph_draw(out, &tree, &o);
	call_tree_release(&tree);
}
