// SPDX-License-Identifier: Apache-2.0
/* From a frame's record to a function, a file and a line, read from the process while it lives. */
#ifndef INTERP_PYTHON_NAMES_H
#define INTERP_PYTHON_NAMES_H

#include "base/macros.h"
#include "interp/memory.h"
#include "interp/python_offsets.h"
#include "interp/runtime.h"

/*
 * Fills in *ret (whose strings are emptied first). 0; -ESTALE where another code object stands there by now;
 * -ENOENT where the frame is one of the interpreter's own, which nobody wrote; -EINVAL where what is there
 * is no code object; -errno.
 */
int python_name_read(const struct python_offsets *offsets, const struct interp_memory *memory,
	const struct interp_frame *frame, struct interp_name *ret) MUST_CHECK;

#endif
