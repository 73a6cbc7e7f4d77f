// SPDX-License-Identifier: Apache-2.0
/*
 *	prefixes | REX or VEX or EVEX or XOP | opcode | ModRM | SIB | displacement | immediate
 *
 * Four maps of opcodes tell what follows an opcode and which of its operands are written; the few
 * instructions that are about the stack are then looked at one by one. A decoder of our own, because of the
 * libraries that there are (Zydis, Capstone: 0.5 to 3 MB of tables, allocations, text) not one per cent is
 * asked for here, and this is read by an agent that is to be small. It is held against a disassembler over a
 * whole system's programs.
 */
#include "unwind/x86_decoder.h"

#define ARITHMETIC(op)                                                                             \
	[op] = M | WM | BY, [(op) + 1] = M | WM, [(op) + 2] = M | WR | BY, [(op) + 3] = M | WR,    \
	[(op) + 4] = I8, [(op) + 5] = IZ

static const uint16_t map_one[256] = {
	ARITHMETIC(0x00),
	[0x06 ... 0x07] = BAD,
	ARITHMETIC(0x08),
	[0x0e] = BAD,
	ARITHMETIC(0x10),
	[0x16 ... 0x17] = BAD,
	ARITHMETIC(0x18),
	[0x1e ... 0x1f] = BAD,
	ARITHMETIC(0x20),
	[0x27] = BAD,
	ARITHMETIC(0x28),
	[0x2f] = BAD,
	ARITHMETIC(0x30),
	[0x37] = BAD,
	[0x38 ... 0x3b] = M,
	[0x3c] = I8,
	[0x3d] = IZ,
	[0x3f] = BAD,
	[0x58 ... 0x5f] = WO,
	[0x60 ... 0x61] = BAD,
	[0x63] = M | WR,
	[0x68] = IZ,
	[0x69] = M | WR | IZ,
	[0x6a] = I8,
	[0x6b] = M | WR | I8,
	[0x70 ... 0x7f] = I8,
	[0x80] = M | WM | BY | I8,
	[0x81] = M | WM | IZ,
	[0x82] = BAD,
	[0x83] = M | WM | I8,
	[0x84 ... 0x85] = M,
	[0x86] = M | WM | WR | BY,
	[0x87] = M | WM | WR,
	[0x88] = M | WM | BY,
	[0x89] = M | WM,
	[0x8a] = M | WR | BY,
	[0x8b] = M | WR,
	[0x8c] = M | WM,
	[0x8d] = M | WR,
	[0x8e] = M,
	[0x8f] = M | WM,
	[0x90 ... 0x97] = WO,
	[0x9a] = BAD,
	[0xa0 ... 0xa3] = IA,
	[0xa8] = I8,
	[0xa9] = IZ,
	[0xb0 ... 0xb7] = I8 | WO | BY,
	[0xb8 ... 0xbf] = IV | WO,
	[0xc0] = M | WM | I8 | BY,
	[0xc1] = M | WM | I8,
	[0xc2] = I16,
	[0xc6] = M | WM | I8 | BY,
	[0xc7] = M | WM | IZ,
	[0xc8] = I16 | I8,
	[0xca] = I16,
	[0xcd] = I8,
	[0xce] = BAD,
	[0xd0] = M | WM | BY,
	[0xd1] = M | WM,
	[0xd2] = M | WM | BY,
	[0xd3] = M | WM,
	[0xd4 ... 0xd6] = BAD,
	[0xd8 ... 0xdf] = M,
	[0xe0 ... 0xe7] = I8,
	[0xe8 ... 0xe9] = I32,
	[0xea] = BAD,
	[0xeb] = I8,
	[0xf6] = M | WM | BY,
	[0xf7] = M | WM,
	[0xfe] = M | WM | BY,
	[0xff] = M | WM,
};

/* After 0f; with VEX.mmmmm 1 as well, where it has an operand more. */
static const uint16_t map_0f[256] = {
	[0x00 ... 0x01] = M | WM,
	[0x02 ... 0x03] = M | WR,
	[0x04] = BAD,
	[0x0a] = BAD,
	[0x0c] = BAD,
	[0x0d] = M,
	[0x0f] = M | I8,
	[0x10 ... 0x1d] = M,
	[0x1e] = M,
	[0x1f] = M,
	[0x20 ... 0x21] = M | WM,
	[0x22 ... 0x23] = M,
	[0x24 ... 0x27] = BAD,
	[0x28 ... 0x2b] = M,
	[0x2c ... 0x2d] = M | WR,
	[0x2e ... 0x2f] = M,
	[0x36] = BAD,
	[0x39] = BAD,
	[0x3b ... 0x3f] = BAD,
	[0x40 ... 0x4f] = M | WR,
	[0x50] = M | WR,
	[0x51 ... 0x6f] = M,
	[0x70 ... 0x73] = M | I8,
	[0x74 ... 0x76] = M,
	[0x78] = M | WM | WR,
	[0x79] = M | WR,
	[0x7a ... 0x7b] = M,
	[0x7c ... 0x7d] = M,
	[0x7e] = M | WM,
	[0x7f] = M,
	[0x80 ... 0x8f] = I32,
	[0x90 ... 0x9f] = M | WM | BY,
	[0xa3] = M,
	[0xa4] = M | WM | I8,
	[0xa5] = M | WM,
	[0xa6 ... 0xa7] = M,
	[0xab] = M | WM,
	[0xac] = M | WM | I8,
	[0xad] = M | WM,
	[0xae] = M | WM,
	[0xaf] = M | WR,
	[0xb0] = M | WM | BY,
	[0xb1] = M | WM,
	[0xb2] = M | WR,
	[0xb3] = M | WM,
	[0xb4 ... 0xb8] = M | WR,
	[0xb9] = M,
	[0xba] = M | WM | I8,
	[0xbb] = M | WM,
	[0xbc ... 0xbf] = M | WR,
	[0xc0] = M | WM | WR | BY,
	[0xc1] = M | WM | WR,
	[0xc2] = M | I8,
	[0xc3] = M | WM,
	[0xc4] = M | I8,
	[0xc5] = M | WR | I8,
	[0xc6] = M | I8,
	[0xc7] = M | WM,
	[0xc8 ... 0xcf] = WO,
	[0xd0 ... 0xd6] = M,
	[0xd7] = M | WR,
	[0xd8 ... 0xff] = M,
};

static bool is_prefix(struct decoder *d, uint8_t byte)
{
	switch (byte) {
	case 0x66:
		d->operand_size = true;
		return true;
	case 0x67:
		d->address_size = true;
		return true;
	case 0xf2:
	case 0xf3:
		d->repeat = byte;
		return true;
	case 0xf0:
		d->lock = true;
		return true;
	default:
		return byte == 0x26 || byte == 0x2e || byte == 0x36 || byte == 0x3e ||
			byte == 0x64 || byte == 0x65;
	}
}

/* pp of VEX, EVEX and XOP stands for a prefix. */
static void take_pp(struct decoder *d, uint8_t pp)
{
	d->operand_size |= pp == 1;
	if (pp >= 2)
		d->repeat = pp == 2 ? 0xf3 : 0xf2;
}

static void take_vex(struct decoder *d, uint8_t first)
{
	uint8_t b = cursor_u8(&d->rest);

	d->is_vex = true;
	d->rex = (b & 0x80) ? 0 : 4;
	if (first == 0xc5) {
		d->map = MAP_0F;
	} else {
		d->rex |= (uint8_t)(((b & 0x40) ? 0 : 2) | ((b & 0x20) ? 0 : 1));
		d->map = b & (first == 0x62 ? 0x07 : 0x1f);
		b = cursor_u8(&d->rest);
		d->rex |= (b & 0x80) ? 8 : 0;
	}
	d->vvvv = ~(b >> 3) & 15;
	take_pp(d, b & 3);
	if (first == 0x62)
		cursor_u8(&d->rest);
	d->opcode = cursor_u8(&d->rest);
}

static uint16_t flags_of_0f38(const struct decoder *d)
{
	switch (d->opcode) {
	case 0xf0:
	case 0xf6:
		return M | WR | (d->is_vex ? WV : 0);
	case 0xf1:
		return M | WR | WM;
	case 0xf2:
	case 0xf5:
	case 0xf7:
		return M | (d->is_vex ? WR : 0);
	case 0xf3:
		return M | (d->is_vex ? WV : 0);
	default:
		return M;
	}
}

static uint16_t flags_of(const struct decoder *d)
{
	uint16_t flags;

	switch ((enum map)d->map) {
	case MAP_ONE:
		return map_one[d->opcode];
	case MAP_0F:
		flags = map_0f[d->opcode];
		if (d->opcode == 0x7e && d->repeat == 0xf3)
			return M; /* movq between xmm */
		if (d->opcode == 0x1e && d->repeat == 0xf3)
			return M | WM; /* rdssp */
		if (d->opcode == 0x78 && !d->is_vex && (d->operand_size || d->repeat == 0xf2))
			return M | I16; /* extrq, insertq: two of one byte */
		if (d->is_vex && (d->opcode & 0xf0) == 0x40)
			return M; /* of mask registers, as the next ones */
		if (d->is_vex && (d->opcode & 0xf0) == 0x90)
			return M | (d->opcode == 0x93 ? WR : 0);
		if (d->is_vex && d->opcode != 0x77)
			flags |= M;
		return flags;
	case MAP_0F38:
		return flags_of_0f38(d);
	case MAP_0F3A:
		if (d->opcode >= 0x14 && d->opcode <= 0x17)
			return M | WM | I8;
		return M | I8 | (d->is_vex && d->opcode == 0xf0 ? WR : 0);
	case MAP_5:
		flags = (d->opcode & 0xfe) == 0x2c || (d->opcode & 0xfe) == 0x78 ? WR : 0;
		return M | flags | (d->opcode == 0x7e ? WM : 0);
	case MAP_6:
		return M;
	case MAP_XOP8:
		return M | I8;
	case MAP_XOP9:
		return M | WR | WV | WM;
	case MAP_XOP10:
		return M | WR | WV | I32;
	}
	return BAD;
}

static int32_t take_i32(struct decoder *d)
{
	return (int32_t)cursor_u32(&d->rest);
}

/* The opcode and what stands before it. */
static bool take_opcode(struct decoder *d)
{
	uint8_t byte = cursor_u8(&d->rest);

	while (!d->rest.failed) {
		if ((byte & 0xf0) == 0x40) {
			d->has_rex = true;
			d->rex = byte & 15;
		} else if (is_prefix(d, byte)) {
			d->has_rex = false; /* it counts only right before the opcode */
			d->rex = 0;
		} else {
			break;
		}
		byte = cursor_u8(&d->rest);
	}
	bool is_xop = byte == 0x8f && d->rest.left && (d->rest.next[0] & 0x1f) >= MAP_XOP8;

	if (byte == 0xc4 || byte == 0xc5 || byte == 0x62 || is_xop) {
		take_vex(d, byte);
		if (is_xop ? d->map > MAP_XOP10 : d->map == MAP_ONE || d->map > MAP_6)
			return false;
	} else if (byte == 0x0f) {
		d->opcode = cursor_u8(&d->rest);
		d->map = MAP_0F;
		if (d->opcode == 0x38 || d->opcode == 0x3a) {
			d->map = d->opcode == 0x38 ? MAP_0F38 : MAP_0F3A;
			d->opcode = cursor_u8(&d->rest);
		}
	} else {
		d->opcode = byte;
	}
	d->flags = flags_of(d);
	return !(d->flags & BAD);
}

static void take_modrm(struct decoder *d)
{
	uint8_t byte = cursor_u8(&d->rest), base, sib;

	d->has_modrm = true;
	d->mod = byte >> 6;
	d->reg = (uint8_t)((byte >> 3 & 7) | ((d->rex & 4) ? 8 : 0));
	d->rm = (uint8_t)((byte & 7) | ((d->rex & 1) ? 8 : 0));
	if (d->mod == 3 || (d->map == MAP_0F && !d->is_vex && (d->opcode & 0xfc) == 0x20)) {
		d->mod = 3; /* moves to and from control registers always are of registers */
		return;
	}
	base = d->rm;
	if ((byte & 7) == 4) {
		sib = cursor_u8(&d->rest);
		base = (uint8_t)((sib & 7) | ((d->rex & 1) ? 8 : 0));
		d->has_index = (sib & 0x38) != 0x20 || (d->rex & 2);
	}
	d->base = base;
	if (d->mod == 1) {
		d->displacement = (int8_t)cursor_u8(&d->rest);
	} else if (d->mod == 2) {
		d->displacement = take_i32(d);
	} else if ((base & 7) == 5) {
		d->displacement = take_i32(d);
		d->base = X86_NO_REGISTER;
		d->rip_relative = (byte & 7) == 5;
	}
}

static void take_immediate(struct decoder *d)
{
	bool is_short = d->operand_size && !(d->rex & 8);

	/* Groups of which only the first two have one: test. */
	if (d->map == MAP_ONE && (d->opcode & 0xfe) == 0xf6 && (d->reg & 7) < 2)
		d->flags |= d->opcode == 0xf6 ? I8 : IZ;
	if (d->flags & I16)
		d->immediate = (int16_t)cursor_u16(&d->rest);
	if (d->flags & I8) {
		int8_t byte = (int8_t)cursor_u8(&d->rest);

		d->immediate = (d->flags & I16) ? d->immediate : byte; /* enter has both */
	} else if (d->flags & IV && d->rex & 8) {
		d->immediate = (int64_t)cursor_u64(&d->rest);
	} else if (d->flags & (IZ | IV)) {
		d->immediate = is_short ? (int16_t)cursor_u16(&d->rest) : take_i32(d);
	} else if (d->flags & I32) {
		d->immediate = take_i32(d);
	} else if (d->flags & IA) {
		cursor_take(&d->rest, d->address_size ? 4 : 8);
	}
}

bool x86_insn_decode(const uint8_t *code, size_t len, struct x86_insn *ret)
{
	size_t limit = len < X86_INSN_MAX ? len : X86_INSN_MAX;
	struct decoder d = {.rest = cursor_over(code, limit), .base = X86_NO_REGISTER};

	*ret = (struct x86_insn){0};
	if (!take_opcode(&d))
		return false;
	if (d.flags & M)
		take_modrm(&d);
	take_immediate(&d);
	if (d.rest.failed)
		return false;
	ret->len = (uint8_t)(limit - d.rest.left);
	x86_effect_of(&d, ret);
	return true;
}
