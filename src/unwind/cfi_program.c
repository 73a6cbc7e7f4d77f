// SPDX-License-Identifier: Apache-2.0
/*
 * The instructions describe a table with a row per change of location; its columns are the registers. Here
 * only the row of the moment exists, and of it only the columns that matter: instructions for other registers
 * are read and dropped.
 *
 *	| CIE: def_cfa rsp+8, rip at CFA-8 | FDE: advance 1, def_cfa_offset 16, rbp at CFA-16, advance 3 ... |
 *	                                     ^ initial: what DW_CFA_restore goes back to
 *
 * What makes no sense (unknown instruction, location going backwards, a state taken back that nobody
 * remembered) spoils the rows from there on: those before were complete.
 */
#include "unwind/cfi_program.h"

#include "unwind/rows.h"

/* Of one FDE. The largest function of a whole Debian has 13,365. */
#define WORK_MAX 262144

enum {
	DW_CFA_ADVANCE_LOC = 0x40, /* these three have their operand in the low six bits */
	DW_CFA_OFFSET = 0x80,
	DW_CFA_RESTORE = 0xc0,
	DW_CFA_NOP = 0x00,
	DW_CFA_SET_LOC = 0x01,
	DW_CFA_ADVANCE_LOC1 = 0x02,
	DW_CFA_ADVANCE_LOC2 = 0x03,
	DW_CFA_ADVANCE_LOC4 = 0x04,
	DW_CFA_OFFSET_EXTENDED = 0x05,
	DW_CFA_RESTORE_EXTENDED = 0x06,
	DW_CFA_UNDEFINED = 0x07,
	DW_CFA_SAME_VALUE = 0x08,
	DW_CFA_REGISTER = 0x09,
	DW_CFA_REMEMBER_STATE = 0x0a,
	DW_CFA_RESTORE_STATE = 0x0b,
	DW_CFA_DEF_CFA = 0x0c,
	DW_CFA_DEF_CFA_REGISTER = 0x0d,
	DW_CFA_DEF_CFA_OFFSET = 0x0e,
	DW_CFA_DEF_CFA_EXPRESSION = 0x0f,
	DW_CFA_EXPRESSION = 0x10,
	DW_CFA_OFFSET_EXTENDED_SF = 0x11,
	DW_CFA_DEF_CFA_SF = 0x12,
	DW_CFA_DEF_CFA_OFFSET_SF = 0x13,
	DW_CFA_VAL_OFFSET = 0x14,
	DW_CFA_VAL_OFFSET_SF = 0x15,
	DW_CFA_VAL_EXPRESSION = 0x16,
	DW_CFA_MIPS_ADVANCE_LOC8 = 0x1d,
	DW_CFA_AARCH64_NEGATE_RA_STATE_WITH_PC = 0x2c,
	DW_CFA_AARCH64_NEGATE_RA_STATE = 0x2d,
	DW_CFA_GNU_ARGS_SIZE = 0x2e,
	DW_CFA_GNU_NEGATIVE_OFFSET_EXTENDED = 0x2f,
};

static void spoil(struct cfi_program *p, enum unwind_unsupported why)
{
	if (p->wrong < 0)
		p->wrong = (int)why;
}

/* Where the rule for a register is kept, NULL for those that do not matter. */
static struct cfi_value *column(struct cfi_program *p, struct cfi_state *state, uint64_t reg)
{
	if (reg == p->fde->cie->ra_column)
		return &state->ra;
	if (reg == p->machine->fp)
		return &state->fp;
	return reg == p->machine->sp ? &state->sp : NULL;
}

static void set(struct cfi_program *p, uint64_t reg, enum cfi_how how, uint64_t n)
{
	struct cfi_value *v = column(p, &p->state, reg);

	if (v)
		*v = (struct cfi_value){.how = how, .n = (int64_t)n};
}

static void set_expression(struct cfi_program *p, struct cursor *c, enum cfi_how how)
{
	struct cfi_value *v = column(p, &p->state, cursor_uleb128(c));
	uint64_t len = cursor_uleb128(c);
	const uint8_t *bytes = cursor_take(c, len <= c->left ? (size_t)len : SIZE_MAX);

	if (v)
		*v = (struct cfi_value){.how = how, .expression = bytes, .len = (size_t)len};
}

static void restore(struct cfi_program *p, uint64_t reg)
{
	struct cfi_value *v = column(p, &p->state, reg);

	if (v)
		*v = *column(p, &p->initial, reg);
}

static void set_cfa(struct cfi_program *p, uint64_t reg, uint64_t offset)
{
	p->state.cfa_register = reg;
	p->state.cfa_offset = (int64_t)offset;
	p->state.cfa_expression = NULL;
}

static void set_cfa_offset(struct cfi_program *p, uint64_t offset)
{
	if (p->state.cfa_expression)
		spoil(p, UNWIND_DAMAGED);
	p->state.cfa_offset = (int64_t)offset;
}

static void set_cfa_register(struct cfi_program *p, uint64_t reg)
{
	if (p->state.cfa_expression)
		spoil(p, UNWIND_DAMAGED);
	p->state.cfa_register = reg;
}

static void set_cfa_expression(struct cfi_program *p, struct cursor *c)
{
	uint64_t len = cursor_uleb128(c);

	p->state.cfa_expression = cursor_take(c, len <= c->left ? (size_t)len : SIZE_MAX);
	p->state.cfa_len = (size_t)len;
}

static void remember(struct cfi_program *p)
{
	if (p->depth == CFI_REMEMBER_MAX)
		spoil(p, UNWIND_LIMIT);
	else
		p->remembered[p->depth++] = p->state;
}

static void take_back(struct cfi_program *p)
{
	if (!p->depth)
		spoil(p, UNWIND_DAMAGED);
	else
		p->state = p->remembered[--p->depth];
}

static uint64_t scaled(const struct cfi_program *p, uint64_t n)
{
	return n * (uint64_t)p->fde->cie->data_align;
}

/* Instructions about one register. False: it is another one. */
static bool run_register(struct cfi_program *p, struct cursor *c, uint8_t op)
{
	uint64_t reg;

	switch (op) {
	case DW_CFA_OFFSET_EXTENDED:
		reg = cursor_uleb128(c);
		set(p, reg, CFI_OFFSET, scaled(p, cursor_uleb128(c)));
		return true;
	case DW_CFA_OFFSET_EXTENDED_SF:
		reg = cursor_uleb128(c);
		set(p, reg, CFI_OFFSET, scaled(p, (uint64_t)cursor_sleb128(c)));
		return true;
	case DW_CFA_GNU_NEGATIVE_OFFSET_EXTENDED:
		reg = cursor_uleb128(c);
		set(p, reg, CFI_OFFSET, -scaled(p, cursor_uleb128(c)));
		return true;
	case DW_CFA_VAL_OFFSET:
		reg = cursor_uleb128(c);
		set(p, reg, CFI_VAL_OFFSET, scaled(p, cursor_uleb128(c)));
		return true;
	case DW_CFA_VAL_OFFSET_SF:
		reg = cursor_uleb128(c);
		set(p, reg, CFI_VAL_OFFSET, scaled(p, (uint64_t)cursor_sleb128(c)));
		return true;
	case DW_CFA_RESTORE_EXTENDED:
		restore(p, cursor_uleb128(c));
		return true;
	case DW_CFA_UNDEFINED:
		set(p, cursor_uleb128(c), CFI_UNDEFINED, 0);
		return true;
	case DW_CFA_SAME_VALUE:
		set(p, cursor_uleb128(c), CFI_SAME, 0);
		return true;
	case DW_CFA_REGISTER:
		reg = cursor_uleb128(c);
		set(p, reg, CFI_REGISTER, cursor_uleb128(c));
		return true;
	case DW_CFA_EXPRESSION:
		set_expression(p, c, CFI_EXPRESSION);
		return true;
	case DW_CFA_VAL_EXPRESSION:
		set_expression(p, c, CFI_VAL_EXPRESSION);
		return true;
	default:
		return false;
	}
}

/* Instructions about the CFA, the whole state, or nothing. */
static void run_other(struct cfi_program *p, struct cursor *c, uint8_t op)
{
	uint64_t reg;

	switch (op) {
	case DW_CFA_NOP:
		break;
	case DW_CFA_DEF_CFA:
		reg = cursor_uleb128(c);
		set_cfa(p, reg, cursor_uleb128(c));
		break;
	case DW_CFA_DEF_CFA_SF:
		reg = cursor_uleb128(c);
		set_cfa(p, reg, scaled(p, (uint64_t)cursor_sleb128(c)));
		break;
	case DW_CFA_DEF_CFA_REGISTER:
		set_cfa_register(p, cursor_uleb128(c));
		break;
	case DW_CFA_DEF_CFA_OFFSET:
		set_cfa_offset(p, cursor_uleb128(c));
		break;
	case DW_CFA_DEF_CFA_OFFSET_SF:
		set_cfa_offset(p, scaled(p, (uint64_t)cursor_sleb128(c)));
		break;
	case DW_CFA_DEF_CFA_EXPRESSION:
		set_cfa_expression(p, c);
		break;
	case DW_CFA_REMEMBER_STATE:
		remember(p);
		break;
	case DW_CFA_RESTORE_STATE:
		take_back(p);
		break;
	case DW_CFA_GNU_ARGS_SIZE:
		cursor_uleb128(c);
		break;
	case DW_CFA_AARCH64_NEGATE_RA_STATE:
	case DW_CFA_AARCH64_NEGATE_RA_STATE_WITH_PC:
		/* Return addresses are signed from here on, or no more: whoever reads one strips that. */
		if (!p->machine->ra_stays)
			spoil(p, UNWIND_DAMAGED);
		break;
	default:
		spoil(p, UNWIND_DAMAGED);
	}
}

/* The operand of DW_CFA_set_loc. */
static uint64_t read_location(struct cfi_program *p, struct cursor *c)
{
	/* CIEs have no locations: `rest` is what the FDE's instructions are read by. */
	size_t done = c == &p->rest ? p->fde->len - c->left : 0;
	uint64_t at = p->fde->instructions_address + done, location = 0;
	size_t n = eh_frame_pointer(p->ef, p->fde->cie->pointer_encoding, c->next, c->left, at,
		&location);

	if (!n)
		spoil(p, UNWIND_DAMAGED);
	cursor_take(c, n);
	return n ? location : p->start;
}

/* True: the instruction moves the location to *ret. */
static bool run_advance(struct cfi_program *p, struct cursor *c, uint8_t op, uint64_t *ret)
{
	uint64_t delta;

	switch (op) {
	case DW_CFA_SET_LOC:
		*ret = read_location(p, c);
		return true;
	case DW_CFA_ADVANCE_LOC1:
		delta = cursor_u8(c);
		break;
	case DW_CFA_ADVANCE_LOC2:
		delta = cursor_u16(c);
		break;
	case DW_CFA_ADVANCE_LOC4:
		delta = cursor_u32(c);
		break;
	case DW_CFA_MIPS_ADVANCE_LOC8:
		delta = cursor_u64(c);
		break;
	default:
		if ((op & 0xc0) != DW_CFA_ADVANCE_LOC)
			return false;
		delta = op & 0x3f;
	}
	if (__builtin_mul_overflow(delta, p->fde->cie->code_align, &delta) ||
		__builtin_add_overflow(p->start, delta, ret))
		*ret = UINT64_MAX; /* far behind the end of the function, in any case */
	return true;
}

/* Runs to the next change of location. False: there are no more instructions. */
static bool run(struct cfi_program *p, struct cursor *c, uint64_t *ret_location)
{
	while (c->left && p->wrong < 0) {
		uint8_t op = cursor_u8(c);

		if (++p->work > WORK_MAX)
			spoil(p, UNWIND_LIMIT);
		if ((op & 0xc0) == DW_CFA_OFFSET)
			set(p, op & 0x3f, CFI_OFFSET, scaled(p, cursor_uleb128(c)));
		else if ((op & 0xc0) == DW_CFA_RESTORE)
			restore(p, op & 0x3f);
		else if (run_advance(p, c, op, ret_location)) {
			if (*ret_location < p->start)
				spoil(p, UNWIND_DAMAGED);
			if (*ret_location != p->start && !c->failed)
				return p->wrong < 0;
		} else if (!run_register(p, c, op)) {
			run_other(p, c, op);
		}
		if (c->failed)
			spoil(p, UNWIND_DAMAGED);
	}
	return false;
}

void cfi_program_init(struct cfi_program *p, const struct eh_frame *ef, const struct fde *fde,
	const struct machine *machine)
{
	struct cursor initial = cursor_over(fde->cie->initial, fde->cie->initial_len);
	uint64_t location;

	p->ef = ef;
	p->fde = fde;
	p->machine = machine;
	p->state = p->initial = (struct cfi_state){.cfa_register = UINT64_MAX};
	p->start = p->end = fde->start;
	p->wrong = -1;
	p->work = p->depth = 0;
	if (run(p, &initial, &location)) /* a CIE has no locations */
		spoil(p, UNWIND_DAMAGED);
	p->initial = p->state;
	p->rest = cursor_over(fde->instructions, fde->len);
}

bool cfi_program_step(struct cfi_program *p)
{
	uint64_t location = 0;

	p->start = p->end;
	if (p->start >= p->fde->end)
		return false;
	p->end = run(p, &p->rest, &location) ? MIN(location, p->fde->end) : p->fde->end;
	return true;
}
