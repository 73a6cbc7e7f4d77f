// SPDX-License-Identifier: Apache-2.0
/*
 * A profile in parts, each within what a server takes, whose samples are together those of the whole.
 * Pyroscope's limits: validation.max-profile-stacktrace-samples and validation.max-profile-size-bytes.
 */
#ifndef EXPORT_PPROF_PARTS_H
#define EXPORT_PPROF_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "export/pprof.h"

#define PART_MAX_SAMPLES 16000
/*
 * Not compressed. The server takes 4 MiB, but its rate limit (distributor.ingestion-burst-size-mb) lets
 * nothing above 2 MiB pass, ever, and of what is near that only the first of several.
 */
#define PART_MAX_BYTES   ((size_t)1 << 20)

struct pprof_part_limits {
	size_t samples, bytes; /* at least 1 */
};

/* Start with {.whole = p}. */
struct pprof_parts {
	const struct pprof *whole;
	size_t next; /* the first stack of the next part */
	/* Of the last part. */
	uint64_t ticks;
	bool too_large; /* a single stack that is larger than limits->bytes */
};

/*
 * Appends the next part's encoded message, not compressed, with that time; false where there is none
 * left. What it takes in memory depends on the limits, not on the whole.
 */
bool pprof_next_part(struct pprof_parts *parts, const struct pprof_part_limits *limits,
	int64_t time_ns, struct strbuf *out);

#endif
