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

/* Bytes of code, and the address of the first. */
struct known_code_bytes {
	uint64_t address;
	size_t len;
	uint8_t bytes[KNOWN_CODE_MARGIN + KNOWN_CODE_CHUNK + KNOWN_CODE_MARGIN];
};

/* The chunk of code read last, and what was found in it. Zero-initialised knows nothing yet; nothing to release. */
struct known_code {
	struct eh_frame *ef;
	bool entry_asked, entry_in_gap;
	uint64_t lo, hi; /* addresses that were looked at */
	struct known_code_bytes code;
	size_t hit_count;
	struct {
		uint64_t address;
		size_t pattern;
	} hits[KNOWN_CODE_HITS];
};

/* The code of lo <= address < hi, in a gap, until the next call; NULL where that is more than a chunk, or cannot be read. */
const uint8_t *known_code_read(struct known_code *kc, uint64_t lo, uint64_t hi);

/*
 * Adds the rows of lo <= address < hi, which is a gap between FDEs or a part of one. Where it knows nothing,
 * those of `under`, which cover as much.
 */
void known_code_rows(struct known_code *kc, uint64_t lo, uint64_t hi,
	const struct unwind_rows *under, struct unwind_rows *rows);

#endif
