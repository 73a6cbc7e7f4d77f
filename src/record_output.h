// SPDX-License-Identifier: Apache-2.0
/* What `dockprof record` gives back: text, pictures or files for other programs; to stdout, a file, a directory. */
#ifndef RECORD_OUTPUT_H
#define RECORD_OUTPUT_H

#include "base/error.h"
#include "base/strbuf.h"
#include "collect.h"
#include "export/pprof.h"
#include "target/target.h"

enum record_format {
	RECORD_TEXT,
	RECORD_FOLDED,
	RECORD_JSON,
	RECORD_PPROF,
	RECORD_SVG,
	RECORD_HTML,
	RECORD_SPEEDSCOPE,
};
#define RECORD_FORMATS "text, folded, json, pprof, svg, html, speedscope"

struct record_output {
	enum record_format format;
	const char *path; /* NULL: stdout */
	bool directory; /* a file per service */
	int64_t length_ns;
	struct collect_tally tally;
	struct recorded *list; /* sorted by samples at the end */
	size_t count, capacity;
};

/* -EINVAL: no such format. path may be NULL. */
int record_output_init(struct record_output *o, const char *format, const char *path);
void record_output_release(struct record_output *o);
void record_output_begin(struct record_output *o, const struct collect_tally *tally,
	int64_t length_ns);
/* Takes over the profile. */
void record_output_add(struct record_output *o, const struct target *t, struct pprof *profile);
/* Writes everything. 0 or -errno with err. */
int record_output_finish(struct record_output *o, const struct target_quality *quality,
	struct error *err);

#endif
