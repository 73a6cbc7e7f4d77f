// SPDX-License-Identifier: Apache-2.0
/*
 * Code without call frame information that stacks begin or end in, told by its very instructions: entry
 * points, and what C libraries have in assembler.
 */
#ifndef UNWIND_KNOWN_CODE_H
#define UNWIND_KNOWN_CODE_H

#include "unwind/machine.h"
#include "unwind/rows.h"

#define KNOWN_CODE_CHUNK  4096
#define KNOWN_CODE_MARGIN 64 /* no pattern is longer */

#define KNOWN_CODE_HITS 64 /* patterns found in one chunk; all of a musl libc have 7 */

/* The chunk of code read last, and what was found in it. Zero-initialised knows nothing yet; nothing to release. */
struct known_code {
	struct eh_frame *ef;
	bool entry_asked, entry_in_gap;
	uint64_t lo, hi; /* addresses that were looked at */
	size_t hit_count;
	struct {
		uint64_t address;
		size_t pattern;
	} hits[KNOWN_CODE_HITS];
};

/*
 * Adds the rows of lo <= address < hi, which is a gap between FDEs or a part of one. Where it knows nothing,
 * those of `under`, which cover as much.
 */
void known_code_rows(struct known_code *kc, uint64_t lo, uint64_t hi,
	const struct unwind_rows *under, struct unwind_rows *rows);

#endif
