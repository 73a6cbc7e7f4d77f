// SPDX-License-Identifier: Apache-2.0
/* One line: how much CPU, and in which functions; for the closing lines of a recording. */
#include "export/report.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

#define MAX_NAME 60

struct leaf {
	const char *name; /* interned by the profile: equal names are equal pointers */
	uint64_t ticks;
};

struct leaves {
	struct leaf *list;
	size_t count, capacity;
};

static void add_leaf(void *ctx, const struct pprof_frame *frames, size_t count, uint64_t ticks)
{
	struct leaves *l = ctx;

	if (!count)
		return;
	for (size_t i = 0; i < l->count; i++) {
		if (l->list[i].name == frames[0].name) {
			l->list[i].ticks += ticks;
			return;
		}
	}
	if (l->count == l->capacity) {
		l->capacity = grow_capacity(l->capacity, l->count + 1);
		l->list = xreallocarray(l->list, l->capacity, sizeof(l->list[0]));
	}
	l->list[l->count++] = (struct leaf){.name = frames[0].name, .ticks = ticks};
}

static int most_ticks_first(const void *a, const void *b)
{
	const struct leaf *x = a, *y = b;

	if (x->ticks != y->ticks)
		return x->ticks < y->ticks ? 1 : -1;
	return strcmp(x->name, y->name);
}

void report_summary(struct strbuf *out, const struct pprof *p, const char *title, size_t functions)
{
	double seconds = (double)pprof_total(p) * (double)pprof_get_options(p)->period_ns / 1e9;
	struct leaves leaves = {0};

	pprof_visit(p, add_leaf, &leaves);
	if (leaves.count)
		qsort(leaves.list, leaves.count, sizeof(leaves.list[0]), most_ticks_first);
	text_add_safe(out, title, strlen(title), MAX_NAME);
	strbuf_addf(out, ": %.2f s of CPU", seconds);
	for (size_t i = 0; i < leaves.count && i < functions; i++) {
		strbuf_add_str(out, ", ");
		text_add_safe(out, leaves.list[i].name, strlen(leaves.list[i].name), MAX_NAME);
		strbuf_addf(out, " %.1f %%",
			100.0 * (double)leaves.list[i].ticks / (double)pprof_total(p));
	}
	strbuf_add_char(out, '\n');
	free(leaves.list);
}
