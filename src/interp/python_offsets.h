// SPDX-License-Identifier: Apache-2.0
/*
 * Where things are in the memory of a CPython, 3.6 or later: from its own description where it has one, else
 * by minor version. Facts: the headers Include/internal/pycore_*.h and Include/cpython/ of each version.
 */
#ifndef INTERP_PYTHON_OFFSETS_H
#define INTERP_PYTHON_OFFSETS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "bpf/interp.h"
#include "interp/memory.h"

/* How a code object's instructions are mapped to lines. */
enum python_lines {
	PYTHON_LINES_LNOTAB, /* to 3.9 (Objects/lnotab_notes.txt) */
	PYTHON_LINES_RANGES, /* 3.10, PEP 626 */
	PYTHON_LINES_LOCATIONS, /* from 3.11 (Objects/locations.md, later InternalDocs/code_objects.md) */
};

/* In bytes. */
struct python_offsets {
	uint8_t minor; /* of 3.minor */
	enum python_lines lines;
	struct python_layout walk;
	uint16_t runtime_interpreters; /* of _PyRuntime: the first interpreter */
	uint16_t
		runtime_current; /* of _PyRuntime: the state of the thread that has the GIL; 0: none there */
	uint16_t interpreter_next, interpreter_threads;
	uint16_t state_next;
	uint16_t code_file, code_qualified_name; /* the latter 0: there is none */
	uint16_t bytes_size, bytes_data; /* of a bytes object */
	uint16_t text_length, text_state; /* of a str object */
	uint16_t text_ascii,
		text_compact; /* where the characters are in one that is ASCII, in others */
};

/* Of a version without a description of itself, 3.6 to 3.12. False for others. */
bool python_offsets_of(unsigned minor, struct python_offsets *ret);

/*
 * From _Py_DebugOffsets, which is at `runtime` (the address of _PyRuntime) from 3.13 on. 0; -ENOENT where there is
 * none; -ENOTSUP where it cannot be made sense of; -EAGAIN where the interpreter has no thread yet.
 */
int python_offsets_read(const struct interp_memory *memory, uint64_t runtime,
	struct python_offsets *ret) MUST_CHECK;

/*
 * Corrects what the type object of code objects, at `code_type`, tells better (distributions patch). Returns
 * how many offsets differed.
 */
unsigned python_offsets_refine(struct python_offsets *offsets, const struct interp_memory *memory,
	uint64_t code_type);

/* Whether the frame loop can be trusted with these: all fields lie where it looks. */
bool python_offsets_usable(const struct python_offsets *offsets);

#endif
