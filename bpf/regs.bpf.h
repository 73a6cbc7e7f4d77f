// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Where user space was when the tick came: from the tick's own context if it interrupted user space,
 * else from the registers that the kernel saved at the top of the task's stack on its way in. The
 * only file that knows the kernel's registers by name; beyond it they bear DWARF's numbers.
 */
#ifndef BPF_REGS_H
#define BPF_REGS_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#if defined(__TARGET_ARCH_x86)

#define UNWIND_X86_64
#define THREAD_SIZE 16384 /* x86-64 without KASAN */
#define CS_RPL      3 /* requested privilege level: 3 is user space (also under Xen) */
#define CS_USER32   0x23

/* What the kernel hands to perf_event programs: UAPI, and the start of its own struct pt_regs. */
struct perf_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax;
	unsigned long ip, cs, flags, sp, ss;
};

#elif defined(__TARGET_ARCH_arm64)

#define UNWIND_ARM64
#define THREAD_SIZE 16384 /* with pages of 4 or 16 KiB */
#define PSR_MODE    0x0f /* 0: EL0, user space */
#define PSR_MODE32  0x10
#define NO_SYSCALL  (-1)

struct perf_regs {
	uint64_t regs[31], sp, pc, pstate;
};

#endif

#include "unwind_state.h"

struct bpf_perf_event_data {
	struct perf_regs regs;
	uint64_t sample_period;
	uint64_t addr;
};

struct user_regs {
	struct perf_regs saved; /* room for the kernel's copy */
	uint64_t compat; /* 32-bit code: addresses are right, frames are not ours to walk */
};

#if defined(__TARGET_ARCH_x86)
#define thread_pointer_of(task) BPF_CORE_READ(task, thread.fsbase)
#elif defined(__TARGET_ARCH_arm64)
#define thread_pointer_of(task) BPF_CORE_READ(task, thread.uw.tp_value)
#endif

#if defined(__TARGET_ARCH_x86)

static __always_inline bool interrupted_user(const struct bpf_perf_event_data *ctx)
{
	return (ctx->regs.cs & CS_RPL) == CS_RPL;
}

#define IS_COMPAT(from) ((from)->cs == CS_USER32)
#define TAKE_REGS(to, from)                                                                        \
	do {                                                                                       \
		(to)->ip = (from)->ip;                                                             \
		(to)->sp = (from)->sp;                                                             \
		(to)->fp = (from)->bp;                                                             \
		(to)->leaf[0] = (from)->ax;                                                        \
		(to)->leaf[1] = (from)->dx;                                                        \
		(to)->leaf[2] = (from)->cx;                                                        \
		(to)->leaf[3] = (from)->bx;                                                        \
		(to)->leaf[4] = (from)->si;                                                        \
		(to)->leaf[5] = (from)->di;                                                        \
		(to)->leaf[6] = (from)->bp;                                                        \
		(to)->leaf[7] = (from)->sp;                                                        \
		(to)->leaf[8] = (from)->r8;                                                        \
		(to)->leaf[9] = (from)->r9;                                                        \
		(to)->leaf[10] = (from)->r10;                                                      \
		(to)->leaf[11] = (from)->r11;                                                      \
		(to)->leaf[12] = (from)->r12;                                                      \
		(to)->leaf[13] = (from)->r13;                                                      \
		(to)->leaf[14] = (from)->r14;                                                      \
		(to)->leaf[15] = (from)->r15;                                                      \
	} while (0)

static __always_inline bool regs_of_entry(const struct pt_regs *entry, struct user_regs *regs,
	struct unwind_state *to)
{
	(void)entry;
	if ((regs->saved.cs & CS_RPL) != CS_RPL)
		return false;
	TAKE_REGS(to, &regs->saved);
	regs->compat = IS_COMPAT(&regs->saved);
	to->exact = (int64_t)regs->saved.orig_ax == -1;
	return true;
}

#elif defined(__TARGET_ARCH_arm64)

static __always_inline bool interrupted_user(const struct bpf_perf_event_data *ctx)
{
	return (ctx->regs.pstate & PSR_MODE) == 0;
}

#define IS_COMPAT(from) (!!((from)->pstate & PSR_MODE32))
#define TAKE_REGS(to, from)                                                                        \
	do {                                                                                       \
		(to)->ip = (from)->pc;                                                             \
		(to)->sp = (from)->sp;                                                             \
		(to)->fp = (from)->regs[29];                                                       \
		_Pragma("unroll") for (int i_ = 0; i_ < 31; i_++)(to)->leaf[i_] =                  \
			(from)->regs[i_];                                                          \
	} while (0)

static __always_inline bool regs_of_entry(const struct pt_regs *entry, struct user_regs *regs,
	struct unwind_state *to)
{
	if ((regs->saved.pstate & PSR_MODE) || !regs->saved.pc)
		return false;
	TAKE_REGS(to, &regs->saved);
	regs->compat = IS_COMPAT(&regs->saved);
	to->exact = BPF_CORE_READ(entry, syscallno) == NO_SYSCALL;
	return true;
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

/*
 * Fills what a walk begins with: ip, sp, fp, leaf, and exact, which is false where ip is where a system call will
 * return to. False where the task has no user space, or was not yet there.
 */
static __always_inline bool user_regs_read(const struct bpf_perf_event_data *ctx,
	struct task_struct *task, struct user_regs *regs, struct unwind_state *to)
{
	const struct pt_regs *entry;

	if (interrupted_user(ctx)) {
		TAKE_REGS(to, &ctx->regs);
		regs->compat = IS_COMPAT(&ctx->regs);
		to->exact = 1;
		return true;
	}
	if ((BPF_CORE_READ(task, flags) & PF_KTHREAD) || !BPF_CORE_READ(task, mm))
		return false;
	entry = entry_regs(task);
	if (bpf_probe_read_kernel(&regs->saved, sizeof(regs->saved), entry))
		return false;
	return regs_of_entry(entry, regs, to);
}

#endif
