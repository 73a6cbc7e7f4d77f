// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Where user space was when the tick came: from the tick's own context if it interrupted user space,
 * else from the registers that the kernel saved at the top of the task's stack on its way in. The
 * only file that knows registers by name.
 */
#ifndef BPF_REGS_H
#define BPF_REGS_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

struct user_regs {
	uint64_t ip, sp, fp;
	bool exact; /* ip was interrupted; it is not where a system call will return to */
	bool compat; /* 32-bit code: addresses are right, frames are not ours to walk */
};

#if defined(__TARGET_ARCH_x86)

#define THREAD_SIZE     16384 /* x86-64 without KASAN */
#define CS_RPL          3 /* requested privilege level: 3 is user space (also under Xen) */
#define CS_USER32       0x23
#define USER_SPACE_BITS 47

/* What the kernel hands to perf_event programs: UAPI, so never relocated. */
struct perf_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax;
	unsigned long ip, cs, flags, sp, ss;
};

struct bpf_perf_event_data {
	struct perf_regs regs;
	uint64_t sample_period;
	uint64_t addr;
};

static __always_inline bool interrupted_user(const struct bpf_perf_event_data *ctx)
{
	return (ctx->regs.cs & CS_RPL) == CS_RPL;
}

static __always_inline void regs_of_context(const struct bpf_perf_event_data *ctx,
	struct user_regs *regs)
{
	regs->ip = ctx->regs.ip;
	regs->sp = ctx->regs.sp;
	regs->fp = ctx->regs.bp;
	regs->exact = true;
	regs->compat = ctx->regs.cs == CS_USER32;
}

static __always_inline bool regs_of_entry(const struct pt_regs *saved, struct user_regs *regs)
{
	uint64_t cs = BPF_CORE_READ(saved, cs);

	if ((cs & CS_RPL) != CS_RPL)
		return false;
	regs->ip = BPF_CORE_READ(saved, ip);
	regs->sp = BPF_CORE_READ(saved, sp);
	regs->fp = BPF_CORE_READ(saved, bp);
	regs->exact = (int64_t)BPF_CORE_READ(saved, orig_ax) == -1;
	regs->compat = cs == CS_USER32;
	return true;
}

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
 * The caller's address if `ip` stands where the frame pointer does not lead to it, being already or
 * still the caller's own. Told by patterns that leave no doubt; 0 otherwise.
 */
static __always_inline uint64_t caller_beside_frame(const struct user_regs *regs)
{
	uint64_t slot = regs->sp, caller = 0;
	uint32_t code[3];

	if (bpf_probe_read_user(code, sizeof(code), (const void *)regs->ip))
		return 0;
	if ((code[0] & 0xffffff) == MOV)
		slot += sizeof(uint64_t);
	else if (!outside_frame(code))
		return 0;
	bpf_probe_read_user(&caller, sizeof(caller), (const void *)slot);
	return caller;
}

#elif defined(__TARGET_ARCH_arm64)

#define THREAD_SIZE     16384 /* with pages of 4 or 16 KiB */
#define PSR_MODE        0x0f /* 0: EL0, user space */
#define PSR_MODE32      0x10
#define NO_SYSCALL      (-1)
#define USER_SPACE_BITS 48 /* above that pointer authentication keeps its code */

struct perf_regs {
	uint64_t regs[31], sp, pc, pstate;
};

struct bpf_perf_event_data {
	struct perf_regs regs;
	uint64_t sample_period;
	uint64_t addr;
};

static __always_inline bool interrupted_user(const struct bpf_perf_event_data *ctx)
{
	return (ctx->regs.pstate & PSR_MODE) == 0;
}

static __always_inline void regs_of_context(const struct bpf_perf_event_data *ctx,
	struct user_regs *regs)
{
	regs->ip = ctx->regs.pc;
	regs->sp = ctx->regs.sp;
	regs->fp = ctx->regs.regs[29];
	regs->exact = true;
	regs->compat = ctx->regs.pstate & PSR_MODE32;
}

static __always_inline bool regs_of_entry(const struct pt_regs *saved, struct user_regs *regs)
{
	uint64_t pstate = BPF_CORE_READ(saved, pstate);

	regs->ip = BPF_CORE_READ(saved, pc);
	if ((pstate & PSR_MODE) || !regs->ip || regs->ip >> USER_SPACE_BITS)
		return false;
	regs->sp = BPF_CORE_READ(saved, sp);
	regs->fp = BPF_CORE_READ(saved, regs[29]);
	regs->exact = BPF_CORE_READ(saved, syscallno) == NO_SYSCALL;
	regs->compat = pstate & PSR_MODE32;
	return true;
}

static __always_inline uint64_t code_address(uint64_t ip)
{
	return ip & ((1ULL << USER_SPACE_BITS) - 1);
}

static __always_inline uint64_t caller_beside_frame(const struct user_regs *regs)
{
	(void)regs;
	return 0;
}

#endif

/* bpf_task_pt_regs() knows every kernel's stack layout, and appeared in 5.15. */
static __always_inline const struct pt_regs *entry_regs(struct task_struct *task)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		return (const struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	return (const struct pt_regs *)((uint64_t)BPF_CORE_READ(task, stack) + THREAD_SIZE -
		bpf_core_type_size(struct pt_regs));
}

/* False where the task has no user space, or was not yet there. */
static __always_inline bool user_regs_read(const struct bpf_perf_event_data *ctx,
	struct task_struct *task, struct user_regs *regs)
{
	if (interrupted_user(ctx)) {
		regs_of_context(ctx, regs);
		return true;
	}
	if ((BPF_CORE_READ(task, flags) & PF_KTHREAD) || !BPF_CORE_READ(task, mm))
		return false;
	return regs_of_entry(entry_regs(task), regs);
}

#endif
