// SPDX-License-Identifier: Apache-2.0
/*
 * Rows of x86-64 code that has no call frame information, made from the code itself (code_flow.h): what C
 * libraries are that were built without it (musl), programs of -fno-asynchronous-unwind-tables, assembler.
 */
#ifndef UNWIND_CODE_ROWS_H
#define UNWIND_CODE_ROWS_H

#include "symbols/byte_source.h"
#include "symbols/elf_image.h"
#include "unwind/code_flow.h"
#include "unwind/flow_state.h"
#include "unwind/rows.h"

/* Code that is looked at: of a gap, so much before and after what is asked for. */
#define CODE_ROWS_BEFORE (16u << 10) /* long functions are begun at their beginning */
#define CODE_ROWS_AFTER  (8u << 10) /* whether a way is right is told by how it ends */

struct code_gap {
	const struct byte_source *source;
	const struct elf_image *image;
	uint64_t start, end; /* nothing between has an FDE */
	struct code_flow *flow; /* to follow the code in */
};

/*
 * Adds the rows of lo <= address < hi, within the gap and one page. UNWIND_CFA_NONE where the code does not
 * tell, and everywhere on other machines. The answer depends on the gap and the page only. Returns what it took, in
 * instructions looked at or what takes as long.
 */
size_t code_rows_add(const struct code_gap *gap, uint64_t lo, uint64_t hi,
	struct unwind_rows *rows);

/* Whether these bytes are nothing but what linkers put between functions: code_rows_add() says none of them. */
bool code_rows_is_padding(const struct elf_image *image, const uint8_t *code, size_t len);

/* What a state says as a row. */
struct unwind_rule code_rule_of(const struct flow_state *s);

#endif
