// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Language runtimes whose functions are not the machine's: what user space tells the kernel side about a
 * process that runs one, and what the kernel side tells of its frames. Included after bpf/vmlinux.h or
 * <stdint.h>.
 *
 * A runtime has native code that executes functions of the language: Python's evaluation function, say. A thread's
 * language frames form a chain of their own, and each call of that native code executes a stretch of it. At
 * a tick the chain is recorded beside the native stack, with the ends of the stretches marked; user
 * space puts the one into the other. So neither walk knows of the other one:
 *
 *	native:  qsort  PyEval  call  PyEval  main          records:  key|  sort  <module>|
 *	           '------------------------> key  qsort  sort  <module>  main
 */
#ifndef BPF_INTERP_H
#define BPF_INTERP_H

#include "python.h"

/* Of one stack; two words each. Deeper chains lose their outermost frames and are marked. */
#define INTERP_FRAMES_MAX 256
#define INTERP_WORDS_MAX  (2 * INTERP_FRAMES_MAX)
#define INTERP_SHIMS_MAX  64 /* steps through a chain that are no frames */

enum interp_kind { INTERP_NONE, INTERP_PYTHON, INTERP_KINDS };

/* Of one process. What it holds depends on the process, which may be hostile. */
struct interp_process {
	uint32_t kind; /* enum interp_kind */
	uint32_t pad;
	union {
		struct python_process python;
	};
};
_Static_assert(sizeof(struct interp_process) == 64, "layout");

/*
 * One frame of the language. Means something to the runtime's half in user space only, which finds the
 * name while the process lives, and by `check` whether at `code` still stands what stood there.
 */
struct interp_frame {
	uint64_t code; /* INTERP_LAST in it: the last that a native call executes */
	uint32_t at; /* which instruction of it; INTERP_AT_UNKNOWN */
	uint32_t check;
};
_Static_assert(sizeof(struct interp_frame) == 16, "layout");

#define INTERP_LAST       1ULL
#define INTERP_AT_UNKNOWN 0xffffffffU

/* The thread pointer (x86-64: fs base) tells threads of one process apart. */
struct interp_thread {
	uint64_t thread_pointer;
	uint64_t state; /* the runtime's struct of that thread */
};
_Static_assert(sizeof(struct interp_thread) == 16, "layout");

#endif
