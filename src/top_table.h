// SPDX-License-Identifier: Apache-2.0
/* The table of `dockprof top`: one row per container, most CPU first, with its hottest functions. */
#ifndef TOP_TABLE_H
#define TOP_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "collect.h"
#include "export/pprof.h"
#include "target/target.h"

#define TOP_FUNCTIONS 3

struct top_row {
	char *service, *container;
	uint64_t ticks;
	struct {
		char *name;
		uint64_t ticks; /* its own */
	} functions[TOP_FUNCTIONS]; /* name NULL: no more */
};

struct top_table {
	struct top_row *rows;
	size_t count, capacity;
};

/* How it is to look. */
struct top_format {
	unsigned width, height; /* of the terminal; height 0: all rows */
	unsigned hz, cpus;
	bool color;
};

void top_table_release(struct top_table *t);
/* One container's profile of the interval. */
void top_table_add(struct top_table *t, const struct target *target, const struct pprof *profile);
/* Lines, the first about the machine. CPU is in percent of one core. */
void top_table_render(struct strbuf *out, struct top_table *t, const struct collect_tally *tally,
	const struct top_format *f);

#endif
