// SPDX-License-Identifier: Apache-2.0
/* Between x86_insn.c, which takes an instruction apart, and x86_effect.c, which says what it does. */
#ifndef UNWIND_X86_DECODER_H
#define UNWIND_X86_DECODER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"
#include "unwind/x86_insn.h"

/* What is known of an opcode. */
enum {
	M = 1 << 0, /* a ModRM byte follows */
	I8 = 1 << 1, /* an immediate: 1 byte */
	I16 = 1 << 2,
	IZ = 1 << 3, /* 4 bytes, 2 with an operand size prefix */
	I32 = 1 << 4,
	IV = 1 << 5, /* as IZ, 8 bytes with REX.W */
	IA = 1 << 6, /* an address: 8 bytes, 4 with an address size prefix */
	WR = 1 << 7, /* writes the register in ModRM.reg */
	WM = 1 << 8, /* writes ModRM.rm */
	WO = 1 << 9, /* writes the register in the opcode */
	WV = 1 << 10, /* writes the register in VEX.vvvv */
	BY = 1 << 11, /* its registers are bytes */
	BAD = 1 << 12,
};

enum map {
	MAP_ONE,
	MAP_0F,
	MAP_0F38,
	MAP_0F3A,
	MAP_5 = 5,
	MAP_6,
	MAP_XOP8 = 8,
	MAP_XOP9,
	MAP_XOP10
};

struct decoder {
	struct cursor rest;
	uint8_t rex; /* W R X B: 8 4 2 1, as in VEX too */
	bool has_rex, operand_size, address_size, lock;
	uint8_t repeat; /* f2, f3 */
	bool is_vex; /* or EVEX, XOP */
	uint8_t map, opcode, vvvv;
	bool has_modrm;
	uint8_t mod, reg, rm; /* with the bits of REX */
	uint8_t base; /* register of the memory operand, X86_NO_REGISTER: none */
	bool has_index, rip_relative;
	int32_t displacement;
	int64_t immediate;
	uint16_t flags;
};

/* Fills in everything but `len`. */
void x86_effect_of(const struct decoder *d, struct x86_insn *ret);

#endif
