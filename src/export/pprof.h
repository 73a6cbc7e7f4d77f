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

/* Deeper stacks lose their outermost frames and are marked; Pyroscope takes no more than 1000. */
#define PPROF_MAX_DEPTH 990

struct pprof;

struct pprof_options {
	int64_t time_ns; /* start of the interval, CLOCK_REALTIME */
	int64_t duration_ns;
	int64_t period_ns; /* 1e9 / sample rate, rounded down */
	/*
	 * Its number, never again that of another one which the same frames are added to: they remember where they are
	 * (frame.memo). 0: they do not.
	 */
	uint32_t number;
};

struct pprof_sample {
	struct frame *const *frames; /* leaf first: kernel frames, then user frames */
	size_t frame_count;
	const char *root; /* a synthetic frame below all (the comm), NULL or "": none */
	bool truncated; /* puts a "[truncated]" frame between the last frame and root */
	uint64_t count; /* ticks; the value is count * period_ns. 0: nothing is added */
};

struct pprof *pprof_new(const struct pprof_options *options);
void pprof_free(struct pprof *p);
/* Copies everything it needs, writes the frames' memos; equal stacks are summed. One without frames and root is "[no stack]". */
void pprof_add(struct pprof *p, const struct pprof_sample *sample);
/* The sum of all counts added. */
uint64_t pprof_total(const struct pprof *p);
/* Distinct stacks. */
size_t pprof_sample_count(const struct pprof *p);
const struct pprof_options *pprof_get_options(const struct pprof *p);
/* Of a profile whose interval has ended after all. */
void pprof_set_duration(struct pprof *p, int64_t duration_ns);
/*
 * Adds all stacks of `from`, with a synthetic frame `root` below each where it is not NULL. Both come from one symbolizer
 * (modules are told apart by their ids).
 */
void pprof_merge(struct pprof *into, const struct pprof *from, const char *root);

/* Appends the encoded message, not compressed. */
void pprof_encode(const struct pprof *p, struct strbuf *out);
/* The same with another time. */
void pprof_encode_at(const struct pprof *p, int64_t time_ns, struct strbuf *out);
/* Appends it gzip'ed. */
void pprof_encode_gzip(const struct pprof *p, struct strbuf *out);

/* A frame as the text formats see it. Strings are interned: equal names are equal pointers; they are
 * valid until the next pprof_add(). */
struct pprof_frame {
	const char *name; /* the function, or "module+0x12" for the nameless; valid UTF-8 */
	const char *module; /* the module's name; "" for synthetic frames */
	bool kernel;
};

/* Walks the merged samples in the order of their first addition; frames leaf first. */
typedef void (
	*pprof_visit_fn)(void *ctx, const struct pprof_frame *frames, size_t count, uint64_t ticks);
void pprof_visit(const struct pprof *p, pprof_visit_fn visit, void *ctx);
/*
 * The other way round: a stack of which no more is known. A profile is filled by this or by pprof_add(),
 * not by both.
 */
void pprof_add_named(struct pprof *p, const struct pprof_frame *frames, size_t count,
	uint64_t ticks);

#endif
