// SPDX-License-Identifier: Apache-2.0
/* Profiles as text: for a person at a terminal, for flame graph tools, for scripts. */
#ifndef EXPORT_REPORT_H
#define EXPORT_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"
#include "export/dedup.h"
#include "export/flat_tree.h"
#include "export/pprof.h"
#include "target/labels.h"

struct report_options {
	const char *title; /* the service */
	unsigned width; /* columns of the terminal; 0: 100 */
	unsigned functions; /* rows of the table of functions; 0: 10 */
	unsigned rows; /* of the flame graph; 0: 24 */
	bool color; /* ANSI colours; the caller respects NO_COLOR and whether this is a terminal */
};

/*
 * For a person: the service's CPU time, its hottest functions by their own time, and a flame graph.
 * Names can do nothing to the terminal.
 */
void report_text(struct strbuf *out, const struct pprof *p, const struct report_options *options);

/*
 * One line per stack, "root;...;leaf ticks", as flamegraph.pl, inferno and speedscope read it. first: a
 * frame before all others (the service), NULL: none. In names ';' becomes ':' and line ends a blank.
 */
void report_folded(struct strbuf *out, const struct pprof *p, const char *first);
/* Whether that has `max` bytes at most: names stand in each stack anew, so it may be a hundred times what
 * the profile takes. */
bool report_folded_fits(const struct pprof *p, const char *first, size_t max);

/*
 * One JSON object on one line:
 *
 *	{"labels": {"service_name": "web", ...},
 *	 "startTime": "2026-01-02T03:04:05.678Z", "durationNanos": n, "periodNanos": n, "ticks": n,
 *	 "frames": [{"name": "main", "module": "web", "kernel": false}, ...],
 *	 "stacks": [{"ticks": n, "frames": [3, 0, ...]}, ...]}
 *
 * A stack's frames are positions in "frames", root first. CPU time is ticks * periodNanos.
 */
void report_json(struct strbuf *out, const struct pprof *p, const struct labels *labels);

/*
 * The same without labels and as small as it gets, for a program that draws it:
 *
 *	{"from": ms, "durationNanos": n, "periodNanos": n, "ticks": n,
 *	 "frames": [["main", "web", 0], ["vfs_read", "[kernel]", 1], ...],
 *	 "nodes": [0, 0, 3,  1, 1, 7, ...]}
 *
 * Three numbers per node of the tree of calls: its parent (0 the root, 1 the first node, ...), which comes
 * before it, its frame, its own ticks. No "<" stands in it, so it may be put into a page.
 */
void report_tree(struct strbuf *out, const struct pprof *p);
void report_flat_tree(struct strbuf *out, const struct flat_tree *t);

/* A flame graph as a picture, roots at the bottom; every frame tells its figures where it is pointed at. */
void report_svg(struct strbuf *out, const struct pprof *p, const char *title);

/* One file of speedscope's for several profiles; report_speedscope_end() releases it. */
struct report_speedscope {
	struct strbuf frames, profiles, names;
	size_t *offsets; /* name and module of each frame, in names */
	size_t count, capacity;
	struct dedup dedup;
	size_t max; /* set after _init(): no more stacks once it has that many bytes; 0: all */
	bool cut; /* some were left out for that */
};
void report_speedscope_init(struct report_speedscope *s);
void report_speedscope_add(struct report_speedscope *s, const struct pprof *p, const char *name);
void report_speedscope_end(struct report_speedscope *s, struct strbuf *out);

/* One line: "web: 1.23 s of CPU, crush 97.1 %, brew 2.0 %"; the `functions` with the most own time. */
void report_summary(struct strbuf *out, const struct pprof *p, const char *title, size_t functions);

#endif
