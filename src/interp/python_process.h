// SPDX-License-Identifier: Apache-2.0
/* A process that runs a CPython: where its interpreters are, which threads they have. */
#ifndef INTERP_PYTHON_PROCESS_H
#define INTERP_PYTHON_PROCESS_H

#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "interp/memory.h"
#include "interp/python_binary.h"
#include "interp/python_offsets.h"

struct python_attached {
	struct python_offsets offsets;
	uint64_t interpreters; /* address of the word that points to the first one */
};

/*
 * Looks into a process whose file `binary` is loaded `bias` above its own addresses, and describes it for the
 * kernel side. 0; -ENOTSUP where the version is not known (ret->offsets.minor says which it claims to be) or not
 * what it says; -EAGAIN where it has not begun yet: to be tried again; -errno where its memory cannot be read.
 */
int python_attach(const struct python_binary *binary, const struct interp_memory *memory,
	uint64_t bias, struct python_attached *ret, struct interp_process *ret_process) MUST_CHECK;

/* Up to `capacity` threads that run Python or have called it. Returns how many. */
size_t python_threads(const struct python_attached *attached, const struct interp_memory *memory,
	struct interp_thread *ret, size_t capacity);

/*
 * How the threads' states are found from their thread pointers, as it can be seen in these threads.
 * derefs is PYTHON_NO_PATH where it cannot.
 */
struct python_path python_find_path(const struct interp_memory *memory,
	const struct interp_thread *threads, size_t count);

#endif
