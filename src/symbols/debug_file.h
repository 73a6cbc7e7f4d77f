// SPDX-License-Identifier: Apache-2.0
/*
 * Separate debug files, found where gdb looks for them (GDB manual, "Separate Debug Files"):
 *
 *	/usr/lib/debug/.build-id/ab/cdef.debug	beneath the process's root, and its build id the same
 *	DIR/LINK, DIR/.debug/LINK, /usr/lib/debug/DIR/LINK	beneath the process's root; what .gnu_debuglink
 *			names, with its CRC, and its build id the same where both have one
 *	/usr/lib/debug/.build-id/ab/cdef.debug	on the host, and its build id the same
 *
 * No other file of the host is looked at: a container chooses the name. .gnu_debugaltlink is ignored: what
 * dwz moves there is no symbol table.
 */
#ifndef SYMBOLS_DEBUG_FILE_H
#define SYMBOLS_DEBUG_FILE_H

#include "base/macros.h"
#include "proc/file_root.h"
#include "symbols/name_source.h"

/* What is read to check a CRC; larger files are believed if their build ids are the same. */
#define DEBUG_FILE_CRC_MAX (64 << 20)

struct debug_search {
	const struct elf_file *main;
	const char *path; /* of it, beneath the root */
	const struct file_root *root; /* NULL: the process is gone */
	const struct file_root *host; /* NULL: not looked at */
};

struct debug_file {
	int fd; /* -1: none */
	struct file_identity identity;
	struct elf_file file; /* over fd */
};

/* 0; -ENOENT where there is none. *ret_work: bytes read, also in vain. */
int debug_file_find(const struct debug_search *search, struct debug_file *ret,
	uint64_t *ret_work) MUST_CHECK;
/* Reads the headers of a file that was opened. Takes over fd, and closes it on failure. */
void debug_file_release(struct debug_file *file);

#endif
