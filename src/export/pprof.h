// SPDX-License-Identifier: Apache-2.0
/*
 * Builds one pprof profile (perftools.profiles.Profile, github.com/google/pprof profile.proto):
 * cpu/nanoseconds, one sample per distinct stack, leaf first. Frames, functions, mappings and strings
 * are stored once; strings are repaired to UTF-8.
 */
#ifndef EXPORT_PPROF_H
#define EXPORT_PPROF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "symbols/frame.h"

struct pprof;

struct pprof_options {
	int64_t time_ns; /* start of the interval, CLOCK_REALTIME */
	int64_t duration_ns;
	int64_t period_ns; /* 1e9 / sample rate, rounded down */
};

struct pprof_sample {
	const struct frame *frames; /* leaf first: kernel frames, then user frames */
	size_t frame_count;
	const char *root; /* a synthetic frame below all (the comm), NULL: none */
	bool truncated; /* puts a "[truncated]" frame between the last frame and root */
	uint64_t count; /* ticks; the value is count * period_ns */
};

struct pprof *pprof_new(const struct pprof_options *options);
void pprof_free(struct pprof *p);
/* Copies everything it needs; equal stacks are summed. */
void pprof_add(struct pprof *p, const struct pprof_sample *sample);
/* The sum of all counts added. */
uint64_t pprof_total(const struct pprof *p);
size_t pprof_sample_count(const struct pprof *p);

/* Appends the encoded message, not compressed. */
void pprof_encode(const struct pprof *p, struct strbuf *out);
/* Appends it gzip'ed. */
void pprof_encode_gzip(const struct pprof *p, struct strbuf *out);

/* Walks the merged samples for the text formats: names leaf first ("module+0x12" for the nameless). */
typedef void (*pprof_visit_fn)(void *ctx, const char *const *names, size_t count, uint64_t ticks);
void pprof_visit(const struct pprof *p, pprof_visit_fn visit, void *ctx);

#endif
