// SPDX-License-Identifier: Apache-2.0
#include "quality.h"

#include <stdlib.h>

_Static_assert((int)UNWIND_END_COUNT <= QUALITY_KINDS_MAX, "each end has a counter");
_Static_assert((int)MISSING_COUNT <= QUALITY_KINDS_MAX, "each reason has a counter");
_Static_assert((int)NAME_ORIGIN_COUNT <= QUALITY_KINDS_MAX, "each source has a counter");

#define REASONS_TOLD 3 /* the rest is noise */

static bool same_kind(const struct frame *a, const struct frame *b)
{
	return a->module == b->module && a->origin == b->origin && a->missing == b->missing;
}

static void count_names(struct target_quality *q, const struct frame *frame, uint64_t ticks)
{
	if (name_is_real(frame->origin)) {
		q->frames_named += ticks;
		q->origins[frame->origin] += ticks;
	} else {
		q->unnamed[frame->missing] += ticks;
	}
}

static void count_module(struct target_quality *q, const struct frame *frame, uint64_t ticks)
{
	const struct module *m = frame->module;

	if (m->kind == MODULE_KERNEL)
		return;
	struct target_module *count = target_quality_module(q, m->id, m->path);

	if (!count) {
		q->other_frames += ticks;
		return;
	}
	count->frames += ticks;
	if (name_is_real(frame->origin))
		count->named += ticks;
	else
		count->missing[frame->missing] += ticks;
}

static void count_stack(struct target_quality *q, const struct profiler_sample *s,
	size_t frame_count)
{
	q->frames += frame_count * s->count;
	if (!s->user_count)
		return;
	q->user_stacks += s->count;
	q->ends[s->user_end] += s->count;
}

void quality_count(struct target_quality *target, struct target_quality *all,
	const struct profiler_sample *s, struct frame *const *frames, size_t frame_count)
{
	size_t next;

	/* Those of one kind stand together, mostly. */
	for (size_t i = 0; i < frame_count; i = next) {
		for (next = i + 1; next < frame_count && same_kind(frames[i], frames[next]);)
			next++;
		uint64_t ticks = (next - i) * s->count;

		count_names(target, frames[i], ticks);
		count_names(all, frames[i], ticks);
		count_module(target, frames[i], ticks);
	}
	count_stack(target, s, frame_count);
	count_stack(all, s, frame_count);
}

/* For people, after "the others:". */
static const char *end_text(int end)
{
	switch ((enum unwind_end)end) {
	case UNWIND_END_TRUNCATED:
		return "too deep";
	case UNWIND_END_NO_MAPPING:
		return "in unknown memory";
	case UNWIND_END_NO_CODE:
		return "no return address";
	case UNWIND_END_BAD_FP:
		return "code without unwind tables and frame pointers";
	case UNWIND_END_NOT_LOADED:
		return "tables not loaded in time";
	case UNWIND_END_UNSUPPORTED:
		return "unwind rules of a rare kind";
	case UNWIND_END_LOST_REGISTER:
		return "a register not kept";
	case UNWIND_END_FAULT:
		return "stack memory not readable";
	case UNWIND_END_CUT:
		return "a new process's deep stack";
	case UNWIND_END_STUCK:
		return "frames that lead nowhere";
	case UNWIND_END_COMPAT:
		return "32-bit code";
	case UNWIND_END_UNTOLD:
		return "walked by the kernel";
	case UNWIND_END_ROOT:
	case UNWIND_END_NO_USER:
	case UNWIND_END_COUNT:
		break;
	}
	return "other";
}

static const char *missing_text(int missing)
{
	return name_missing_text((enum name_missing)missing);
}

static double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0;
}

/* The greatest few of counts[1] on, as shares of the whole. */
static void describe_others(const uint64_t counts[QUALITY_KINDS_MAX], uint64_t whole,
	const char *(*text)(int kind), struct strbuf *out)
{
	uint64_t bound = UINT64_MAX;
	const char *before = " (the others: ";
	int last = 0;

	for (int told = 0; told < REASONS_TOLD; told++) {
		int best = 0;

		for (int i = 1; i < QUALITY_KINDS_MAX; i++) {
			bool told_before = counts[i] > bound || (counts[i] == bound && i <= last);

			if (counts[i] && !told_before && (!best || counts[i] > counts[best]))
				best = i;
		}
		if (!best)
			break;
		strbuf_addf(out, "%s%.1f %% %s", before, percent(counts[best], whole), text(best));
		before = ", ";
		bound = counts[best];
		last = best;
	}
	if (last)
		strbuf_addf(out, ")");
}

void quality_describe_stacks(const struct target_quality *q, struct strbuf *out)
{
	if (!q->user_stacks)
		return;
	strbuf_addf(out, "%.1f %% of the user stacks are complete",
		percent(q->ends[UNWIND_END_ROOT], q->user_stacks));
	describe_others(q->ends, q->user_stacks, end_text, out);
}

void quality_describe_names(const struct target_quality *q, struct strbuf *out)
{
	if (!q->frames)
		return;
	strbuf_addf(out, "%.1f %% of the frames have a function name",
		percent(q->frames_named, q->frames));
	describe_others(q->unnamed, q->frames, missing_text, out);
}
