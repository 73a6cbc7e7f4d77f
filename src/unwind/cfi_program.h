// SPDX-License-Identifier: Apache-2.0
/*
 * Runs the instructions of an FDE (DWARF 5, 6.4.2), from one change of location to the next:
 *
 *	cfi_program_init(&p, ef, &fde, machine);
 *	while (cfi_program_step(&p))
 *		...; // p.state holds for p.start <= address < p.end
 *
 * Kept are the rules for what a caller is found by: CFA, frame pointer, stack pointer, return address. The
 * bytes of eh_frame and fde must stay: nothing else may be asked of that eh_frame meanwhile.
 */
#ifndef UNWIND_CFI_PROGRAM_H
#define UNWIND_CFI_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "symbols/eh_frame.h"
#include "unwind/machine.h"

enum cfi_how {
	CFI_UNSET, /* nothing was said: by the psABIs the same as CFI_SAME for what is kept here */
	CFI_UNDEFINED,
	CFI_SAME,
	CFI_OFFSET, /* at CFA + n */
	CFI_VAL_OFFSET, /* is CFA + n */
	CFI_REGISTER, /* in register n */
	CFI_EXPRESSION, /* at what it yields */
	CFI_VAL_EXPRESSION, /* is what it yields */
};

struct cfi_value {
	enum cfi_how how;
	int64_t n;
	const uint8_t *expression;
	size_t len;
};

struct cfi_state {
	/* CFA: register cfa_register + cfa_offset, or what the expression yields where there is one. */
	uint64_t cfa_register;
	int64_t cfa_offset;
	const uint8_t *cfa_expression;
	size_t cfa_len;
	struct cfi_value fp, sp, ra;
};

#define CFI_REMEMBER_MAX 8 /* states remembered; no FDE of a whole Debian keeps more than one */

struct cfi_program {
	struct cfi_state state;
	uint64_t start, end;
	int wrong; /* enum unwind_unsupported: the state means nothing, -1: all is well */
	size_t work; /* instructions run so far */

	const struct eh_frame *ef;
	const struct fde *fde;
	const struct machine *machine;
	struct cursor rest;
	struct cfi_state initial; /* after the CIE's instructions */
	struct cfi_state remembered[CFI_REMEMBER_MAX];
	size_t depth;
};

void cfi_program_init(struct cfi_program *p, const struct eh_frame *ef, const struct fde *fde,
	const struct machine *machine);
/* False at the end of the FDE. Once something is wrong, that holds to the end. */
bool cfi_program_step(struct cfi_program *p);

#endif
