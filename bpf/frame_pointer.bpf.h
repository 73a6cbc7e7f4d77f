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
 *
 * The stack is read in windows, for a helper call costs more than the bytes it copies, and frames are
 * often small.
 */
#ifndef BPF_FRAME_POINTER_H
#define BPF_FRAME_POINTER_H

#include "vmlinux.h"

#include "profile.h"
#include "regs.bpf.h"

#define FRAME_SPAN_MAX (1 << 20) /* bytes between two frames of one stack */
#define JUMPS_MAX      4
#define WINDOW_WORDS   64
#define CODE_MIN       4096 /* the first page is never mapped */

struct frame {
	uint64_t fp, ip;
};

/*
 * What changes from frame to frame. It lives in memory, not in registers, so that the verifier does
 * not follow what comes after once for each value it could have.
 */
struct walk {
	uint64_t fp;
	uint64_t low; /* the end of the frame before: the next one is above */
	uint64_t jumps_left;
	uint64_t window_at; /* user address of window[0]; 0: nothing is there */
	uint64_t window[WINDOW_WORDS];
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

static __always_inline bool read_frame(struct walk *walk, uint64_t fp, struct frame *frame)
{
	uint64_t at = fp - walk->window_at;

	if (at > sizeof(walk->window) - sizeof(*frame)) {
		walk->window_at = fp;
		at = 0;
		if (bpf_probe_read_user(walk->window, sizeof(walk->window), (const void *)fp)) {
			/* Near the end of what is mapped. */
			walk->window_at = 0;
			return !bpf_probe_read_user(frame, sizeof(*frame), (const void *)fp);
		}
	}
	frame->fp = walk->window[at / sizeof(uint64_t)];
	frame->ip = walk->window[at / sizeof(uint64_t) + 1];
	return true;
}

struct walk_args {
	struct stack_record *rec;
	struct walk *walk;
};

/* One frame; nonzero ends the walk. Has the form that bpf_loop() calls. */
static long walk_step(uint32_t index, struct walk_args *args)
{
	struct walk *walk = args->walk;
	uint64_t fp = walk->fp, ip;
	struct frame frame;

	if (fp % sizeof(fp))
		return 1;
	if (!near_above(fp, walk->low)) {
		if (index == 0 || !walk->jumps_left || !leads_on(fp))
			return 1;
		walk->jumps_left--;
	}
	if (!read_frame(walk, fp, &frame))
		return 1;
	ip = code_address(frame.ip);
	if (!plausible_code(ip) || !push_user(args->rec, ip))
		return 1;
	walk->low = fp + sizeof(frame);
	walk->fp = frame.fp;
	return 0;
}

/* Appends to the record. `helper`: bpf_loop() may be used (5.17), which is quicker to verify. */
static __always_inline void walk_frame_pointers(struct stack_record *rec, struct walk *walk,
	const struct user_regs *regs, const bool helper)
{
	struct walk_args args = {.rec = rec, .walk = walk};
	uint64_t caller;

	push_user(rec, regs->ip);
	if (regs->compat)
		return;
	caller = caller_beside_frame(regs);
	if (plausible_code(caller))
		push_user(rec, caller);
	walk->fp = regs->fp;
	walk->low = regs->sp;
	walk->jumps_left = JUMPS_MAX;
	walk->window_at = 0;
	if (helper) {
		bpf_loop(FRAMES_MAX, walk_step, &args, 0);
		return;
	}
#pragma clang loop unroll(disable)
	for (uint32_t i = 0; i < FRAMES_MAX; i++)
		if (walk_step(i, &args))
			return;
}

#endif
