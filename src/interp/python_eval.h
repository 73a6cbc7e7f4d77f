// SPDX-License-Identifier: Apache-2.0
/* The parts of the evaluation function that no symbol names, in files without their symbol table. */
#ifndef INTERP_PYTHON_EVAL_H
#define INTERP_PYTHON_EVAL_H

#include "interp/python_binary.h"

/*
 * Appends up to `capacity` ranges of code that belongs to the function at `function` to ret. x86-64 only. Returns
 * how many: 0 also where the file cannot be read as it should be.
 */
size_t python_eval_parts(const struct byte_source *source, const struct elf_image *image,
	const struct interp_range *function, struct interp_range *ret, size_t capacity);

#endif
