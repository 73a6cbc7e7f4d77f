// SPDX-License-Identifier: Apache-2.0
/* Puts the frames of a language between the native ones. Pure. */
#ifndef INTERP_STITCH_H
#define INTERP_STITCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/interp.h"
#include "interp/runtime.h"

enum stitch_mark {
	STITCH_PLAIN,
	STITCH_SWITCHES, /* leads to another stack of the thread */
	STITCH_GENERATED, /* code without a file, which the language's own compiler may have made */
};

/* A stack as it was recorded, innermost frames first. */
struct stitch_stack {
	const uint64_t *ips;
	size_t ip_count;
	bool ips_complete; /* the native walk has reached its root */
	const uint8_t *marks; /* enum stitch_mark of each */
	bool leaf_exact; /* ips[0] was interrupted; the others are where calls return to */
	const struct interp_frame *records;
	size_t record_count;
};

/* What a place in the whole stack is: one or the other. */
struct stitched {
	bool language; /* records[index], else ips[index] */
	uint32_t index;
};

/*
 * Writes at most ip_count + record_count places to ret, and returns how many. Native frames in `ranges` make room
 * for the language's, unless keep_native.
 */
size_t stitch(const struct stitch_stack *stack, const struct interp_ranges *ranges,
	bool keep_native, struct stitched *ret);

#endif
