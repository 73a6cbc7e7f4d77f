// SPDX-License-Identifier: Apache-2.0
/*
 * Sections of an ELF file by their names, for what is asked too rarely to be remembered in elf_image.
 * Each look reads the headers anew.
 */
#ifndef SYMBOLS_ELF_SECTION_H
#define SYMBOLS_ELF_SECTION_H

#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "base/scratch.h"
#include "base/strbuf.h"
#include "symbols/byte_source.h"

struct elf_section {
	uint32_t type; /* SHT_*; 0: there is no such section */
	uint32_t link; /* another section's number */
	uint64_t flags; /* SHF_* */
	uint64_t offset, size; /* in the file; nothing is there for SHT_NOBITS */
	uint64_t address; /* 0 where it is not loaded */
};

/*
 * The first section of each name. Returns how many were found, which may be 0 where the file is
 * damaged, or -errno where it is no ELF file of this machine's byte order.
 */
int elf_sections_find(const struct byte_source *source, const char *const *names, size_t count,
	struct elf_section *ret);

/*
 * The contents of at most `max` bytes, inflated where they are compressed with zlib (SHF_COMPRESSED).
 * 0; -ENOENT where there are none; -E2BIG; -ENOTSUP for another compression; -EINVAL, -errno.
 */
int elf_section_read(const struct byte_source *source, const struct elf_section *section,
	size_t max, struct scratch *ret, size_t *ret_size) MUST_CHECK;

/* Longer names are cut: C++ templates reach some kilobytes, and who would read on? */
#define ELF_STRING_MAX 4096

/*
 * Appends the NUL-terminated string at `offset` of `strings_size` bytes at `strings`, cut to about
 * ELF_STRING_MAX. 0; -ENODATA where it lies beyond the end; -errno.
 */
int elf_string_read(const struct byte_source *source, uint64_t strings, uint64_t strings_size,
	uint64_t offset, struct strbuf *out) MUST_CHECK;

#endif
