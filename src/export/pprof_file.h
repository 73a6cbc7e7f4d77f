// SPDX-License-Identifier: Apache-2.0
/*
 * An existing pprof file (perftools.profiles.Profile, gzip'ed or not), for sending it again: what the
 * server would have against it, its time, the sum of its values, and its samples in parts.
 */
#ifndef EXPORT_PPROF_FILE_H
#define EXPORT_PPROF_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "export/pprof_parts.h"

/* Not compressed; a larger one is no profile that somebody made of some seconds. */
#define PPROF_FILE_MAX ((size_t)256 << 20)

/* Zero-initialised is empty. */
struct pprof_file {
	struct strbuf rest; /* the message without samples and time */
	struct strbuf samples; /* these fields, one after the other */
	size_t sample_count;
	int64_t time_ns; /* 0: none */
	uint64_t value; /* the sum of the first value of each sample */
	/* Where the next part begins. */
	size_t at;
	uint64_t part_value;
};

void pprof_file_release(struct pprof_file *f);
/* err: why it is no profile that a server takes. */
int pprof_file_parse(struct pprof_file *f, const void *data, size_t len,
	struct error *err) MUST_CHECK;
/*
 * Appends the next part, not compressed; part_value is then the sum of its first values. false where
 * there is none left. Without samples there is none.
 */
bool pprof_file_next_part(struct pprof_file *f, const struct pprof_part_limits *limits,
	int64_t time_ns, struct strbuf *out);

#endif
