// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * CPython as the frame loop (bpf/python_walk.h) must know it. Filled in by src/interp/, which finds out which
 * CPython a process runs. All offsets in bytes.
 *
 *	thread state --> frame --> frame --> ... (previous)
 *	                   |
 *	                   '--> code object: name, line table, instructions
 */
#ifndef BPF_PYTHON_H
#define BPF_PYTHON_H

/* How many frames one native call of the evaluation function executes. */
enum python_boundary {
	PYTHON_ONE_FRAME, /* to 3.10: each its own */
	PYTHON_ENTRY_FLAG, /* 3.11: the outermost has the byte at `mark` set */
	PYTHON_SHIM, /* from 3.12: the byte at `mark` is >= PYTHON_OWNER_C in a frame below the outermost */
};

/* enum _frameowner: 0 thread, 1 generator, 2 frame object, 3 the C stack (from 3.14: 3 interpreter, 4 C) */
#define PYTHON_OWNER_C 3

/* What a frame says about where it is. */
enum python_instruction {
	PYTHON_INDEX, /* int, in units of 1 << shift bytes */
	PYTHON_POINTER, /* into the code object */
};

#define PYTHON_NO_CFRAME 0xffff

/*
 * How much is read of a frame, and of a code object from PYTHON_CODE_SKIP on, at once. All fields named
 * below lie within, aligned.
 */
#define PYTHON_WINDOW_WORDS 16
#define PYTHON_WINDOW_SIZE  (8 * PYTHON_WINDOW_WORDS)
#define PYTHON_CODE_SKIP    32

struct python_layout {
	uint16_t state_frame; /* of the thread state: the innermost frame, or the cframe */
	uint16_t cframe_frame; /* 3.11 and 3.12: of the cframe; else PYTHON_NO_CFRAME */
	uint16_t state_thread_id;
	uint16_t frame_previous;
	uint16_t frame_code;
	uint16_t frame_instruction;
	uint16_t frame_mark;
	uint16_t code_name;
	uint16_t code_line_table;
	uint16_t code_first_line;
	uint16_t code_instructions; /* from 3.11: where they begin in the code object */
	uint8_t boundary; /* enum python_boundary */
	uint8_t instruction; /* enum python_instruction */
	uint8_t shift;
	uint8_t pad[7]; /* 0 */
};
_Static_assert(sizeof(struct python_layout) == 32, "layout");

/*
 * From the thread pointer to the word that holds the thread state: begin at thread pointer + first; `derefs`
 * times take the word there as a pointer and add the next offset.
 */
#define PYTHON_PATH_DEREFS 2
struct python_path {
	int32_t first;
	int32_t next[PYTHON_PATH_DEREFS];
	uint32_t derefs; /* PYTHON_NO_PATH: none is known */
};
_Static_assert(sizeof(struct python_path) == 16, "layout");
#define PYTHON_NO_PATH 255

struct python_process {
	struct python_layout layout;
	struct python_path path;
	uint64_t
		current; /* to 3.11: address of the word that holds the state of who has the GIL, or 0 */
};
_Static_assert(sizeof(struct python_process) == 56, "layout");

#endif
