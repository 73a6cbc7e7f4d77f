// SPDX-License-Identifier: Apache-2.0
/* .gnu_debugdata ("MiniDebugInfo" of Fedora): an ELF file in xz format with the symbols of functions that
 * .dynsym does not have. */
#ifndef SYMBOLS_DEBUGDATA_H
#define SYMBOLS_DEBUGDATA_H

#include "base/macros.h"
#include "base/scratch.h"
#include "symbols/name_source.h"

/* Of the inflated file. LLVM's, one of the largest libraries, comes to 8 MiB. */
#define DEBUGDATA_MAX (32 << 20)

/* Zero-initialised is empty. */
struct debugdata {
	struct scratch bytes;
	struct elf_file file; /* over the bytes */
};

/*
 * What the file has. 0; -ENOENT where it has none; -E2BIG where it is larger than DEBUGDATA_MAX or
 * needs too much memory to inflate; -EINVAL where it is damaged; -errno. *ret_work: bytes inflated, also
 * in vain.
 */
int debugdata_read(const struct byte_source *source, struct debugdata *ret,
	size_t *ret_work) MUST_CHECK;
void debugdata_release(struct debugdata *d);

#endif
