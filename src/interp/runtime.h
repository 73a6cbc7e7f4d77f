// SPDX-License-Identifier: Apache-2.0
/*
 * What a language runtime is to this room: docs/runtimes.md tells how to add one. One struct of functions each;
 * none of them keeps anything but what it returns, so that interp.c alone knows what lives how long.
 */
#ifndef INTERP_RUNTIME_H
#define INTERP_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "bpf/interp.h"
#include "interp/memory.h"
#include "symbols/elf_image.h"

#define INTERP_NAME_MAX 1024 /* bytes of a function's name or a path; longer ones are cut */

/* A function and a place in it. The strings are printable UTF-8: anything else is escaped. */
struct interp_name {
	bool only_line; /* asked for: the strings are known, and stay as they are */
	struct strbuf function; /* as the language qualifies it: "Pool.run.<locals>.work" */
	struct strbuf file;
	uint32_t line; /* 0: the instruction belongs to none */
	uint32_t first_line; /* of the function */
};

#define INTERP_RANGES_MAX 8 /* compilers split a function into two or three */

struct interp_range {
	uint64_t start, end;
};

/* The native code that executes the language's functions. */
struct interp_ranges {
	size_t count;
	struct interp_range list[INTERP_RANGES_MAX];
};

/* What there is to know of a process. */
struct interp_description {
	struct interp_process process; /* for the kernel side */
	struct interp_ranges ranges; /* addresses are the process's own */
	char version[16]; /* for people: "3.11" */
};

struct runtime {
	enum interp_kind kind;
	const char *label; /* "python" */
	/* How names of native functions begin that only lead from one frame of the language to the next; NULL ends it. */
	const char *const *internal_prefixes;
	/* How the names of files begin whose code switches stacks within a thread; NULL ends it. */
	const char *const *switching_modules;

	/*
	 * Looks into an ELF file, once for each. 0 and *ret_binary, for free(); -ENOENT where the file holds no such
	 * runtime, -errno.
	 */
	int (*detect)(const struct byte_source *source, const struct elf_image *image,
		void **ret_binary);

	/*
	 * Looks into a process that has mapped that file `bias` above the file's own addresses. 0, *ret_attached
	 * for free(), and the rest; -EAGAIN: not yet; -ENOTSUP: a version that is not known.
	 */
	int (*attach)(const void *binary, const struct interp_memory *memory, uint64_t bias,
		void **ret_attached, struct interp_description *ret);

	/* Up to `capacity` of the process's threads. Returns how many. */
	size_t (*threads)(const void *attached, const struct interp_memory *memory,
		struct interp_thread *ret, size_t capacity);

	/*
	 * Names a frame that the kernel side recorded (without INTERP_LAST), into *ret, whose strings are emptied first unless only
	 * the line is asked for. 0; -ESTALE where
	 * something else is there by now; -ENOENT for frames that are none of the program's and are not to be
	 * shown; -errno.
	 */
	int (*name)(const void *attached, const struct interp_memory *memory,
		const struct interp_frame *frame, struct interp_name *ret);
};

extern const struct runtime python_runtime;

#endif
