// SPDX-License-Identifier: Apache-2.0
/*
 * speedscope's own format (speedscope.app/file-format-schema.json): one "sampled" profile, frames once,
 * stacks as numbers from the root on. One file may hold several profiles over one list of frames.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/text.h"
#include "export/dedup.h"
#include "export/report.h"

struct walk {
	struct report_speedscope *s;
	uint64_t period;
	struct strbuf weights; /* in nanoseconds, which it shows as ms and s */
};

struct key {
	const struct report_speedscope *s;
	const char *name, *module;
};

static const char *string_at(const struct report_speedscope *s, size_t at)
{
	return s->names.buf + at;
}

static bool same_frame(const void *key, uint32_t i)
{
	const struct key *k = key;

	return strcmp(string_at(k->s, k->s->offsets[2 * i]), k->name) == 0 &&
		strcmp(string_at(k->s, k->s->offsets[2 * i + 1]), k->module) == 0;
}

static size_t keep_string(struct report_speedscope *s, const char *text)
{
	size_t at = s->names.len;

	strbuf_add(&s->names, text, strlen(text) + 1);
	return at;
}

static uint32_t frame_number(struct report_speedscope *s, const struct pprof_frame *frame)
{
	struct key key = {.s = s, .name = frame->name, .module = frame->module};
	uint64_t hash = hash_combine(hash_string(frame->name), hash_string(frame->module));
	uint32_t i = dedup_find(&s->dedup, hash, same_frame, &key);

	if (i != DEDUP_NONE)
		return i;
	if (s->count == s->capacity) {
		s->capacity = grow_capacity(s->capacity, s->count + 1);
		s->offsets = xreallocarray(s->offsets, s->capacity, 2 * sizeof(s->offsets[0]));
	}
	i = (uint32_t)s->count++;
	s->offsets[2 * i] = keep_string(s, frame->name);
	s->offsets[2 * i + 1] = keep_string(s, frame->module);
	dedup_add(&s->dedup, hash, i);
	strbuf_add_str(&s->frames, i ? ",{\"name\":" : "{\"name\":");
	text_add_json(&s->frames, frame->name, strlen(frame->name));
	if (*frame->module) {
		strbuf_add_str(&s->frames, ",\"file\":");
		text_add_json(&s->frames, frame->module, strlen(frame->module));
	}
	strbuf_add_char(&s->frames, '}');
	return i;
}

static void add_stack(void *ctx, const struct pprof_frame *frames, size_t count, uint64_t ticks)
{
	struct walk *w = ctx;
	struct strbuf *out = &w->s->profiles;

	if (w->s->max && w->s->frames.len + out->len + w->weights.len > w->s->max) {
		w->s->cut = true;
		return;
	}
	strbuf_add_str(out, w->weights.len ? ",[" : "[");
	for (size_t i = count; i-- > 0;)
		strbuf_addf(out, "%" PRIu32 "%s", frame_number(w->s, &frames[i]), i ? "," : "");
	strbuf_add_char(out, ']');
	strbuf_addf(&w->weights, "%s%" PRIu64, w->weights.len ? "," : "", ticks * w->period);
}

void report_speedscope_init(struct report_speedscope *s)
{
	*s = (struct report_speedscope){.frames = STRBUF_INIT,
		.profiles = STRBUF_INIT,
		.names = STRBUF_INIT};
}

void report_speedscope_add(struct report_speedscope *s, const struct pprof *p, const char *name)
{
	struct walk w = {
		.s = s,
		.period = (uint64_t)pprof_get_options(p)->period_ns,
		.weights = STRBUF_INIT,
	};
	struct strbuf *out = &s->profiles;

	strbuf_addf(out, "%s\"type\":\"sampled\",\"name\":", out->len ? ",{" : "{");
	text_add_json(out, name, strlen(name));
	strbuf_addf(out,
		",\"unit\":\"nanoseconds\",\"startValue\":0,\"endValue\":%" PRIu64 ",\"samples\":[",
		pprof_total(p) * w.period);
	pprof_visit(p, add_stack, &w);
	strbuf_add_str(out, "],\"weights\":[");
	strbuf_add(out, w.weights.buf, w.weights.len);
	strbuf_add_str(out, "]}");
	strbuf_release(&w.weights);
}

void report_speedscope_end(struct report_speedscope *s, struct strbuf *out)
{
	strbuf_add_str(out,
		"{\"$schema\":\"https://www.speedscope.app/file-format-schema.json\","
		"\"exporter\":\"dockprof\",\"shared\":{\"frames\":[");
	strbuf_add(out, s->frames.buf, s->frames.len);
	strbuf_add_str(out, "]},\"profiles\":[");
	strbuf_add(out, s->profiles.buf, s->profiles.len);
	strbuf_add_str(out, "]}\n");
	strbuf_release(&s->frames);
	strbuf_release(&s->profiles);
	strbuf_release(&s->names);
	free(s->offsets);
	dedup_release(&s->dedup);
}
