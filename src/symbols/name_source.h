// SPDX-License-Identifier: Apache-2.0
/*
 * Where names of an ELF file's functions may come from. The sources form a chain (name_chain.c): the first
 * one that has a name for an address answers. One file per source; each is a pair of functions over
 * bytes, which open nothing, so that they can run in another process.
 */
#ifndef SYMBOLS_NAME_SOURCE_H
#define SYMBOLS_NAME_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "symbols/byte_source.h"
#include "symbols/elf_image.h"
#include "symbols/symbol_table.h"

struct eh_frame;

/* A file whose headers were read. */
struct elf_file {
	struct byte_source source;
	struct elf_image image;
};

/* The files that name one module. */
struct name_files {
	const struct elf_file *main; /* what is mapped */
	const struct elf_file *debug; /* its separate debug file, NULL: none */
	/* What its .gnu_debugdata holds, inflated when first asked for; NULL: none, or not in this round. for_table: then the
	 * generation changes once it can be had, since a table is made without it. */
	const struct elf_file *(*debugdata)(void *owner, bool for_table);
	/* Its call frame information: where functions begin and end that have no names. NULL: none. */
	struct eh_frame *(*eh_frame)(void *owner);
	/*
	 * The source of an address: its path is appended, *ret its line, 0 where it is not known. 0; -EAGAIN: not in this
	 * round. NULL: nobody wants to know.
	 */
	int (*line)(void *owner, uint64_t address, struct strbuf *file, uint32_t *ret);
	/* Whether the files still are what they were when the tables were made. */
	bool (*unchanged)(void *owner);
	void *owner;
	uint32_t generation; /* another one: tables of before are not of these files */
};

struct name_source {
	const char *label;
	/*
	 * Collects the address ranges. *ret_digest: a keyed hash (base/hash.h) of every byte the result
	 * depends on; files with one digest share one table, so it must not leave out anything. 0, or
	 * -errno; what was collected before counts all the same.
	 */
	int (*read)(const struct name_files *files, struct symbol_builder *builder,
		uint64_t *ret_digest);
	/* Appends the name for a match in that table. -ENOENT where there is none, -EAGAIN: not in this round; -errno. */
	int (*name)(const struct name_files *files, const struct symbol_match *match,
		struct strbuf *out, enum name_origin *ret_origin);
};

/* In the order in which they are asked. */
extern const struct name_source elf_symbols_source; /* .symtab, .dynsym, of debug files as well */
extern const struct name_source go_symbols_source; /* .gopclntab */
extern const struct name_source plt_source; /* "malloc@plt" */

#endif
