// SPDX-License-Identifier: Apache-2.0
/*
 * Whether an ELF file holds a CPython, and where in it what we need is. By what the file exports, whatever its
 * name: libpython, a static interpreter, or a program that embeds one.
 */
#ifndef INTERP_PYTHON_BINARY_H
#define INTERP_PYTHON_BINARY_H

#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "interp/runtime.h"
#include "symbols/elf_image.h"

/* Addresses as in the file (p_vaddr); 0 where the file does not tell. */
struct python_binary {
	uint64_t runtime; /* _PyRuntime, from 3.7 on */
	uint64_t version; /* Py_Version, a word, from 3.11 on */
	uint64_t code_type; /* PyCode_Type */
	uint64_t
		interpreter_head; /* PyInterpreterState_Head(), which to 3.6 says where the interpreters are */
	uint64_t current; /* _PyThreadState_Current, to 3.6 */
	unsigned minor; /* of 3.minor: the latest of which something is exported */
	size_t range_count; /* >= 1 */
	struct interp_range ranges[INTERP_RANGES_MAX]; /* the evaluation function's parts */
};

/* 0; -ENOENT where it is no CPython 3.6 or later for x86-64; -errno. */
int python_binary_read(const struct byte_source *source, const struct elf_image *image,
	struct python_binary *ret) MUST_CHECK;

#endif
