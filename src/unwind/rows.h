// SPDX-License-Identifier: Apache-2.0
/*
 * Unwind rows: what the call frame information of a file says about every address of a range, in the terms
 * of bpf/unwind.h. x86-64 and arm64; facts: DWARF 5, 6.4, and the psABIs.
 */
#ifndef UNWIND_ROWS_H
#define UNWIND_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "bpf/unwind.h"
#include "symbols/eh_frame.h"

/*
 * Why a rule is UNWIND_CFA_UNSUPPORTED: in its cfa_reg. It is rare: of the 26.4 million rows of 2,949 files (all
 * of a full Debian 12 with JDKs, LLVM, browsers, and arm64's C and C++ libraries; make check-unwind-all) 47:
 * 2 damaged (libgcrypt), 32 CFA_EXPRESSION (mostly OpenSSL's assembler, wherever it is linked in), 2 RA_RULE (arm64),
 * 11 SP_RULE (longjmp, setcontext). The frame pointer is lost in 2 rows.
 */
enum unwind_unsupported {
	UNWIND_DAMAGED, /* the instructions make no sense */
	UNWIND_LIMIT, /* they nest too deep, or are too many */
	UNWIND_CFA_EXPRESSION, /* the CFA is computed in a way that has no rule here */
	UNWIND_CFA_REGISTER, /* from a register that nobody keeps */
	UNWIND_CFA_RANGE, /* its offset is too large */
	UNWIND_RA_EXPRESSION, /* the return address is computed */
	UNWIND_RA_RULE, /* it is in no place that has a rule here */
	UNWIND_SP_RULE, /* the caller's stack pointer is not the CFA */
	UNWIND_SIGNAL_LAYOUT, /* a signal frame, but not the kernel's */
	UNWIND_UNSUPPORTED_COUNT,
};

/* What holds from `address` to the next row's; the last one's to the end of the range. */
struct unwind_row {
	uint64_t address; /* as in the ELF file */
	struct unwind_rule rule;
};

/* Zero-initialised is empty. */
struct unwind_rows {
	struct unwind_row *list;
	size_t count, capacity;
	struct code_flow *flow; /* of code_flow.h, for the next time */
};

void unwind_rows_release(struct unwind_rows *rows);
#define cleanup_unwind_rows __attribute__((cleanup(unwind_rows_release)))

/*
 * Replaces the contents of `ret` by the rows of lo <= address < hi, ascending, the first one at lo, no two
 * neighbours alike. Code that no FDE is for has the rows of known_code.h, else those of code_rows.h, else
 * UNWIND_CFA_NONE.
 * UNWIND_CFA_SIGNAL: struct ucontext of <ucontext.h> is at sp + cfa_offset on x86-64, the kernel's
 * struct rt_sigframe on arm64.
 *
 * 0; -ENOTSUP where the file is for another machine; -E2BIG where there are more than UNWIND_ROWS_MAX (never
 * for one page).
 */
int unwind_rows_read(struct eh_frame *ef, uint64_t lo, uint64_t hi,
	struct unwind_rows *ret) MUST_CHECK;

#define UNWIND_ROWS_MAX (1u << 20) /* 24 MiB; more than one range is asked for in larger files */

/* For those who make rows: appends one, or nothing where it says what the last one does. */
void unwind_rows_add(struct unwind_rows *rows, uint64_t address, const struct unwind_rule *rule);

#endif
