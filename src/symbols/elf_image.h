// SPDX-License-Identifier: Apache-2.0
/*
 * What of an ELF file (System V gABI; 32 and 64 bit, the machine's byte order) naming and unwinding need: how
 * file offsets become addresses, the build id, where code, symbol and unwind tables are. Every number in the file
 * is taken for a lie until checked; nothing is kept but what is here.
 */
#ifndef SYMBOLS_ELF_IMAGE_H
#define SYMBOLS_ELF_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "symbols/byte_source.h"
#include "symbols/frame.h"

/* A PT_LOAD program header. */
struct elf_segment {
	uint64_t offset, file_size;
	uint64_t address, memory_size;
	bool executable;
};

/* A section with code in it: start <= address < end. */
struct elf_code_section {
	uint32_t index;
	uint64_t start, end;
};

/* Sections that are told by their names, and what of the file and of memory each is. */
enum elf_named {
	ELF_EH_FRAME,
	ELF_EH_FRAME_HDR, /* PT_GNU_EH_FRAME where there is one: what programs go by */
	ELF_DEBUG_FRAME,
	ELF_NAMED_COUNT,
};

/* size 0: there is none (or it is compressed, or without contents). */
struct elf_area {
	uint64_t offset, size;
	uint64_t address; /* 0 where it is not loaded */
};

/* A symbol table section and the string table it names. size 0: there is none. */
struct elf_symbol_section {
	uint64_t offset, size;
	uint64_t strings_offset, strings_size;
};

struct elf_image {
	bool is_64;
	uint16_t machine; /* EM_* */
	bool is_go; /* a note says that the Go tools made it */
	uint64_t entry; /* where a program begins, 0: nowhere */
	struct elf_segment *segments;
	size_t segment_count;
	struct elf_code_section *code; /* by index */
	size_t code_count;
	struct elf_symbol_section symtab, dynsym;
	struct elf_area named[ELF_NAMED_COUNT];
	uint8_t build_id[BUILD_ID_MAX];
	size_t build_id_len; /* 0: none */
	bool build_id_is_go; /* it is the SHA-1 of go_build_id, for want of one of its own */
	char *go_build_id; /* NULL: none; at most ELF_GO_BUILD_ID_MAX bytes of any kind */
};

#define ELF_GO_BUILD_ID_MAX 255 /* Go's have 83 */

/* 0; -ENOEXEC where it is no ELF file of this machine's byte order; -EINVAL, -ENODATA where it is
 * damaged. *ret is to be released after success only. */
int elf_image_read(const struct byte_source *source, struct elf_image *ret) MUST_CHECK;
void elf_image_release(struct elf_image *image);

/*
 * The address (p_vaddr) that byte `offset` of the file is loaded at, whatever the page size: of the
 * executable segments that hold it the first, else of the others. False where none does.
 */
bool elf_image_address(const struct elf_image *image, uint64_t offset, uint64_t *ret);
/* The reverse: where in the file the byte loaded at `address` is, and in *ret_left how many follow in that
 * segment, itself included. False where no segment's file contents hold it. */
bool elf_image_offset(const struct elf_image *image, uint64_t address, uint64_t *ret,
	uint64_t *ret_left);
/* Whether `address` is in an executable segment. */
bool elf_image_is_code(const struct elf_image *image, uint64_t address);
/* The largest executable segment (some programs have small ones beside it), NULL where there is none. */
const struct elf_segment *elf_image_code_segment(const struct elf_image *image);
const struct elf_code_section *elf_image_code_section(const struct elf_image *image,
	uint32_t index);

#endif
