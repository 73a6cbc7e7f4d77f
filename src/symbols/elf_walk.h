// SPDX-License-Identifier: Apache-2.0
/* An ELF file's symbols, one after the other, with their names: for those who look for a certain one. */
#ifndef SYMBOLS_ELF_WALK_H
#define SYMBOLS_ELF_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "symbols/elf_image.h"

struct elf_symbol {
	const char *name; /* valid during the call; may be cut */
	uint64_t address, size;
	unsigned char type; /* STT_* */
};

typedef void (*elf_symbol_fn)(void *ctx, const struct elf_symbol *symbol);

/*
 * Calls fn for each defined symbol of a 64-bit file's section (image->symtab, image->dynsym; an empty one
 * is fine) whose name begins with one of the `prefixes`. 0; -EFBIG where the names are more than a reader who
 * looks into every file can afford; -errno, after what came before.
 */
int elf_walk_symbols(const struct byte_source *source, const struct elf_image *image,
	const struct elf_symbol_section *section, const char *const prefixes[], elf_symbol_fn fn,
	void *ctx) MUST_CHECK;

/*
 * Whether `part` occurs in a name of the section. In nearly all files what is looked for does not, and this is
 * found out for a fraction of the cost of a walk. False as well where the names are too many or cannot be read.
 */
bool elf_names_contain(const struct byte_source *source, const struct elf_symbol_section *section,
	const char *part);

#endif
