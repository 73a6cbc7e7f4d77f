// SPDX-License-Identifier: Apache-2.0
/*
 * How good stacks are: whether they reach their root and their frames have names, and if not, why. Counted of
 * each sample, for its target and for all together.
 */
#ifndef QUALITY_H
#define QUALITY_H

#include <stddef.h>

#include "base/strbuf.h"
#include "profiler/profiler.h"
#include "symbols/frame.h"
#include "target/target.h"

/*
 * Counts a sample of the target with its named frames: the kernel's, then user space's. `all` gets the same but for the
 * modules (of user frames: the kernel is the same for everybody).
 */
void quality_count(struct target_quality *target, struct target_quality *all,
	const struct profiler_sample *s, struct frame *const *frames, size_t frame_count);

/* User stacks that do not reach their root. */
static inline uint64_t quality_incomplete(const struct target_quality *q)
{
	return q->user_stacks - q->ends[UNWIND_END_ROOT];
}

/*
 * "98.0 % of the user stacks are complete (the others: 1.5 % no frame pointers, 0.5 % cut)" and the same
 * for names; without a newline, empty where nothing was counted.
 */
void quality_describe_stacks(const struct target_quality *q, struct strbuf *out);
void quality_describe_names(const struct target_quality *q, struct strbuf *out);

#endif
