// SPDX-License-Identifier: Apache-2.0
/* From a state of the call frame information to what a row can say (bpf/unwind.h). */
#ifndef UNWIND_CFI_RULE_H
#define UNWIND_CFI_RULE_H

#include <stdbool.h>

#include "unwind/cfi_program.h"
#include "unwind/rows.h"

struct unwind_rule cfi_rule_of(const struct machine *machine, const struct cfi_state *state,
	uint64_t ra_column, bool is_signal_frame);
struct unwind_rule cfi_rule_unsupported(enum unwind_unsupported why);

#endif
