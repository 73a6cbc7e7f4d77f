// SPDX-License-Identifier: Apache-2.0
/* What is known of rsp and rbp before an instruction, what an instruction makes of it, and where ways meet. */
#ifndef UNWIND_FLOW_STATE_H
#define UNWIND_FLOW_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "unwind/x86_insn.h"

#define FLOW_UNKNOWN INT32_MIN

enum flow_fp {
	FLOW_FP_SAME, /* rbp is the caller's */
	FLOW_FP_FRAME, /* rbp is CFA - frame */
	FLOW_FP_LOST, /* rbp is anything */
};

/* CFA is what rsp will be after the return. No padding: states are compared as bytes. */
struct flow_state {
	int32_t depth; /* rsp is CFA - depth; FLOW_UNKNOWN */
	int32_t frame;
	int32_t saved; /* the caller's rbp is at CFA - saved; 0: nowhere */
	int32_t other; /* register `reg` is CFA - other */
	uint8_t fp; /* enum flow_fp */
	uint8_t reg; /* enum x86_register; X86_NO_REGISTER: none is known */
	uint8_t compared; /* rsp was just compared with it */
	uint8_t pad;
};
_Static_assert(sizeof(struct flow_state) == 20, "no padding");

/* Where a function begins: the return address is on the stack. */
#define FLOW_AT_ENTRY ((struct flow_state){.depth = 8, .reg = X86_NO_REGISTER})

/* No frame is larger: what a row can say, with room. */
#define FLOW_DEPTH_MAX (1 << 30)

static inline bool flow_state_equal(const struct flow_state *a, const struct flow_state *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* From before the instruction to after it. */
void flow_state_apply(struct flow_state *s, const struct x86_insn *insn);
/* The branch was not taken. */
void flow_state_not_taken(struct flow_state *s, const struct x86_insn *branch);
/* What is known in both. */
struct flow_state flow_state_join(const struct flow_state *a, const struct flow_state *b);

#endif
