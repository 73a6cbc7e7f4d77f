// SPDX-License-Identifier: Apache-2.0
/*
 * Where names of an ELF file's functions may come from. The sources form a chain (dso.c): the first one
 * that has a name for an address answers. One file per source; each is a pair of pure functions over
 * bytes, so that they can run in another process.
 */
#ifndef SYMBOLS_NAME_SOURCE_H
#define SYMBOLS_NAME_SOURCE_H

#include <stdint.h>

#include "base/strbuf.h"
#include "symbols/byte_source.h"
#include "symbols/elf_image.h"
#include "symbols/symbol_table.h"

struct name_source {
	const char *label;
	/*
	 * Collects the address ranges. *ret_digest: a keyed hash (base/hash.h) of every byte the result
	 * depends on; files with one digest share one table, so it must not leave out anything. 0, or
	 * -errno; what was collected before counts all the same.
	 */
	int (*read)(const struct byte_source *source, const struct elf_image *image,
		struct symbol_builder *builder, uint64_t *ret_digest);
	/* Appends the name for a match in that table. -ENOENT where there is none, -errno. */
	int (*name)(const struct byte_source *source, const struct elf_image *image,
		const struct symbol_match *match, struct strbuf *out);
};

extern const struct name_source elf_symbols_source; /* .symtab and .dynsym */

#endif
