// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "export/report.h"

struct folded {
	struct strbuf *out;
	const char *first;
};

static void add_name(struct strbuf *out, const char *name)
{
	size_t start = out->len;

	strbuf_add_str(out, name);
	for (char *c = out->buf + start; *c; c++)
		if (*c == ';')
			*c = ':';
		else if (*c == '\n' || *c == '\r')
			*c = ' ';
}

static void add_stack(void *ctx, const struct pprof_frame *frames, size_t count, uint64_t ticks)
{
	const struct folded *f = ctx;

	if (f->first) {
		add_name(f->out, f->first);
		strbuf_add_char(f->out, ';');
	}
	for (size_t i = count; i-- > 0;) {
		add_name(f->out, frames[i].name);
		strbuf_add_char(f->out, i ? ';' : ' ');
	}
	strbuf_addf(f->out, "%" PRIu64 "\n", ticks);
}

struct length {
	size_t sum, first, max;
};

static void add_length(void *ctx, const struct pprof_frame *frames, size_t count, uint64_t ticks)
{
	struct length *l = ctx;

	if (l->sum > l->max)
		return;
	l->sum += l->first + (size_t)snprintf(NULL, 0, "%" PRIu64 "\n", ticks);
	for (size_t i = 0; i < count; i++)
		l->sum += strlen(frames[i].name) + 1;
}

bool report_folded_fits(const struct pprof *p, const char *first, size_t max)
{
	struct length l = {.first = first ? strlen(first) + 1 : 0, .max = max};

	pprof_visit(p, add_length, &l);
	return l.sum <= max;
}

void report_folded(struct strbuf *out, const struct pprof *p, const char *first)
{
	struct folded f = {.out = out, .first = first};

	pprof_visit(p, add_stack, &f);
}
