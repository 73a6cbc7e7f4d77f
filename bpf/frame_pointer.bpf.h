// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Walks user stacks by frame pointers. Code that keeps them leaves a list on the stack:
 *
 *	fp -> | caller's fp | return address |
 *	         '-> | its caller's fp | return address |   ...  until one is 0
 *
 * Code that does not keeps anything at all in that register, so each step must be plausible: aligned,
 * upwards and near. Where stacks are switched (a signal handler's own stack, Go's system stack) the
 * list may jump; a few jumps are followed, if what is found there is again such a list.
 */
#ifndef BPF_FRAME_POINTER_H
#define BPF_FRAME_POINTER_H

#include "vmlinux.h"

#include "profile.h"
#include "regs.bpf.h"

#define FRAME_SPAN_MAX (1 << 20) /* bytes between two frames of one stack */
#define JUMPS_MAX      4
#define CODE_MIN       4096 /* the first page is never mapped */

struct frame {
	uint64_t fp, ip;
};

struct walk {
	uint32_t jumps_left;
};

static __always_inline bool plausible_code(uint64_t ip)
{
	return ip >= CODE_MIN && ip >> USER_SPACE_BITS == 0;
}

static __always_inline bool near_above(uint64_t fp, uint64_t low)
{
	return fp >= low && fp - low <= FRAME_SPAN_MAX;
}

static __always_inline bool push_user(struct stack_record *rec, uint64_t ip)
{
	uint32_t at = rec->kernel_count + rec->user_count;

	if (rec->user_count >= FRAMES_MAX || at >= 2 * FRAMES_MAX) {
		rec->flags |= STACK_USER_TRUNCATED;
		return false;
	}
	rec->ips[at] = ip;
	rec->user_count++;
	return true;
}

/* Whether a frame list goes on at fp, though that is not near the frame before. */
static __always_inline bool leads_on(uint64_t fp)
{
	struct frame frame;

	if (bpf_probe_read_user(&frame, sizeof(frame), (const void *)fp))
		return false;
	return !frame.fp || near_above(frame.fp, fp + sizeof(frame));
}

/*
 * Appends to the record. What changes from frame to frame lives in memory, not in registers, so that
 * the verifier does not follow what comes after once for each of its values.
 */
static __always_inline void walk_frame_pointers(struct stack_record *rec, struct walk *walk,
	const struct user_regs *regs)
{
	uint64_t fp = regs->fp, low = regs->sp, ip;

	push_user(rec, regs->ip);
	if (regs->compat)
		return;
	ip = regs->exact ? caller_beside_frame(regs) : 0;
	if (plausible_code(ip))
		push_user(rec, ip);
	walk->jumps_left = JUMPS_MAX;
#pragma clang loop unroll(disable)
	for (uint32_t i = 0; i < FRAMES_MAX; i++) {
		struct frame frame;

		if (fp % sizeof(fp))
			return;
		if (!near_above(fp, low)) {
			if (i == 0 || !walk->jumps_left || !leads_on(fp))
				return;
			walk->jumps_left--;
		}
		if (bpf_probe_read_user(&frame, sizeof(frame), (const void *)fp))
			return;
		ip = code_address(frame.ip);
		if (!plausible_code(ip) || !push_user(rec, ip))
			return;
		low = fp + sizeof(frame);
		fp = frame.fp;
	}
}

#endif
