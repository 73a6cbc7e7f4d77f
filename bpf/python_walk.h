// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The frames of CPython, in the kernel and, from the same source, in user space. Whoever includes it defines
 *
 *	static int interp_read(const struct interp_memory *memory, void *to, uint32_t size, uint64_t from)
 *
 * before, which copies memory of the process: 0 or nonzero. `memory` is the includer's, NULL in the kernel.
 *
 * A native walk meets the evaluation function several times where C code called back into Python; each time
 * it takes the frames of that one call, and the next time goes on where it stopped:
 *
 *	PyEval (qsort's callback)    python_next(): key       PYTHON_LAST    (the chain's innermost)
 *	qsort
 *	PyEval                       python_next(): sort      PYTHON_FRAME
 *	                             python_next(): <module>  PYTHON_LAST
 *	Py_BytesMain
 *
 * Nothing here loops: one call, one frame, at most two reads; the caller counts. What is read is the process's own
 * and may be nonsense or torn: the worst is a wrong record, which user space will not name.
 */
#ifndef BPF_PYTHON_WALK_H
#define BPF_PYTHON_WALK_H

#include "interp.h"

#ifndef INTERP_INLINE
#define INTERP_INLINE static inline
#endif

enum python_outcome {
	PYTHON_FRAME, /* there was one, and this native call has more */
	PYTHON_LAST, /* there was one, this native call's last */
	PYTHON_NONE, /* there was none: the chain has ended, or could not be read */
};

/* In memory, not in registers, so that the verifier need not follow values. All 0 before the first call. */
struct python_walk {
	uint64_t thread_pointer;
	uint64_t state; /* the thread's, where user space has found it; 0: not known to it */
	uint64_t frame; /* the next one; 0: the chain has ended */
	uint64_t last_code; /* of the frame before, for functions that call themselves */
	uint32_t last_check;
	uint32_t pad;
	uint64_t words[PYTHON_WINDOW_WORDS];
	uint64_t code[PYTHON_WINDOW_WORDS];
};

#define PYTHON_TAG_BITS 7 /* of a _PyStackRef (3.14), 0 in every pointer to an object */

/* The field at `offset` of a window; user space has seen to it that it lies within. */
INTERP_INLINE uint64_t python_u64(const uint64_t *words, uint32_t offset)
{
	return words[(offset / 8) & (PYTHON_WINDOW_WORDS - 1)];
}

INTERP_INLINE uint32_t python_u32(const uint64_t *words, uint32_t offset)
{
	return (uint32_t)(python_u64(words, offset) >> (8 * (offset & 4)));
}

INTERP_INLINE uint8_t python_u8(const uint64_t *words, uint32_t offset)
{
	return (uint8_t)(python_u64(words, offset) >> (8 * (offset & 7)));
}

INTERP_INLINE uint64_t python_word(const struct interp_memory *memory, uint64_t from)
{
	uint64_t word = 0;

	return interp_read(memory, &word, sizeof(word), from) ? 0 : word;
}

/* A thread state is believed if it says that it is this thread's. */
INTERP_INLINE int python_is_state_of(const struct interp_memory *memory,
	const struct python_process *process, uint64_t state, uint64_t thread_pointer)
{
	return state && state % sizeof(state) == 0 &&
		python_word(memory, state + process->layout.state_thread_id) == thread_pointer;
}

INTERP_INLINE uint64_t python_state_by_path(const struct interp_memory *memory,
	const struct python_path *path, uint64_t thread_pointer)
{
	uint64_t at = thread_pointer + (uint64_t)(int64_t)path->first;

	if (path->derefs > PYTHON_PATH_DEREFS)
		return 0;
	if (path->derefs >= 1)
		at = python_word(memory, at) + (uint64_t)(int64_t)path->next[0];
	if (path->derefs >= 2)
		at = python_word(memory, at) + (uint64_t)(int64_t)path->next[1];
	return python_word(memory, at);
}

/*
 * Whether the thread has surely never run Python: its word under the pthread key is empty. A thread-local variable
 * (x86-64: below the thread pointer, or in a module's block) may be that of who has the GIL: from 3.15 on there is no key.
 */
INTERP_INLINE int python_never_ran(const struct interp_memory *memory,
	const struct python_path *path, uint64_t thread_pointer)
{
	if (path->derefs > 1 || (path->derefs == 0 && path->first < 0))
		return 0;
	return !python_state_by_path(memory, path, thread_pointer);
}

/* The thread's state, or 0: then user space should look for the thread. */
INTERP_INLINE uint64_t python_state(const struct interp_memory *memory,
	const struct python_process *process, const struct python_walk *walk)
{
	uint64_t state;

	/* Before the path: where there are several interpreters, only this tells which one runs. */
	if (process->current) {
		state = python_word(memory, process->current);
		if (python_is_state_of(memory, process, state, walk->thread_pointer))
			return state;
	}
	state = python_state_by_path(memory, &process->path, walk->thread_pointer);
	if (python_is_state_of(memory, process, state, walk->thread_pointer))
		return state;
	if (python_is_state_of(memory, process, walk->state, walk->thread_pointer))
		return walk->state;
	return 0;
}

/* Goes to `frame` and has a look at it. */
INTERP_INLINE void python_go(const struct interp_memory *memory, struct python_walk *walk,
	uint64_t frame)
{
	walk->frame = frame % sizeof(frame) ? 0 : frame;
	if (walk->frame && interp_read(memory, walk->words, sizeof(walk->words), walk->frame))
		walk->frame = 0;
}

/* 0 where nobody knows the thread's state. thread_pointer and state of `walk` are set before. */
INTERP_INLINE int python_begin(const struct interp_memory *memory,
	const struct python_process *process, struct python_walk *walk)
{
	uint64_t state = python_state(memory, process, walk), at;

	walk->frame = 0;
	walk->last_code = 0;
	if (!state)
		return 0;
	at = state + process->layout.state_frame;
	if (process->layout.cframe_frame != PYTHON_NO_CFRAME)
		at = python_word(memory, at) + process->layout.cframe_frame;
	python_go(memory, walk, python_word(memory, at));
	return 1;
}

/* Says of a code object enough to notice that it has been replaced by another one. */
INTERP_INLINE uint32_t python_check(uint64_t name, uint64_t line_table, uint32_t first_line)
{
	uint64_t mix =
		(name >> 4) * 0x9e3779b97f4a7c15ULL ^ (line_table >> 4) * 0xc2b2ae3d27d4eb4fULL;
	uint32_t check = (uint32_t)(mix >> 32) ^ first_line;

	return check ? check : 1;
}

/* Of the code object; 0 where it cannot be read now (its page is not in memory). */
INTERP_INLINE uint32_t python_check_of(const struct interp_memory *memory,
	const struct python_layout *layout, struct python_walk *walk, uint64_t code)
{
	if (interp_read(memory, walk->code, sizeof(walk->code), code + PYTHON_CODE_SKIP))
		return 0;
	return python_check(python_u64(walk->code, layout->code_name - PYTHON_CODE_SKIP),
		python_u64(walk->code, layout->code_line_table - PYTHON_CODE_SKIP),
		python_u32(walk->code, layout->code_first_line - PYTHON_CODE_SKIP));
}

/* Where in its code the frame is. */
INTERP_INLINE uint32_t python_at(const struct python_layout *layout, const struct python_walk *walk,
	uint64_t code)
{
	uint64_t begin = code + layout->code_instructions, pointer;
	int32_t index;

	if (layout->instruction == PYTHON_INDEX) {
		index = (int32_t)python_u32(walk->words, layout->frame_instruction);
		return index < 0 ? INTERP_AT_UNKNOWN : (uint32_t)index << (layout->shift & 1);
	}
	pointer = python_u64(walk->words, layout->frame_instruction);
	if (pointer < begin || pointer - begin >= INTERP_AT_UNKNOWN)
		return INTERP_AT_UNKNOWN;
	return (uint32_t)(pointer - begin);
}

/* Whether what the walk stands at is no frame but the mark between two native calls. */
INTERP_INLINE int python_at_shim(const struct python_layout *layout, const struct python_walk *walk)
{
	return layout->boundary == PYTHON_SHIM && walk->frame &&
		python_u8(walk->words, layout->frame_mark) >= PYTHON_OWNER_C;
}

INTERP_INLINE int python_at_entry(const struct python_layout *layout,
	const struct python_walk *walk)
{
	if (layout->boundary == PYTHON_ENTRY_FLAG)
		return python_u8(walk->words, layout->frame_mark) != 0;
	return layout->boundary == PYTHON_ONE_FRAME;
}

/* The next frame of the native call that the walk stands in. After python_begin(). */
INTERP_INLINE enum python_outcome python_next(const struct interp_memory *memory,
	const struct python_process *process, struct python_walk *walk, struct interp_frame *ret)
{
	const struct python_layout *layout = &process->layout;
	uint64_t code, previous;
	int entry;

	if (!walk->frame)
		return PYTHON_NONE;
	previous = python_u64(walk->words, layout->frame_previous);
	if (python_at_shim(layout,
		    walk)) { /* a native call before its first frame or after its last one */
		python_go(memory, walk, previous);
		return PYTHON_NONE;
	}
	code = python_u64(walk->words, layout->frame_code) & ~(uint64_t)PYTHON_TAG_BITS;
	ret->code = code;
	ret->at = python_at(layout, walk, code);
	if (code != walk->last_code) {
		walk->last_check = python_check_of(memory, layout, walk, code);
		walk->last_code = code;
	}
	ret->check = walk->last_check;
	entry = python_at_entry(layout, walk);
	python_go(memory, walk, previous);
	if (!python_at_shim(layout, walk))
		return entry ? PYTHON_LAST : PYTHON_FRAME;
	python_go(memory, walk, python_u64(walk->words, layout->frame_previous));
	return PYTHON_LAST;
}

#endif
