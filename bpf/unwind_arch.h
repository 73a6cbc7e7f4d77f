// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What walking depends on the machine for: addresses, what a function's first and last instructions
 * tell of its frame, and the kernel's signal frames. Whoever includes it says which machine the stacks are
 * of, by UNWIND_X86_64 or UNWIND_ARM64.
 */
#ifndef BPF_UNWIND_ARCH_H
#define BPF_UNWIND_ARCH_H

#include "unwind_state.h"

#if defined(UNWIND_X86_64)

static __always_inline uint64_t code_address(uint64_t ip)
{
	return ip;
}

#define PUSH_MOV 0xe5894855 /* push %rbp; mov %rsp,%rbp */
#define MOV      0xe58948 /* mov %rsp,%rbp */
#define ENDBR64  0xfa1e0ff3
#define RET      0xc3
#define REPZ_RET 0xc3f3
/* A system call's result compared with the errors, in two halves; the second ends with the jump. */
#define CMP_4096 0xf0003d48
#define CMP_4095 0xf0013d48
#define JA       0x77ffff
#define JAE      0x73ffff
#define JBE      0x76ffff

/* Whether the code after a system call is that of a stub without a frame. */
static __always_inline bool in_stub(const uint32_t code[3])
{
	uint32_t jump = code[1] & 0xffffff;

	/* libc's: either the error path, or ret. */
	if ((code[0] == CMP_4096 && jump == JA) || (code[0] == CMP_4095 && jump == JAE))
		return (code[2] & 0xff) == RET;
	/* Go's, which are written without frames. */
	return code[0] == CMP_4095 && jump == JBE;
}

/* Whether the code to be executed is that of a function without a frame yet, or any more. */
static __always_inline bool outside_frame(const uint32_t code[3])
{
	if (code[0] == PUSH_MOV || (code[0] == ENDBR64 && code[1] == PUSH_MOV))
		return true;
	if ((code[0] & 0xff) == RET || (code[0] & 0xffff) == REPZ_RET)
		return true;
	return in_stub(code);
}

/*
 * Whether the code at an interrupted address is where the frame pointer does not lead to the caller,
 * being already or still the caller's own; and then where the return address is, in bytes above sp.
 * Told by patterns that leave no doubt.
 */
static __always_inline bool walk_caller_slot(struct unwind_env *env, uint64_t ip, uint64_t *ret)
{
	uint32_t code[3];

	if (!walk_read(env, code, sizeof(code), ip))
		return false;
	*ret = (code[0] & 0xffffff) == MOV ? sizeof(uint64_t) : 0;
	return *ret || outside_frame(code);
}

/* From uc_mcontext.gregs[0] on (asm/sigcontext.h); ip is the last. */
#define SIGNAL_GREGS 40
#define SIGNAL_R8    0
#define SIGNAL_RDI   8
#define SIGNAL_RSI   9
#define SIGNAL_RBP   10
#define SIGNAL_RBX   11
#define SIGNAL_RDX   12
#define SIGNAL_RAX   13
#define SIGNAL_RCX   14
#define SIGNAL_RSP   15
#define SIGNAL_RIP   16
#define SIGNAL_COUNT 17

/* The handler's return address is popped: sp is at the struct ucontext. */
static __noinline int walk_step_signal(struct unwind_env *env, struct unwind_state *s)
{
	static const uint8_t at[8] = {SIGNAL_RAX, SIGNAL_RDX, SIGNAL_RCX, SIGNAL_RBX, SIGNAL_RSI,
		SIGNAL_RDI, SIGNAL_RBP, SIGNAL_RSP};
	uint64_t regs[SIGNAL_COUNT];
	uint64_t from = s->sp + (uint64_t)(int64_t)s->rule.cfa_offset + SIGNAL_GREGS;

	if (!walk_read(env, regs, sizeof(regs), from))
		return walk_end(s, UNWIND_END_FAULT);
	if (s->jumps++ >= WALK_JUMPS_MAX)
		return walk_end(s, UNWIND_END_STUCK);
	WALK_UNROLL for (int i = 0; i < 8; i++) s->leaf[i] = regs[at[i]];
	WALK_UNROLL for (int i = 0; i < 8; i++) s->leaf[8 + i] = regs[SIGNAL_R8 + i];
	if (!walk_plausible_code(regs[SIGNAL_RIP]))
		return walk_end(s, UNWIND_END_NO_CODE);
	s->ip = regs[SIGNAL_RIP];
	s->sp = regs[SIGNAL_RSP];
	s->fp = regs[SIGNAL_RBP];
	s->exact = 1;
	s->leaf_known = 1;
	return 0;
}

#elif defined(UNWIND_ARM64)

static __always_inline uint64_t code_address(uint64_t ip)
{
	return ip & ((1ULL << USER_SPACE_BITS) - 1);
}

/* A frame record is made by one instruction that also moves sp: no pattern is needed at ret. */
static __always_inline bool walk_caller_slot(struct unwind_env *env, uint64_t ip, uint64_t *ret)
{
	(void)env;
	(void)ip;
	(void)ret;
	return false;
}

/* struct rt_sigframe: siginfo of 128 bytes, then the ucontext, whose registers start at 176. */
#define SIGNAL_REGS (128 + 176 + 8)

static __noinline int walk_step_signal(struct unwind_env *env, struct unwind_state *s)
{
	uint64_t from = s->sp + (uint64_t)(int64_t)s->rule.cfa_offset + SIGNAL_REGS;
	uint64_t pc = 0;

	/* x0 to x30, sp, pc */
	if (!walk_read(env, s->leaf, 32 * sizeof(uint64_t), from) ||
		!walk_read(env, &pc, sizeof(pc), from + 32 * sizeof(uint64_t)))
		return walk_end(s, UNWIND_END_FAULT);
	if (s->jumps++ >= WALK_JUMPS_MAX)
		return walk_end(s, UNWIND_END_STUCK);
	if (!walk_plausible_code(pc))
		return walk_end(s, UNWIND_END_NO_CODE);
	s->ip = pc;
	s->sp = s->leaf[31];
	s->fp = s->leaf[29];
	s->exact = 1;
	s->leaf_known = 1;
	return 0;
}

#endif

#endif
