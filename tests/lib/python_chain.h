// SPDX-License-Identifier: Apache-2.0
/* The frame loop in user space: all of a thread's frames, whichever native calls they belong to. */
#ifndef TESTS_PYTHON_CHAIN_H
#define TESTS_PYTHON_CHAIN_H

#include "interp/memory.h"

#define INTERP_INLINE static inline __attribute__((unused))

static inline int interp_read(const struct interp_memory *memory, void *to, uint32_t size,
	uint64_t from)
{
	return memory_read(memory, from, to, size) < 0;
}

#include "bpf/python_walk.h"

/* state: 0, or where user space has found it. Returns how many; *ret_last: of these, ends of native calls. */
static inline size_t python_chain(const struct interp_memory *memory,
	const struct python_process *python, uint64_t thread_pointer, uint64_t state,
	struct interp_frame *ret, size_t capacity, size_t *ret_last)
{
	struct python_walk w = {.thread_pointer = thread_pointer, .state = state};
	size_t count = 0;

	*ret_last = 0;
	if (!python_begin(memory, python, &w))
		return 0;
	for (size_t steps = 0; w.frame && count < capacity && steps < 2 * capacity; steps++) {
		enum python_outcome outcome = python_next(memory, python, &w, &ret[count]);

		count += outcome != PYTHON_NONE;
		*ret_last += outcome == PYTHON_LAST;
	}
	return count;
}

#endif
