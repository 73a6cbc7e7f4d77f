// SPDX-License-Identifier: Apache-2.0
#include "top_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "export/call_tree.h"
#include "export/columns.h"

#define NAME_COLUMNS  22
#define OTHER_COLUMNS (2 * (NAME_COLUMNS + 2) + 9) /* before the functions */
#define HEAD_LINES    3
#define NARROWEST     60

void top_table_release(struct top_table *t)
{
	for (size_t i = 0; i < t->count; i++) {
		free(t->rows[i].service);
		free(t->rows[i].container);
		for (size_t k = 0; k < TOP_FUNCTIONS; k++)
			free(t->rows[i].functions[k].name);
	}
	free(t->rows);
	*t = (struct top_table){0};
}

void top_table_add(struct top_table *t, const struct target *target, const struct pprof *profile)
{
	struct top_row row = {
		.service = xstrdup(target->service_name),
		.container = xstrdup(target->name),
		.ticks = pprof_total(profile),
	};
	struct call_tree tree;

	call_tree_init(&tree, profile, "");
	for (size_t i = 0; i < TOP_FUNCTIONS && i < tree.function_count; i++) {
		if (!tree.functions[i].self)
			break;
		row.functions[i].name = xstrdup(tree.functions[i].name);
		row.functions[i].ticks = tree.functions[i].self;
	}
	call_tree_release(&tree);
	if (t->count == t->capacity) {
		t->capacity = grow_capacity(t->capacity, t->count + 1);
		t->rows = xreallocarray(t->rows, t->capacity, sizeof(t->rows[0]));
	}
	t->rows[t->count++] = row;
}

static int most_ticks_first(const void *a, const void *b)
{
	const struct top_row *x = a, *y = b;

	if (x->ticks != y->ticks)
		return x->ticks < y->ticks ? 1 : -1;
	return strcmp(x->container, y->container);
}

static void add_cell(struct strbuf *out, const char *text, size_t columns)
{
	size_t start = out->len;

	columns_add(out, text, columns);
	size_t used = columns_of(out->buf + start);

	do
		strbuf_add_char(out, ' ');
	while (++used < columns + 2);
}

/* As many as fit whole; the first one is cut rather than left out. */
static void add_functions(struct strbuf *out, const struct top_row *row, size_t columns)
{
	size_t left = columns;

	for (size_t i = 0; i < TOP_FUNCTIONS && row->functions[i].name; i++) {
		size_t width = columns_of(row->functions[i].name) + (i ? 2 : 0) + 5;

		if (i && width > left)
			break;
		strbuf_add_str(out, i ? ", " : "");
		columns_add(out, row->functions[i].name, left - 5);
		strbuf_addf(out, " %.0f%%",
			100.0 * (double)row->functions[i].ticks /
				(double)MAX(row->ticks, UINT64_C(1)));
		if (width >= left)
			break;
		left -= width;
	}
}

static double cores_percent(uint64_t ticks, const struct collect_tally *tally, unsigned hz)
{
	double expected = (double)tally->duration_ns / NSEC_PER_SEC * hz;

	return expected > 0 ? 100.0 * (double)ticks / expected : 0;
}

static void add_head(struct strbuf *out, const struct collect_tally *tally,
	const struct top_format *f)
{
	uint64_t lost = tally->unknown;
	double busy = cores_percent(tally->ticks, tally, f->hz);

	for (int i = 0; i < LOSS_COUNT; i++)
		lost += tally->lost[i];
	strbuf_addf(out, "containers %.0f%%, other processes %.0f%%, idle %.0f%% of one core",
		cores_percent(tally->exported, tally, f->hz),
		cores_percent(tally->filtered, tally, f->hz), MAX(100.0 * f->cpus - busy, 0.0));
	if (lost)
		strbuf_addf(out, ", lost %.1f%%", cores_percent(lost, tally, f->hz));
	strbuf_addf(out, "; %.1f s at %u Hz\n\n", (double)tally->duration_ns / NSEC_PER_SEC, f->hz);
}

void top_table_render(struct strbuf *out, struct top_table *t, const struct collect_tally *tally,
	const struct top_format *f)
{
	size_t width = MAX(f->width, (unsigned)NARROWEST), shown = t->count;

	add_head(out, tally, f);
	strbuf_add_str(out, f->color ? "\x1b[1m" : "");
	add_cell(out, "SERVICE", NAME_COLUMNS);
	add_cell(out, "CONTAINER", NAME_COLUMNS);
	strbuf_addf(out, "%6s   %s%s\n", "CPU%", "HOTTEST FUNCTIONS", f->color ? "\x1b[0m" : "");
	if (f->height > HEAD_LINES + 1)
		shown = MIN(shown, (size_t)f->height - HEAD_LINES - 1);
	if (t->count)
		qsort(t->rows, t->count, sizeof(t->rows[0]), most_ticks_first);
	for (size_t i = 0; i < shown; i++) {
		const struct top_row *row = &t->rows[i];

		add_cell(out, row->service, NAME_COLUMNS);
		add_cell(out, row->container, NAME_COLUMNS);
		strbuf_addf(out, "%6.1f   ", cores_percent(row->ticks, tally, f->hz));
		add_functions(out, row, width - MIN(width - 10, (size_t)OTHER_COLUMNS));
		strbuf_add_char(out, '\n');
	}
	if (!t->count)
		strbuf_add_str(out,
			"no container used the CPU; `dockprof explain` says what each does\n");
}
