// SPDX-License-Identifier: Apache-2.0
/* Frames as tests have them, copies in a row, for those who handle them by pointers. */
#ifndef TESTS_FRAMES_H
#define TESTS_FRAMES_H

#include <stdlib.h>

#include "symbols/symbolizer.h"

/* The same as pointers, until the next call; nobody is to write to them. */
static inline struct frame *const *frame_pointers(const struct frame *frames, size_t count)
{
	static struct frame *list[4096];

	if (count > sizeof(list) / sizeof(list[0]))
		abort();
	for (size_t i = 0; i < count; i++)
		list[i] = (struct frame *)(uintptr_t)&frames[i];
	return list;
}

/* symbolizer_user(), copied. */
static inline void name_user(struct symbolizer *s, const struct process_id *id, const uint64_t *ips,
	size_t count, bool leaf_exact, struct frame *ret)
{
	struct frame *frames[64];

	if (count > sizeof(frames) / sizeof(frames[0]))
		abort();
	symbolizer_user(s, id, ips, count, leaf_exact, frames);
	for (size_t i = 0; i < count; i++)
		ret[i] = *frames[i];
}

#endif
