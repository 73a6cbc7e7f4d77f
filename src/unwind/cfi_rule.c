// SPDX-License-Identifier: Apache-2.0
/*
 * DWARF lets a rule be any computation. What occurs in a whole Debian is, nearly always, one of
 *
 *	register + offset			nearly all code
 *	*(register + offset) + add		realigned stacks (gcc's DRAP: *(rbp - 8)), OpenSSL's assembler
 *	sp + 8 + (pc % 16 >= 11) * 8		the procedure linkage table; 10 where calls are guarded (IBT)
 *
 * so expressions are folded to one of these forms, by a stack machine whose values are such forms, not
 * numbers. The last form is told by its very bytes, which linkers write.
 */
#include "unwind/cfi_rule.h"

#include <elf.h>
#include <string.h>

#include "base/macros.h"

#define STACK_MAX 4 /* of the expressions that can be folded */

/* Places of the interrupted code's registers in struct ucontext: uc_mcontext.gregs[REG_RSP], [REG_RIP]. */
#define X86_UCONTEXT_RSP 160
#define X86_UCONTEXT_RIP 168

enum {
	DW_OP_DEREF = 0x06,
	DW_OP_CONST1U = 0x08,
	DW_OP_CONST1S = 0x09,
	DW_OP_CONST2U = 0x0a,
	DW_OP_CONST2S = 0x0b,
	DW_OP_CONST4U = 0x0c,
	DW_OP_CONST4S = 0x0d,
	DW_OP_CONST8U = 0x0e,
	DW_OP_CONST8S = 0x0f,
	DW_OP_CONSTU = 0x10,
	DW_OP_CONSTS = 0x11,
	DW_OP_MINUS = 0x1c,
	DW_OP_PLUS = 0x22,
	DW_OP_PLUS_UCONST = 0x23,
	DW_OP_LIT0 = 0x30,
	DW_OP_LIT31 = 0x4f,
	DW_OP_BREG0 = 0x70,
	DW_OP_BREG31 = 0x8f,
	DW_OP_BREGX = 0x92,
	DW_OP_NOP = 0x96,
};

struct form {
	enum { FORM_CONSTANT, FORM_REGISTER, FORM_DEREF } kind;
	uint64_t reg;
	int64_t inner; /* FORM_DEREF: *(reg + inner) + offset */
	int64_t offset;
};

struct stack {
	struct form forms[STACK_MAX];
	size_t depth;
	bool failed; /* the expression is none of our forms */
};

static void push(struct stack *s, struct form f)
{
	if (s->depth == STACK_MAX)
		s->failed = true;
	else
		s->forms[s->depth++] = f;
}

static struct form pop(struct stack *s)
{
	if (s->depth)
		return s->forms[--s->depth];
	s->failed = true;
	return (struct form){0};
}

static int64_t wrapping_add(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a + (uint64_t)b);
}

static void add(struct stack *s, bool negate)
{
	struct form b = pop(s), a = pop(s);

	if (negate)
		b.offset = wrapping_add(0, (int64_t)(0 - (uint64_t)b.offset));
	if (a.kind == FORM_CONSTANT && !negate) {
		struct form t = a;

		a = b;
		b = t;
	}
	if (b.kind != FORM_CONSTANT)
		s->failed = true;
	a.offset = wrapping_add(a.offset, b.offset);
	push(s, a);
}

static void dereference(struct stack *s)
{
	struct form f = pop(s);

	if (f.kind != FORM_REGISTER)
		s->failed = true;
	push(s, (struct form){.kind = FORM_DEREF, .reg = f.reg, .inner = f.offset});
}

/* False: it is no constant. */
static bool read_constant(struct cursor *c, uint8_t op, int64_t *ret)
{
	switch (op) {
	case DW_OP_CONST1U:
		*ret = cursor_u8(c);
		return true;
	case DW_OP_CONST1S:
		*ret = (int8_t)cursor_u8(c);
		return true;
	case DW_OP_CONST2U:
		*ret = cursor_u16(c);
		return true;
	case DW_OP_CONST2S:
		*ret = (int16_t)cursor_u16(c);
		return true;
	case DW_OP_CONST4U:
		*ret = cursor_u32(c);
		return true;
	case DW_OP_CONST4S:
		*ret = (int32_t)cursor_u32(c);
		return true;
	case DW_OP_CONST8U:
	case DW_OP_CONST8S:
		*ret = (int64_t)cursor_u64(c);
		return true;
	case DW_OP_CONSTU:
		*ret = (int64_t)cursor_uleb128(c);
		return true;
	case DW_OP_CONSTS:
		*ret = cursor_sleb128(c);
		return true;
	default:
		*ret = op - DW_OP_LIT0;
		return op >= DW_OP_LIT0 && op <= DW_OP_LIT31;
	}
}

static void run_op(struct stack *s, struct cursor *c, uint8_t op)
{
	struct form f = {.kind = FORM_CONSTANT};

	if (read_constant(c, op, &f.offset)) {
		push(s, f);
	} else if ((op >= DW_OP_BREG0 && op <= DW_OP_BREG31) || op == DW_OP_BREGX) {
		f.kind = FORM_REGISTER;
		f.reg = op == DW_OP_BREGX ? cursor_uleb128(c) : (uint64_t)op - DW_OP_BREG0;
		f.offset = cursor_sleb128(c);
		push(s, f);
	} else if (op == DW_OP_PLUS_UCONST) {
		f.offset = (int64_t)cursor_uleb128(c);
		push(s, f);
		add(s, false);
	} else if (op == DW_OP_PLUS || op == DW_OP_MINUS) {
		add(s, op == DW_OP_MINUS);
	} else if (op == DW_OP_DEREF) {
		dereference(s);
	} else if (op != DW_OP_NOP) {
		s->failed = true;
	}
}

/* Whether the expression comes down to one of our forms. */
static bool fold(const uint8_t *expression, size_t len, struct form *ret)
{
	struct cursor c = cursor_over(expression, len);
	struct stack s = {.depth = 0};

	while (c.left && !s.failed && !c.failed)
		run_op(&s, &c, cursor_u8(&c));
	if (s.failed || c.failed || s.depth != 1 || s.forms[0].kind == FORM_CONSTANT)
		return false;
	*ret = s.forms[0];
	return true;
}

/* breg7 8, breg16 0, lit15, and, lit11, ge, lit3, shl, plus */
static bool is_plt(const struct cfi_state *state, int16_t *ret_from)
{
	static const uint8_t plt[] = {0x77, 0x08, 0x80, 0x00, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24,
		0x22};
	enum { LITERAL = 6 };
	const uint8_t *e = state->cfa_expression;

	if (state->cfa_len != sizeof(plt) || memcmp(e, plt, LITERAL) != 0 ||
		memcmp(e + LITERAL + 1, plt + LITERAL + 1, sizeof(plt) - LITERAL - 1) != 0 ||
		e[LITERAL] < DW_OP_LIT0 || e[LITERAL] > DW_OP_LIT0 + 15)
		return false;
	*ret_from = (int16_t)(e[LITERAL] - DW_OP_LIT0);
	return true;
}

struct unwind_rule cfi_rule_unsupported(enum unwind_unsupported why)
{
	return (struct unwind_rule){.cfa = UNWIND_CFA_UNSUPPORTED, .cfa_reg = (uint8_t)why};
}

static bool fits_16(int64_t n)
{
	return n >= INT16_MIN && n <= INT16_MAX;
}

static bool fits_32(int64_t n)
{
	return n >= INT32_MIN && n <= INT32_MAX;
}

/* Each of these sets one part of the rule. -1, or why it cannot. */

static int set_cfa(struct unwind_rule *rule, const struct machine *m, const struct form *cfa)
{
	bool deref = cfa->kind == FORM_DEREF;
	int64_t offset = deref ? cfa->inner : cfa->offset;

	if (!fits_32(offset) || (deref && !fits_16(cfa->offset)))
		return UNWIND_CFA_RANGE;
	rule->cfa_offset = (int32_t)offset;
	rule->cfa_add = deref ? (int16_t)cfa->offset : 0;
	if (cfa->reg == m->sp) {
		rule->cfa = deref ? UNWIND_CFA_SP_DEREF : UNWIND_CFA_SP;
	} else if (cfa->reg == m->fp) {
		rule->cfa = deref ? UNWIND_CFA_FP_DEREF : UNWIND_CFA_FP;
	} else if (cfa->reg < m->registers) {
		rule->cfa = deref ? UNWIND_CFA_REG_DEREF : UNWIND_CFA_REG;
		rule->cfa_reg = (uint8_t)cfa->reg;
	} else {
		return UNWIND_CFA_REGISTER;
	}
	return -1;
}

/* Whether a value lies at a constant distance from the CFA. */
static bool from_cfa(const struct form *f, const struct form *cfa, int64_t *ret)
{
	*ret = (int64_t)((uint64_t)f->offset - (uint64_t)cfa->offset);
	return f->kind == cfa->kind && f->reg == cfa->reg && f->inner == cfa->inner;
}

/* `cfa` is NULL where it has no form of its own (PLT). */
static int set_ra(struct unwind_rule *rule, const struct machine *m, const struct cfi_value *ra,
	const struct form *cfa, uint64_t ra_column)
{
	struct form f;
	int64_t offset = ra->n, reg = ra->n;

	switch (ra->how) {
	case CFI_EXPRESSION:
		if (!cfa || !fold(ra->expression, ra->len, &f) || !from_cfa(&f, cfa, &offset))
			return UNWIND_RA_EXPRESSION;
		break;
	case CFI_OFFSET:
		break;
	case CFI_VAL_EXPRESSION:
		return UNWIND_RA_EXPRESSION;
	case CFI_UNSET:
	case CFI_SAME:
		if (!m->ra_stays)
			return UNWIND_RA_RULE;
		reg = (int64_t)ra_column;
		/* fall through */
	case CFI_REGISTER:
		if (reg < 0 || reg >= m->registers)
			return UNWIND_RA_RULE;
		rule->ra = UNWIND_RA_REG;
		rule->ra_reg = (uint8_t)reg;
		return -1;
	default:
		return UNWIND_RA_RULE;
	}
	if (!fits_16(offset))
		return UNWIND_RA_RULE;
	rule->ra = UNWIND_RA_AT_CFA;
	rule->ra_offset = (int16_t)offset;
	return -1;
}

static void set_fp(struct unwind_rule *rule, const struct machine *m, const struct cfi_value *fp,
	const struct form *cfa)
{
	struct form f = {0};
	int64_t offset = fp->n;

	rule->fp = UNWIND_FP_UNKNOWN;
	if (fp->how == CFI_UNSET || fp->how == CFI_SAME ||
		(fp->how == CFI_REGISTER && fp->n == m->fp)) {
		rule->fp = UNWIND_FP_SAME;
		return;
	}
	if (fp->how == CFI_OFFSET) {
		rule->fp = UNWIND_FP_AT_CFA;
	} else if (fp->how == CFI_EXPRESSION && fold(fp->expression, fp->len, &f)) {
		offset = f.offset;
		if (f.kind == FORM_REGISTER && (f.reg == m->fp || f.reg == m->sp))
			rule->fp = f.reg == m->fp ? UNWIND_FP_AT_FP : UNWIND_FP_AT_SP;
		else if (cfa && from_cfa(&f, cfa, &offset))
			rule->fp = UNWIND_FP_AT_CFA;
	}
	if (rule->fp == UNWIND_FP_UNKNOWN || !fits_16(offset))
		rule->fp = UNWIND_FP_UNKNOWN;
	else
		rule->fp_offset = (int16_t)offset;
}

/* Whether a form is *(sp + n), or that place itself; *ret_n. */
static bool is_at_sp(const struct form *f, const struct machine *m, bool deref, int64_t *ret_n)
{
	*ret_n = deref ? f->inner : f->offset;
	return f->reg == m->sp &&
		(deref ? f->kind == FORM_DEREF && !f->offset : f->kind == FORM_REGISTER);
}

/* The kernel's, where stack pointer and return address come from struct ucontext. */
static struct unwind_rule signal_rule(const struct machine *m, const struct cfi_state *state)
{
	struct unwind_rule rule = {.cfa = UNWIND_CFA_SIGNAL};
	const struct cfi_value *ra = &state->ra;
	struct form cfa, ra_place;
	int64_t rsp = 0, rip = 0;

	if (m->elf_machine == EM_AARCH64)
		return rule;
	if (!state->cfa_expression || ra->how != CFI_EXPRESSION ||
		!fold(state->cfa_expression, state->cfa_len, &cfa) ||
		!fold(ra->expression, ra->len, &ra_place) || !is_at_sp(&cfa, m, true, &rsp) ||
		!is_at_sp(&ra_place, m, false, &rip) || !fits_16(rsp) ||
		rip != rsp + (X86_UCONTEXT_RIP - X86_UCONTEXT_RSP))
		return cfi_rule_unsupported(UNWIND_SIGNAL_LAYOUT);
	rule.cfa_offset = (int32_t)rsp - X86_UCONTEXT_RSP;
	return rule;
}

static bool sp_is_cfa(const struct cfi_value *sp)
{
	return sp->how == CFI_UNSET || sp->how == CFI_SAME || (sp->how == CFI_VAL_OFFSET && !sp->n);
}

struct unwind_rule cfi_rule_of(const struct machine *m, const struct cfi_state *state,
	uint64_t ra_column, bool is_signal_frame)
{
	struct unwind_rule rule = {0};
	struct form cfa = {FORM_REGISTER, state->cfa_register, 0, state->cfa_offset};
	const struct form *form = &cfa;
	int why = -1;

	if (state->ra.how == CFI_UNDEFINED)
		return (struct unwind_rule){.cfa = UNWIND_CFA_END};
	if (is_signal_frame)
		return signal_rule(m, state);
	if (!sp_is_cfa(&state->sp))
		return cfi_rule_unsupported(UNWIND_SP_RULE);
	if (!state->cfa_expression) {
		why = set_cfa(&rule, m, &cfa);
	} else if (is_plt(state, &rule.cfa_add) && m->elf_machine == EM_X86_64) {
		rule.cfa = UNWIND_CFA_PLT;
		form = NULL;
	} else if (fold(state->cfa_expression, state->cfa_len, &cfa)) {
		why = set_cfa(&rule, m, &cfa);
	} else {
		why = UNWIND_CFA_EXPRESSION;
	}
	if (why < 0)
		why = set_ra(&rule, m, &state->ra, form, ra_column);
	if (why >= 0)
		return cfi_rule_unsupported((enum unwind_unsupported)why);
	set_fp(&rule, m, &state->fp, form);
	return rule;
}
