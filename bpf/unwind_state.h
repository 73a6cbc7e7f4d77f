// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Where a walk through a stack stands (unwind_walk.h), and which machine's stack it is. */
#ifndef BPF_UNWIND_STATE_H
#define BPF_UNWIND_STATE_H

#include "unwind.h"

#if defined(UNWIND_X86_64)
#define USER_SPACE_BITS 47
/* Below sp, yet in use: by functions that call none, and by those whose tables still say where rbp was saved. */
#define RED_ZONE        128
#elif defined(UNWIND_ARM64)
#define USER_SPACE_BITS 48 /* above that pointer authentication keeps its code */
#define RED_ZONE        0
#endif

#define WALK_FRAME_SPAN_MAX (1 << 20) /* bytes between two frames of one stack, by frame pointers */
#define WALK_JUMPS_MAX      4 /* from one stack to another */
#define WALK_CODE_MIN       4096 /* the first page is never mapped */

struct unwind_state {
	uint64_t ip, sp, fp;
	uint64_t leaf[UNWIND_LEAF_REGS];
	/* The process's mappings. */
	uint32_t mappings; /* ref */
	uint32_t mapping_count;
	/* The one that the last address was in: start <= address < end. */
	uint64_t start, end, bias;
	struct unwind_binary code;
	uint8_t exact; /* ip was interrupted; else it is where a call returns to */
	uint8_t leaf_known; /* leaf[] is of this frame */
	uint8_t jumps;
	uint8_t pad;
	uint32_t result; /* enum unwind_end */
	uint32_t frames; /* so far */
	/* Filled by the lookup, used by the step. */
	struct unwind_rule rule;
	/* Of the row that it was looked up in last: from there on, so many bytes have this rule. */
	uint64_t row_start, row_size;
};

static __always_inline int walk_end(struct unwind_state *s, enum unwind_end end)
{
	s->result = end;
	return 1;
}

static __always_inline bool walk_plausible_code(uint64_t ip)
{
	return ip >= WALK_CODE_MIN && ip >> USER_SPACE_BITS == 0;
}

#endif
