// SPDX-License-Identifier: Apache-2.0
/*
 * Names of addresses in one file that nobody need run: the sources of the profiler, its debug files
 * included, for a file that a user has opened.
 */
#ifndef SYMBOLS_FILE_NAMES_H
#define SYMBOLS_FILE_NAMES_H

#include "base/error.h"
#include "proc/file_root.h"
#include "symbols/demangle.h"
#include "symbols/frame.h"

struct file_names;

struct file_names_options {
	const struct file_root *root; /* where debug files are looked for first; borrowed */
	const struct file_root *host; /* by build id, then; NULL: nowhere */
	const char *path; /* of the file beneath the root */
	enum demangle_mode demangle;
};

/* Takes over fd, also on failure: 0; -ENOEXEC where it is no ELF file, -EINVAL where it is damaged. */
int file_names_new(int fd, const struct file_names_options *options,
	struct file_names **ret) MUST_CHECK;
void file_names_free(struct file_names *n);

struct file_name {
	const char *function; /* NULL: none. Valid until file_names_free() */
	uint64_t offset; /* of the address in the function */
	enum name_origin origin;
	enum name_missing missing;
	const char *file; /* its source, NULL: not known. Valid as long */
	uint32_t line;
};

/* The address is the file's own (p_vaddr), as nm(1) shows it. */
void file_names_find(struct file_names *n, uint64_t address, struct file_name *ret);
/* The build id, in lower-case hex, "" where there is none. */
const char *file_names_build_id(const struct file_names *n);

#endif
