// SPDX-License-Identifier: Apache-2.0
/* Lines of Python code objects. Pure functions over the tables' bytes, which may be anything. */
#ifndef INTERP_PYTHON_LINES_H
#define INTERP_PYTHON_LINES_H

#include <stddef.h>
#include <stdint.h>

#include "interp/python_offsets.h"

/*
 * The line of the instruction at byte `at` of a code object that begins in line `first`; 0 where the table says
 * that the instruction belongs to none, or does not reach so far.
 */
uint32_t python_line(enum python_lines kind, const uint8_t *table, size_t len, uint32_t first,
	uint32_t at);

#endif
