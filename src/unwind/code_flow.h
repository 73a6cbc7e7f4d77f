// SPDX-License-Identifier: Apache-2.0
/*
 * How deep the stack is at each instruction of x86-64 code, and where the caller's rbp is, found out by
 * following the code from the beginnings of its functions. For code that has no call frame information.
 */
#ifndef UNWIND_CODE_FLOW_H
#define UNWIND_CODE_FLOW_H

#include <stddef.h>
#include <stdint.h>

#include "unwind/flow_state.h"

#define CODE_FLOW_MAX (1u << 20) /* bytes of code at once */

struct code_flow;

/*
 * What code is followed in; it may be used again and again. Some 300 KiB, and 6 bytes per byte of the most code
 * that it was used for.
 */
struct code_flow *code_flow_new(void);
void code_flow_free(struct code_flow *f);

/*
 * Begins anew. Returns where `len` bytes of code, at most CODE_FLOW_MAX, are to be written; `address` is that of the
 * first one, for the alignment of functions.
 */
uint8_t *code_flow_begin(struct code_flow *f, size_t len, uint64_t address);

/* A function begins at `offset`. What is called by the code itself is found without. */
void code_flow_add_start(struct code_flow *f, size_t offset);
/*
 * Once for each beginning. Of what begins at `wanted` or later only that is followed which the code before leads to.
 * Takes time in proportion to the code, whatever code it is: returns how many instructions were looked at.
 */
size_t code_flow_run(struct code_flow *f, size_t wanted);

/*
 * The next instruction at or after `offset` whose state is known: its offset, or len where there is none. Its
 * state holds for *ret_len bytes.
 */
size_t code_flow_next(const struct code_flow *f, size_t offset, const struct flow_state **ret,
	size_t *ret_len);

#endif
