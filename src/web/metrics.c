// SPDX-License-Identifier: Apache-2.0
#include "web/metrics.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macros.h"
#include "base/utf8.h"

#define LABEL_MAX 512 /* bytes of a value; names of containers are theirs to choose */

static const char *const type_names[] = {
	[METRIC_COUNTER] = "counter",
	[METRIC_GAUGE] = "gauge",
	[METRIC_INFO] = "gauge",
	[METRIC_HISTOGRAM] = "histogram",
};

void metrics_init(struct metrics *m, bool open)
{
	*m = (struct metrics){.out = STRBUF_INIT, .open = open};
}

static const char *suffix_of(enum metric_type type)
{
	return type == METRIC_COUNTER ? "_total" : type == METRIC_INFO ? "_info" : "";
}

void metrics_family(struct metrics *m, enum metric_type type, const char *name, const char *help)
{
	const char *suffix = m->open ? "" : suffix_of(type);
	const char *text = m->open && type == METRIC_INFO ? "info" : type_names[type];

	m->type = type;
	m->name = name;
	strbuf_addf(&m->out, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, suffix, help, name, suffix,
		text);
}

static void add_escaped(struct strbuf *out, const char *value)
{
	struct strbuf valid cleanup_strbuf = STRBUF_INIT;
	size_t len = strlen(value);

	utf8_repair(&valid, value, MIN(len, (size_t)LABEL_MAX));
	for (const char *s = valid.buf; *s; s++) {
		if (*s == '\n')
			strbuf_add_str(out, "\\n");
		else if (*s == '"' || *s == '\\')
			strbuf_addf(out, "\\%c", *s);
		else
			strbuf_add_char(out, *s);
	}
}

static void add_number(struct strbuf *out, double value)
{
	if (isinf(value))
		strbuf_add_str(out, value > 0 ? "+Inf" : "-Inf");
	else if (value >= 0 && value < 9e15 && value == (double)(uint64_t)value)
		strbuf_addf(out, "%" PRIu64, (uint64_t)value);
	else
		strbuf_addf(out, "%.13g", value);
}

/* The name, suffix and labels; `le` as the last one where it is not NULL. */
static void add_series(struct metrics *m, const char *suffix, va_list labels, const double *le)
{
	bool any = false;

	strbuf_addf(&m->out, "%s%s", m->name, suffix);
	for (const char *name; (name = va_arg(labels, const char *));) {
		strbuf_addf(&m->out, "%s%s=\"", any ? "," : "{", name);
		add_escaped(&m->out, va_arg(labels, const char *));
		strbuf_add_char(&m->out, '"');
		any = true;
	}
	if (le) {
		strbuf_add_str(&m->out, any ? ",le=\"" : "{le=\"");
		add_number(&m->out, *le);
		strbuf_add_char(&m->out, '"');
		any = true;
	}
	strbuf_add_str(&m->out, any ? "} " : " ");
}

static void add_line(struct metrics *m, const char *suffix, double value, va_list labels)
{
	add_series(m, suffix, labels, NULL);
	add_number(&m->out, value);
	strbuf_add_char(&m->out, '\n');
}

void metrics_add(struct metrics *m, double value, ...)
{
	va_list labels;

	va_start(labels, value);
	add_line(m, suffix_of(m->type), value, labels);
	va_end(labels);
}

void metrics_add_histogram(struct metrics *m, const struct metrics_histogram *h, ...)
{
	uint64_t sum = 0;
	va_list labels, copy;

	va_start(labels, h);
	for (size_t i = 0; i <= h->bound_count; i++) {
		double bound = i < h->bound_count ? h->bounds[i] : HUGE_VAL;

		sum += h->counts[i];
		va_copy(copy, labels);
		add_series(m, "_bucket", copy, &bound);
		va_end(copy);
		strbuf_addf(&m->out, "%" PRIu64 "\n", sum);
	}
	va_copy(copy, labels);
	add_line(m, "_sum", h->sum, copy);
	va_end(copy);
	add_line(m, "_count", (double)sum, labels);
	va_end(labels);
}

void metrics_end(struct metrics *m)
{
	if (m->open)
		strbuf_add_str(&m->out, "# EOF\n");
}

bool metrics_wants_open(const char *accept)
{
	return strstr(accept, "application/openmetrics-text") != NULL;
}
