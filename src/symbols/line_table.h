// SPDX-License-Identifier: Apache-2.0
/*
 * Source lines of addresses, from .debug_line (DWARF 2 to 5). Without .debug_info nobody knows the directory
 * that a compiler of before DWARF 5 was started in: its relative paths stay relative.
 */
#ifndef SYMBOLS_LINE_TABLE_H
#define SYMBOLS_LINE_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "base/strbuf.h"
#include "symbols/name_source.h"

struct line_table;

/*
 * Reads the line programs of a file, of at most max_bytes after inflating, and which code each is for: some
 * 10 ns a byte. 0; -ENOENT where it has none; -E2BIG; -ENOTSUP where they are compressed in a way that is
 * not known here; -errno. The file is not needed afterwards.
 */
int line_table_new(const struct elf_file *file, size_t max_bytes,
	struct line_table **ret) MUST_CHECK;
void line_table_free(struct line_table *t);
/* What was read. */
size_t line_table_bytes(const struct line_table *t);

struct source_line {
	uint32_t line;
	size_t work; /* bytes of the unit that were looked at, also where nothing was found */
};

/* Appends the path of the source and gives the line; false where it is not known. */
bool line_table_find(const struct line_table *t, uint64_t address, struct strbuf *file,
	struct source_line *ret);

#endif
