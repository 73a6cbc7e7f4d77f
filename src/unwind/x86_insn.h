// SPDX-License-Identifier: Apache-2.0
/*
 * One machine instruction of x86-64: how long it is, where control goes next, and what it does to rsp and rbp.
 * Everything else is left out. Facts: Intel SDM volume 2 (encodings, opcode maps), AMD's manual for XOP.
 */
#ifndef UNWIND_X86_INSN_H
#define UNWIND_X86_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define X86_INSN_MAX 15 /* bytes; the processor refuses longer ones */

enum x86_register { X86_RAX, X86_RCX, X86_RDX, X86_RBX, X86_RSP, X86_RBP, X86_NO_REGISTER = 16 };

enum x86_flow {
	X86_NEXT, /* to the next instruction */
	X86_BRANCH, /* there or to the target */
	X86_JUMP, /* to the target */
	X86_JUMP_INDIRECT,
	X86_CALL, /* of the target; comes back, as a rule */
	X86_CALL_INDIRECT,
	X86_RETURN,
	X86_STOP, /* nowhere: hlt, ud2, int3 */
};

enum x86_effect {
	X86_NO_EFFECT, /* on rsp and rbp */
	X86_ADD_SP, /* rsp += n: add, sub, lea, push and pop of anything but rbp */
	X86_PUSH_FP,
	X86_POP_FP,
	X86_SP_FROM_FP, /* rsp = rbp + n */
	X86_FP_FROM_SP, /* rbp = rsp + n */
	X86_REG_FROM_SP, /* reg = rsp + n, of another register */
	X86_SP_FROM_REG, /* rsp = reg + n */
	X86_COMPARE_SP, /* flags = whether rsp is reg */
	X86_SAVE_FP, /* *(reg + n) = rbp, reg being rsp or rbp */
	X86_LOAD_FP, /* rbp = *(reg + n), reg being rsp or rbp */
	X86_PUSH_REG, /* rsp -= 8; *rsp = reg, of another register */
	X86_LEAVE,
	X86_ENTER, /* and then n bytes */
	X86_FP_LOST, /* rbp = anything */
	X86_SP_LOST, /* rsp = anything */
};

struct x86_insn {
	uint8_t len;
	uint8_t flow; /* enum x86_flow */
	uint8_t effect; /* enum x86_effect */
	uint8_t reg; /* X86_NO_REGISTER: none */
	bool is_padding; /* what is put between functions: nops, int3 */
	bool has_target;
	bool is_unequal; /* X86_BRANCH where the flags say so */
	uint16_t writes; /* general registers written by name, bit by bit */
	int32_t n;
	int32_t distance; /* from the next instruction to the target, or to what a lea is of */
};

/* False where the bytes are no instruction, or end within one. */
bool x86_insn_decode(const uint8_t *code, size_t len, struct x86_insn *ret);

#endif
