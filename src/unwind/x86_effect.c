// SPDX-License-Identifier: Apache-2.0
/*
 * What an instruction means to who follows the stack: where control goes, what becomes of rsp and rbp. Forms
 * that are no way to treat these registers, 32 bits wide say, end as "lost". Where there is doubt which
 * register is written, more of them are taken to be.
 */
#include "unwind/x86_decoder.h"

/* What is written, by name. */
static uint16_t written(const struct decoder *d)
{
	uint32_t mask = 0;
	uint8_t op = d->opcode & 0xfe, group = d->reg & 7;

	if (d->flags & WR)
		mask |= 1u << d->reg;
	if (d->flags & WV)
		mask |= 1u << d->vvvv;
	if (d->flags & WO)
		mask |= 1u << ((d->opcode & 7) | ((d->rex & 1) ? 8 : 0));
	if (d->flags & WM && d->mod == 3)
		mask |= 1u << d->rm;
	if (d->flags & BY && !d->has_rex)
		mask &= ~0xf0u; /* those are ah to bh */
	if (d->map != MAP_ONE)
		return (uint16_t)mask;
	if (d->opcode >= 0x80 && d->opcode <= 0x83 && group == 7)
		return 0; /* cmp */
	if (op == 0xf6 && group != 2 && group != 3)
		return 0; /* test, and what works on rax and rdx */
	if (op == 0xfe && group > 1)
		return 0; /* calls, jumps, push */
	return (uint16_t)mask;
}

static void flow_of_group_ff(const struct decoder *d, struct x86_insn *ret)
{
	static const uint8_t flows[8] = {[2] = X86_CALL_INDIRECT,
		[3] = X86_CALL_INDIRECT,
		[4] = X86_JUMP_INDIRECT,
		[5] = X86_JUMP_INDIRECT};

	ret->flow = flows[d->reg & 7];
}

static void set_target(const struct decoder *d, struct x86_insn *ret, enum x86_flow flow)
{
	ret->flow = (uint8_t)flow;
	ret->has_target = true;
	ret->distance = (int32_t)d->immediate;
}

static void flow_of(const struct decoder *d, struct x86_insn *ret)
{
	uint8_t op = d->opcode;

	if (d->map == MAP_0F && !d->is_vex) {
		if ((op & 0xf0) == 0x80)
			set_target(d, ret, X86_BRANCH);
		else if (op == 0x0b || op == 0xb9 || op == 0xff || op == 0x07 || op == 0x35)
			ret->flow = X86_STOP;
	}
	if (d->map != MAP_ONE)
		return;
	if ((op & 0xf0) == 0x70 || (op >= 0xe0 && op <= 0xe3))
		set_target(d, ret, X86_BRANCH);
	else if (op == 0xe8)
		set_target(d, ret, X86_CALL);
	else if (op == 0xe9 || op == 0xeb)
		set_target(d, ret, X86_JUMP);
	else if (op == 0xc7 && d->mod == 3 && (d->reg & 7) == 7)
		set_target(d, ret, X86_BRANCH); /* xbegin */
	else if (op == 0xc2 || op == 0xc3)
		ret->flow = X86_RETURN;
	else if (op == 0xca || op == 0xcb || op == 0xcc || op == 0xcf || op == 0xf4)
		ret->flow = X86_STOP;
	else if (op == 0xff)
		flow_of_group_ff(d, ret);
}

/* Whether the memory operand is at rsp or rbp + displacement. */
static bool on_stack(const struct decoder *d)
{
	return d->mod != 3 && !d->has_index && !d->address_size &&
		(d->base == X86_RSP || d->base == X86_RBP);
}

static bool is_branch_if_unequal(const struct decoder *d)
{
	return (d->map == MAP_ONE && d->opcode == 0x75) ||
		(d->map == MAP_0F && d->opcode == 0x85 && !d->is_vex);
}

static void set_effect(struct x86_insn *ret, enum x86_effect effect, int64_t n, uint8_t reg)
{
	ret->effect = (uint8_t)effect;
	ret->n = (int32_t)n;
	ret->reg = reg;
}

/* reg = rm, 64 bits wide. */
static void effect_of_move(struct x86_insn *ret, uint8_t to, uint8_t from)
{
	if (to == X86_RSP)
		set_effect(ret, from == X86_RBP ? X86_SP_FROM_FP : X86_SP_FROM_REG, 0, from);
	else if (to == X86_RBP && from == X86_RSP)
		set_effect(ret, X86_FP_FROM_SP, 0, from);
	else if (from == X86_RSP)
		set_effect(ret, X86_REG_FROM_SP, 0, to);
}

static void effect_of_lea(const struct decoder *d, struct x86_insn *ret)
{
	if (d->rip_relative) {
		ret->has_target = true;
		ret->distance = d->displacement;
		return;
	}
	if (!(d->rex & 8) || d->has_index || d->address_size || d->base == X86_NO_REGISTER)
		return;
	if (d->reg == X86_RSP && d->base == X86_RSP)
		set_effect(ret, X86_ADD_SP, d->displacement, X86_RSP);
	else if (d->reg == X86_RSP)
		set_effect(ret, d->base == X86_RBP ? X86_SP_FROM_FP : X86_SP_FROM_REG,
			d->displacement, d->base);
	else if (d->reg == X86_RBP && d->base == X86_RSP)
		set_effect(ret, X86_FP_FROM_SP, d->displacement, X86_RSP);
	else if (d->base == X86_RSP)
		set_effect(ret, X86_REG_FROM_SP, d->displacement, d->reg);
}

static void effect_of_push(const struct decoder *d, struct x86_insn *ret, uint8_t reg)
{
	int64_t n = d->operand_size ? 2 : 8;

	if (n == 8 && reg == X86_RBP)
		set_effect(ret, X86_PUSH_FP, 0, reg);
	else if (n == 8 && reg < X86_NO_REGISTER && reg != X86_RSP)
		set_effect(ret, X86_PUSH_REG, 0, reg);
	else
		set_effect(ret, X86_ADD_SP, -n, X86_NO_REGISTER);
}

static void effect_of_pop(const struct decoder *d, struct x86_insn *ret, uint8_t reg)
{
	int64_t n = d->operand_size ? 2 : 8;

	if (reg == X86_RSP || (reg == X86_RBP && n == 2))
		set_effect(ret, X86_SP_LOST, 0, reg);
	else if (reg == X86_RBP)
		set_effect(ret, X86_POP_FP, 0, reg);
	else
		set_effect(ret, X86_ADD_SP, n, X86_NO_REGISTER);
}

static void effect_of_map_one(const struct decoder *d, struct x86_insn *ret)
{
	uint8_t op = d->opcode, low = (uint8_t)((op & 7) | ((d->rex & 1) ? 8 : 0));
	bool wide = d->rex & 8, registers = d->mod == 3;

	if ((op & 0xf8) == 0x50)
		effect_of_push(d, ret, low);
	else if ((op & 0xf8) == 0x58)
		effect_of_pop(d, ret, low);
	else if (op == 0x68 || op == 0x6a || op == 0x9c || (op == 0xff && (d->reg & 7) == 6))
		effect_of_push(d, ret, X86_NO_REGISTER);
	else if (op == 0x9d || (op == 0x8f && !registers))
		effect_of_pop(d, ret, X86_NO_REGISTER);
	else if (op == 0x8f)
		effect_of_pop(d, ret, d->rm);
	else if (op == 0xc9)
		set_effect(ret, d->operand_size ? X86_SP_LOST : X86_LEAVE, 0, X86_RBP);
	else if (op == 0xc8)
		set_effect(ret, X86_ENTER, d->immediate & 0xffff, X86_RBP);
	else if ((op == 0x81 || op == 0x83) && registers && d->rm == X86_RSP && wide &&
		((d->reg & 7) == 0 || (d->reg & 7) == 5) && d->immediate != INT32_MIN)
		set_effect(ret, X86_ADD_SP, (d->reg & 7) ? -d->immediate : d->immediate, X86_RSP);
	else if (op == 0x89 && wide && registers)
		effect_of_move(ret, d->rm, d->reg);
	else if (op == 0x8b && wide && registers)
		effect_of_move(ret, d->reg, d->rm);
	else if (op == 0x89 && wide && d->reg == X86_RBP && on_stack(d))
		set_effect(ret, X86_SAVE_FP, d->displacement, d->base);
	else if (op == 0x8b && wide && d->reg == X86_RBP && on_stack(d))
		set_effect(ret, X86_LOAD_FP, d->displacement, d->base);
	else if (op == 0x8d)
		effect_of_lea(d, ret);
	else if ((op == 0x39 || op == 0x3b) && wide && registers &&
		(d->reg == X86_RSP || d->rm == X86_RSP))
		set_effect(ret, X86_COMPARE_SP, 0, d->reg == X86_RSP ? d->rm : d->reg);
}

static void effect_of(const struct decoder *d, struct x86_insn *ret)
{
	ret->reg = X86_NO_REGISTER;
	if (d->map == MAP_ONE)
		effect_of_map_one(d, ret);
	else if (d->map == MAP_0F && (d->opcode == 0xa0 || d->opcode == 0xa8) && !d->is_vex)
		effect_of_push(d, ret, X86_NO_REGISTER);
	else if (d->map == MAP_0F && (d->opcode == 0xa1 || d->opcode == 0xa9) && !d->is_vex)
		effect_of_pop(d, ret, X86_NO_REGISTER);
	if (ret->effect != X86_NO_EFFECT && ret->effect != X86_REG_FROM_SP)
		return;
	if (ret->writes & 1u << X86_RSP)
		set_effect(ret, X86_SP_LOST, 0, X86_RSP);
	else if (ret->writes & 1u << X86_RBP)
		set_effect(ret, X86_FP_LOST, 0, X86_RBP);
}

static bool is_padding(const struct decoder *d)
{
	if (d->map == MAP_0F)
		return d->opcode == 0x1f && !d->is_vex;
	return d->map == MAP_ONE &&
		(d->opcode == 0xcc || (d->opcode == 0x90 && !(d->rex & 1) && d->repeat != 0xf3));
}

void x86_effect_of(const struct decoder *d, struct x86_insn *ret)
{
	ret->writes = written(d);
	ret->is_padding = is_padding(d);
	if (ret->is_padding && d->opcode == 0x90)
		ret->writes = 0;
	ret->is_unequal = is_branch_if_unequal(d);
	flow_of(d, ret);
	effect_of(d, ret);
}
