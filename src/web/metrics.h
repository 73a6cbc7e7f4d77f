// SPDX-License-Identifier: Apache-2.0
/*
 * Writes metrics as Prometheus reads them: its text format 0.0.4, or OpenMetrics 1.0.
 *
 *	metrics_family(&m, METRIC_COUNTER, "dockprof_ticks", "Ticks, by what became of them.");
 *	metrics_add(&m, 12, "outcome", "exported", NULL);
 *
 * Names come without _total and _info, which the formats want in different places.
 */
#ifndef WEB_METRICS_H
#define WEB_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

#define METRICS_TEXT_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_OPEN_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_INFO, METRIC_HISTOGRAM };

struct metrics {
	struct strbuf out;
	bool open; /* OpenMetrics */
	enum metric_type type; /* of the family that is being written */
	const char *name;
};

void metrics_init(struct metrics *m, bool open);
/* name: valid until the next family. A family without values is fine. */
void metrics_family(struct metrics *m, enum metric_type type, const char *name, const char *help);
/* Then names and values of labels, NULL at the end; values may hold anything. */
void metrics_add(struct metrics *m, double value, ...) __attribute__((sentinel));
/*
 * One histogram: `counts` has a bucket more than `bounds`, each event stands in one of them. The labels
 * as for metrics_add().
 */
struct metrics_histogram {
	const double *bounds;
	const uint64_t *counts;
	size_t bound_count;
	double sum;
};
void metrics_add_histogram(struct metrics *m, const struct metrics_histogram *h, ...)
	__attribute__((sentinel));
/* The last line that OpenMetrics wants. */
void metrics_end(struct metrics *m);

/* Whether an Accept header asks for OpenMetrics. */
bool metrics_wants_open(const char *accept);

#endif
