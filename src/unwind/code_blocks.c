// SPDX-License-Identifier: Apache-2.0
/*
 * Where code begins that no way leads to: functions that only pointers know, what jump tables lead to, what
 * stands behind a call that does not come back.
 *
 *	... jmp *%rax		<- a dispatch, at some depth
 *	    nop
 *	?:  lea 1(%rdi),%eax	<- which depth is this at?
 *	    jmp 1b
 *
 * For each such place a few states are tried: a function's beginning; that of the dispatch before; that of the
 * last instruction before it. The code itself is the judge: a try whose returns are all at depth 8 and whose
 * ways into known code all agree is kept. Where none is, but a try was wrong by the same depth everywhere,
 * that much is added and it is tried once more. Without any such confirmation only what looks like the
 * beginning of a function is believed to be one. All that is done without doubting that calls come back, then with it,
 * if there was a call to be doubted.
 */
#include "unwind/code_flow_inside.h"

#include <string.h>

#include "base/macros.h"

/* What goes before a place that nothing leads to. */
struct before {
	uint16_t last; /* state of the last instruction known */
	uint16_t call; /* of the last call of this function */
	uint16_t dispatch; /* of the last indirect jump of this function */
	bool padded;
};

void flow_find_marks(struct code_flow *f)
{
	struct x86_insn insn;
	size_t to;

	for (size_t at = 0; at < f->len; at += insn.len) {
		if (!flow_decode(f, at, &insn)) {
			insn.len = 1;
			continue;
		}
		if (!flow_target(f, at, &insn, &to) || insn.distance == 0)
			continue;
		if (insn.flow == X86_CALL)
			f->mark[to] |= MARK_START;
		else if (insn.flow == X86_NEXT)
			f->mark[to] |= MARK_ADDRESS;
		else
			f->mark[to] |= MARK_TARGET;
	}
}

/* Leaves the run to be kept if true. */
static bool try(struct code_flow *f, size_t at, uint16_t state)
{
	if (!state)
		return false;
	flow_follow(f, at, state);
	if (f->confirmed && !f->contradicted)
		return true;
	flow_undo(f);
	return false;
}

/* The last try was wrong by the same depth everywhere. */
static uint16_t corrected(struct code_flow *f, uint16_t state)
{
	struct flow_state s;

	if (!state || !f->contradicted || f->excess_varies || f->confirmed)
		return 0;
	s = f->states[state];
	int64_t depth = (int64_t)s.depth - f->excess;

	if (s.depth == FLOW_UNKNOWN || depth < 8 || depth > FLOW_DEPTH_MAX)
		return 0;
	s.depth = (int32_t)depth;
	if (s.saved > s.depth)
		s.saved = 0;
	return flow_number(f, &s);
}

/* Nothing but a pointer to a function leads to what is aligned as one is, behind padding. */
static bool is_pointed_to(const struct code_flow *f, size_t at, const struct before *before)
{
	return f->mark[at] & MARK_ADDRESS && before->padded && (f->address + at) % 16 == 0;
}

/* Whether a function seems to begin there. */
static bool looks_like_start(const struct code_flow *f, size_t at, const struct before *before)
{
	return f->mark[at] & MARK_ADDRESS || (before->padded && (f->address + at) % 16 == 0);
}

/* Whether the first instruction is one that makes room on the stack, or endbr64. */
static bool is_prologue(struct code_flow *f, size_t at)
{
	static const uint8_t endbr[] = {0xf3, 0x0f, 0x1e, 0xfa};
	struct x86_insn insn;

	if (f->len - at >= sizeof(endbr) && memcmp(f->code + at, endbr, sizeof(endbr)) == 0)
		return true;
	return flow_decode(f, at, &insn) &&
		(insn.effect == X86_PUSH_FP || insn.effect == X86_PUSH_REG ||
			(insn.effect == X86_ADD_SP && insn.n < 0));
}

static bool try_all(struct code_flow *f, size_t at, const struct before *before, bool is_start)
{
	uint16_t entry = flow_number(f, &FLOW_AT_ENTRY),
		 best = before->call ? before->call : before->last;
	uint16_t guesses[] = {before->dispatch, is_start ? entry : 0, before->call, before->last};
	uint16_t better = 0;

	for (size_t i = 0; i < ARRAY_SIZE(guesses); i++) {
		bool tried = false;

		for (size_t k = 0; k < i; k++)
			tried |= guesses[k] == guesses[i];
		if (tried)
			continue;
		if (try(f, at, guesses[i]))
			return true;
		if (guesses[i] == best)
			better = corrected(f, best);
	}
	if (try(f, at, better))
		return true;
	return !is_start && try(f, at, entry);
}

static bool follow_place(struct code_flow *f, size_t at, const struct before *before)
{
	uint16_t entry = flow_number(f, &FLOW_AT_ENTRY);
	bool is_start = looks_like_start(f, at, before);

	f->blames = f->could_blame = false;
	if (try_all(f, at, before, is_start))
		return true;
	f->blames = true;
	if (f->could_blame && try_all(f, at, before, is_start))
		return true;
	bool pointed_to = is_pointed_to(f, at, before);

	if (!is_start || f->work >= f->work_max ||
		(!pointed_to && !before->dispatch && !is_prologue(f, at)))
		return false;
	f->blames = false;
	flow_follow(f, at, before->dispatch && !pointed_to ? before->dispatch : entry);
	if (!f->contradicted)
		return true;
	flow_undo(f);
	return false;
}

/* The end of what no way leads to and nothing fits. */
static size_t skip_place(struct code_flow *f, size_t at)
{
	struct x86_insn insn;

	while (at < f->len && !f->state[at]) {
		if (!flow_decode(f, at, &insn))
			return at + 1;
		at += insn.len;
		if (insn.flow == X86_JUMP || insn.flow == X86_JUMP_INDIRECT ||
			insn.flow == X86_RETURN || insn.flow == X86_STOP)
			break;
	}
	return at;
}

void flow_follow_rest(struct code_flow *f)
{
	struct before before = {0};
	struct x86_insn insn;
	size_t next;

	f->doubtful = true;
	for (size_t at = 0; at < f->wanted && f->work < f->work_max; at = next) {
		if (f->state[at] && f->mark[at] & MARK_START)
			before = (struct before){0};
		if (f->state[at] && f->plain[at]) {
			before.last = f->state[at];
			next = at + f->plain[at];
			before.padded = false;
			continue;
		}
		if (f->state[at] && flow_decode(f, at, &insn)) {
			before.last = f->state[at];
			if (insn.flow == X86_JUMP_INDIRECT)
				before.dispatch = before.last;
			if (insn.flow == X86_CALL || insn.flow == X86_CALL_INDIRECT)
				before.call = before.last;
			before.padded = false;
			next = at + insn.len;
			continue;
		}
		next = flow_skip_padding(f, at);
		if (next > at) {
			before.padded = true;
			continue;
		}
		if (follow_place(f, at, &before)) {
			flow_keep(f);
			if (f->states[f->state[at]].depth == 8 && looks_like_start(f, at, &before))
				f->mark[at] |= MARK_START;
			next = at;
		} else {
			next = skip_place(f, at);
			before.padded = false;
		}
	}
}
