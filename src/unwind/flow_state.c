// SPDX-License-Identifier: Apache-2.0
/*
 *	CFA ->  |                |
 *	        | return address |  rsp before the first instruction: depth 8
 *	        | rbp            |  saved 16, after push %rbp
 *	        | ...            |
 *
 * Beside rsp and rbp one more register is followed, the one that the stack pointer was copied to last: compilers put
 * it aside there around arrays of variable length, compare with it where they touch a large frame page by
 * page, and find arguments by it where they align the stack.
 */
#include "unwind/flow_state.h"

#include <string.h>

/* What callees keep, rbx and r12 to r15, and the two that compilers use for large and aligned frames. */
#define FOLLOWED (1 << X86_RBX | 0xf << 12 | 1 << 10 | 1 << 11)
#define KEPT     (1 << X86_RBX | 0xf << 12)

static void set_depth(struct flow_state *s, int64_t depth)
{
	s->depth = depth < 0 || depth > FLOW_DEPTH_MAX ? FLOW_UNKNOWN : (int32_t)depth;
	if (s->depth != FLOW_UNKNOWN && s->depth < s->saved)
		s->saved = 0; /* what is below the stack pointer is gone */
}

static void add_sp(struct flow_state *s, int64_t n)
{
	if (s->depth != FLOW_UNKNOWN)
		set_depth(s, (int64_t)s->depth - n);
}

static void forget_sp(struct flow_state *s)
{
	s->depth = FLOW_UNKNOWN;
}

static void lose_fp(struct flow_state *s)
{
	s->fp = FLOW_FP_LOST;
	s->frame = 0;
}

static void forget_other(struct flow_state *s)
{
	s->reg = X86_NO_REGISTER;
	s->other = 0;
	s->compared = 0;
}

static void push_fp(struct flow_state *s)
{
	add_sp(s, -8);
	if (s->fp == FLOW_FP_SAME && s->depth != FLOW_UNKNOWN && !s->saved)
		s->saved = s->depth;
}

/* rbp = *(CFA - at) */
static void load_fp(struct flow_state *s, int64_t at)
{
	if (s->saved && at == s->saved) {
		s->fp = FLOW_FP_SAME;
		s->frame = s->saved = 0;
	} else {
		lose_fp(s);
	}
}

static void pop_fp(struct flow_state *s)
{
	if (s->depth == FLOW_UNKNOWN) {
		lose_fp(s);
		return;
	}
	load_fp(s, s->depth);
	add_sp(s, 8);
}

/* Where base + n is: CFA - the result; false where that is not known. */
static bool place(const struct flow_state *s, uint8_t base, int32_t n, int64_t *ret)
{
	if (base == X86_RSP && s->depth != FLOW_UNKNOWN)
		*ret = (int64_t)s->depth - n;
	else if (base == X86_RBP && s->fp == FLOW_FP_FRAME)
		*ret = (int64_t)s->frame - n;
	else if (base == s->reg && base < X86_NO_REGISTER)
		*ret = (int64_t)s->other - n;
	else
		return false;
	return *ret > -FLOW_DEPTH_MAX && *ret < FLOW_DEPTH_MAX;
}

static void fp_from_sp(struct flow_state *s, int32_t n)
{
	int64_t at;

	lose_fp(s);
	if (place(s, X86_RSP, n, &at)) {
		s->fp = FLOW_FP_FRAME;
		s->frame = (int32_t)at;
	}
}

static void sp_from(struct flow_state *s, uint8_t reg, int32_t n)
{
	int64_t at;

	if (place(s, reg, n, &at))
		set_depth(s, at);
	else
		forget_sp(s);
}

static void copy_sp(struct flow_state *s, const struct x86_insn *insn)
{
	int64_t at;

	if (!(1u << insn->reg & FOLLOWED))
		return;
	forget_other(s);
	if (place(s, X86_RSP, insn->n, &at)) {
		s->reg = insn->reg;
		s->other = (int32_t)at;
	}
}

static void apply_effect(struct flow_state *s, const struct x86_insn *insn)
{
	int64_t at;

	switch ((enum x86_effect)insn->effect) {
	case X86_NO_EFFECT:
		break;
	case X86_ADD_SP:
		add_sp(s, insn->n);
		break;
	case X86_PUSH_REG:
		add_sp(s, -8);
		break;
	case X86_PUSH_FP:
		push_fp(s);
		break;
	case X86_POP_FP:
		pop_fp(s);
		break;
	case X86_SP_FROM_FP:
	case X86_SP_FROM_REG:
		sp_from(s, insn->reg, insn->n);
		break;
	case X86_FP_FROM_SP:
		fp_from_sp(s, insn->n);
		break;
	case X86_REG_FROM_SP:
		copy_sp(s, insn);
		break;
	case X86_COMPARE_SP:
		s->compared = insn->reg == s->reg && insn->reg < X86_NO_REGISTER;
		break;
	case X86_SAVE_FP:
		if (s->fp == FLOW_FP_SAME && place(s, insn->reg, insn->n, &at) && at > 8)
			s->saved = (int32_t)at;
		break;
	case X86_LOAD_FP:
		load_fp(s, place(s, insn->reg, insn->n, &at) ? at : 0);
		break;
	case X86_LEAVE:
		sp_from(s, X86_RBP, 0);
		pop_fp(s);
		break;
	case X86_ENTER:
		push_fp(s);
		fp_from_sp(s, 0);
		add_sp(s, -insn->n);
		break;
	case X86_FP_LOST:
		lose_fp(s);
		break;
	case X86_SP_LOST:
		forget_sp(s);
		if (insn->writes & 1u << X86_RBP)
			lose_fp(s);
		break;
	}
}

void flow_state_apply(struct flow_state *s, const struct x86_insn *insn)
{
	bool is_call = insn->flow == X86_CALL || insn->flow == X86_CALL_INDIRECT;

	s->compared = 0;
	if (s->reg != X86_NO_REGISTER && insn->effect != X86_REG_FROM_SP &&
		(insn->writes & 1u << s->reg || (is_call && !(1u << s->reg & KEPT))))
		forget_other(s);
	apply_effect(s, insn);
	if (insn->flow == X86_CALL && insn->distance == 0)
		add_sp(s, -8); /* of the next instruction: to learn its address */
}

void flow_state_not_taken(struct flow_state *s, const struct x86_insn *branch)
{
	if (s->compared && branch->is_unequal)
		set_depth(s, s->other);
	s->compared = 0;
}

struct flow_state flow_state_join(const struct flow_state *a, const struct flow_state *b)
{
	struct flow_state s = *a;

	if (a->depth != b->depth)
		forget_sp(&s);
	if (a->saved != b->saved)
		s.saved = 0;
	if (a->fp != b->fp || a->frame != b->frame)
		lose_fp(&s);
	if (a->reg != b->reg || a->other != b->other)
		forget_other(&s);
	if (a->compared != b->compared)
		s.compared = 0;
	return s;
}
