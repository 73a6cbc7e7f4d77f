// SPDX-License-Identifier: Apache-2.0
/*
 * Frames are written as they are first met, while the stacks that refer to them gather in a second
 * buffer. A frame is the same where name and module are, both of which are interned.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/text.h"
#include "export/dedup.h"
#include "export/report.h"

struct frames {
	struct strbuf *out; /* the "frames" array */
	struct strbuf stacks; /* the "stacks" array */
	struct dedup dedup;
	struct pprof_frame *list;
	size_t count, capacity;
};

struct key {
	const struct frames *frames;
	const struct pprof_frame *frame;
};

static void add_json(struct strbuf *out, const char *s)
{
	text_add_json(out, s, strlen(s));
}

static bool same_frame(const void *key, uint32_t i)
{
	const struct key *k = key;
	const struct pprof_frame *f = &k->frames->list[i];

	return f->name == k->frame->name && f->module == k->frame->module;
}

static uint32_t frame_number(struct frames *f, const struct pprof_frame *frame)
{
	struct key key = {.frames = f, .frame = frame};
	uint64_t hash = hash_combine((uintptr_t)frame->name, (uintptr_t)frame->module);
	uint32_t i = dedup_find(&f->dedup, hash, same_frame, &key);

	if (i != DEDUP_NONE)
		return i;
	if (f->count == f->capacity) {
		f->capacity = grow_capacity(f->capacity, f->count + 1);
		f->list = xreallocarray(f->list, f->capacity, sizeof(f->list[0]));
	}
	i = (uint32_t)f->count++;
	f->list[i] = *frame;
	dedup_add(&f->dedup, hash, i);
	strbuf_add_str(f->out, i ? ",{\"name\":" : "{\"name\":");
	add_json(f->out, frame->name);
	strbuf_add_str(f->out, ",\"module\":");
	add_json(f->out, frame->module);
	strbuf_addf(f->out, ",\"kernel\":%s}", frame->kernel ? "true" : "false");
	return i;
}

static void add_stack(void *ctx, const struct pprof_frame *frames, size_t count, uint64_t ticks)
{
	struct frames *f = ctx;

	strbuf_addf(&f->stacks, "%s{\"ticks\":%" PRIu64 ",\"frames\":[", f->stacks.len ? "," : "",
		ticks);
	for (size_t i = count; i-- > 0;)
		strbuf_addf(&f->stacks, "%" PRIu32 "%s", frame_number(f, &frames[i]), i ? "," : "");
	strbuf_add_str(&f->stacks, "]}");
}

static void add_labels(struct strbuf *out, const struct labels *labels)
{
	strbuf_add_str(out, "{\"labels\":{");
	for (size_t i = 0; i < labels->count; i++) {
		if (i)
			strbuf_add_char(out, ',');
		add_json(out, labels->list[i].name);
		strbuf_add_char(out, ':');
		add_json(out, labels->list[i].value);
	}
	strbuf_add_char(out, '}');
}

static void add_times(struct strbuf *out, const struct pprof *p)
{
	const struct pprof_options *o = pprof_get_options(p);
	time_t seconds = (time_t)(o->time_ns / NSEC_PER_SEC);
	struct tm tm = {0};
	char text[32];

	gmtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	strbuf_addf(out, ",\"startTime\":\"%s.%03dZ\",\"durationNanos\":%" PRId64, text,
		(int)(o->time_ns % NSEC_PER_SEC / NSEC_PER_MSEC), o->duration_ns);
	strbuf_addf(out, ",\"periodNanos\":%" PRId64 ",\"ticks\":%" PRIu64, o->period_ns,
		pprof_total(p));
}

void report_json(struct strbuf *out, const struct pprof *p, const struct labels *labels)
{
	struct frames f = {.out = out, .stacks = STRBUF_INIT};

	add_labels(out, labels);
	add_times(out, p);
	strbuf_add_str(out, ",\"frames\":[");
	pprof_visit(p, add_stack, &f);
	strbuf_add_str(out, "],\"stacks\":[");
	strbuf_add(out, f.stacks.buf, f.stacks.len);
	strbuf_add_str(out, "]}");
	strbuf_release(&f.stacks);
	dedup_release(&f.dedup);
	free(f.list);
}
