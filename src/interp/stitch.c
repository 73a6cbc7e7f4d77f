// SPDX-License-Identifier: Apache-2.0
/*
 * The records fall into stretches, each ending with INTERP_LAST; the native frames in the runtime's ranges are the
 * calls that executed them, in the same order:
 *
 *	calls, native:     c0  c1  c2           stretches:  s0  s1  s2
 *
 * Where both are complete they are matched from the outermost on, for a call that has just begun has no frame
 * yet: then the innermost call has none. Where the native walk broke off, the outermost calls are missing: they
 * are matched from the innermost on, and the frames beyond, which are known all the same, follow the last
 * native one. So it is where records are missing, their last stretch being cut.
 *
 * An interpreter may be made of functions that call each other in its place, side by side on the stack (tail
 * calls, with the first one below): if there are too many calls, neighbours are one.
 *
 * What an interpreter compiles itself may be without unwind tables. Where the frame pointer is still that of the loop,
 * the walk goes on to who called the loop: if there are too few calls, generated code is in the place of one.
 */
#include "interp/stitch.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"

enum native_kind {
	NATIVE,
	CALL, /* of code that executes the language */
	CALL_JOINED, /* with the next one */
	CALL_GENERATED, /* in the place of one: it stays, called by the language's frames */
};

struct plan {
	const struct stitch_stack *stack;
	uint8_t *kinds; /* enum native_kind, of each native frame */
	size_t call_count, stretch_count;
	bool records_complete;
	struct stitched *out;
	size_t out_count;
	size_t next; /* record */
};

static bool in_ranges(const struct interp_ranges *ranges, uint64_t address)
{
	for (size_t i = 0; i < ranges->count; i++)
		if (address >= ranges->list[i].start && address < ranges->list[i].end)
			return true;
	return false;
}

static void find_calls(struct plan *p, const struct interp_ranges *ranges)
{
	const struct stitch_stack *s = p->stack;

	for (size_t i = 0; i < s->ip_count; i++) {
		bool exact = i == 0 && s->leaf_exact;

		if (!in_ranges(ranges, exact ? s->ips[i] : s->ips[i] - 1))
			continue;
		p->kinds[i] = CALL;
		p->call_count++;
	}
	for (size_t i = 0; i < s->record_count; i++)
		p->stretch_count += (s->records[i].code & INTERP_LAST) != 0;
	p->records_complete = s->record_count && s->records[s->record_count - 1].code & INTERP_LAST;
	if (s->record_count && !p->records_complete)
		p->stretch_count++;
}

/*
 * A thread may have several stacks (greenlets), each with a chain of its own: then the calls beyond the switch are none
 * of the chain's. Unless it goes on there, and needs them.
 */
static void leave_other_stacks(struct plan *p)
{
	const struct stitch_stack *s = p->stack;
	size_t calls = 0, i = 0;

	if (p->call_count <= p->stretch_count)
		return;
	for (; i < s->ip_count && !(calls && s->marks[i] == STITCH_SWITCHES); i++)
		calls += p->kinds[i] == CALL;
	if (calls < p->stretch_count)
		return;
	for (; i < s->ip_count; i++)
		p->kinds[i] = NATIVE;
	p->call_count = calls;
}

/* Of calls side by side only the outermost remains one. */
static void join_neighbours(struct plan *p)
{
	for (size_t i = 0; i + 1 < p->stack->ip_count && p->call_count > p->stretch_count; i++)
		if (p->kinds[i] == CALL && p->kinds[i + 1] == CALL) {
			p->kinds[i] = CALL_JOINED;
			p->call_count--;
		}
}

static void count_generated(struct plan *p)
{
	const struct stitch_stack *s = p->stack;

	if (!s->ips_complete || !p->records_complete)
		return;
	for (size_t i = 0; i < s->ip_count && p->call_count < p->stretch_count; i++) {
		bool outermost = i + 1 == s->ip_count ||
			(s->marks[i + 1] != STITCH_GENERATED && p->kinds[i + 1] == NATIVE);

		if (s->marks[i] != STITCH_GENERATED || !outermost)
			continue;
		p->kinds[i] = CALL_GENERATED;
		p->call_count++;
	}
}

static void put(struct plan *p, bool language, size_t index)
{
	p->out[p->out_count++] = (struct stitched){.language = language, .index = (uint32_t)index};
}

static void put_stretch(struct plan *p)
{
	const struct stitch_stack *s = p->stack;

	while (p->next < s->record_count) {
		put(p, true, p->next);
		if (s->records[p->next++].code & INTERP_LAST)
			return;
	}
}

size_t stitch(const struct stitch_stack *stack, const struct interp_ranges *ranges,
	bool keep_native, struct stitched *ret)
{
	uint8_t *kinds cleanup_free = xcalloc(stack->ip_count + 1, sizeof(*kinds));
	struct plan p = {.stack = stack, .kinds = kinds, .out = ret};
	size_t without = 0; /* innermost calls that have no frames */

	find_calls(&p, ranges);
	leave_other_stacks(&p);
	join_neighbours(&p);
	count_generated(&p);
	if (stack->ips_complete && p.records_complete && p.call_count > p.stretch_count)
		without = p.call_count - p.stretch_count;
	for (size_t i = 0; i < stack->ip_count; i++) {
		size_t before = p.out_count;

		if (kinds[i] == CALL_GENERATED) {
			put(&p, false, i);
			put_stretch(&p);
			continue;
		}
		if (kinds[i] == CALL && without)
			without--;
		else if (kinds[i] == CALL)
			put_stretch(&p);
		if (keep_native || (p.out_count == before && kinds[i] != CALL_JOINED))
			put(&p, false, i);
	}
	while (!stack->ips_complete && p.next < stack->record_count)
		put_stretch(&p);
	return p.out_count;
}
