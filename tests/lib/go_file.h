// SPDX-License-Identifier: Apache-2.0
/* A program in memory with a .gopclntab of any layout, for tests and the fuzzer to damage. */
#ifndef TESTS_GO_FILE_H
#define TESTS_GO_FILE_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define TEXT 0x401000

/* A program with one table: segments of code and of data. */
struct image {
	Elf64_Ehdr header;
	Elf64_Phdr programs[3];
	struct {
		uint32_t name_size, desc_size, type;
		char name[4], desc[8];
	} note;
	_Alignas(16) uint8_t table[512];
	uint64_t module[23];
};

#define DATA      0x600000
#define TABLE     (DATA + offsetof(struct image, table))
#define NAMES     0x100 /* in the table */
#define FUNCS     0x180
#define TEXT_SIZE 0x300

static inline void put(uint8_t *at, uint64_t value, size_t size)
{
	memcpy(at, &value, size);
}

static inline void make_image(struct image *f, bool note)
{
	*f = (struct image){
		.header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
			.e_type = ET_EXEC,
			.e_machine = EM_X86_64,
			.e_phoff = offsetof(struct image, programs),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = note ? 3 : 2},
		.programs = {{.p_type = PT_LOAD,
				     .p_flags = PF_R | PF_X,
				     .p_vaddr = TEXT,
				     .p_filesz = 0,
				     .p_memsz = TEXT_SIZE},
			{.p_type = PT_LOAD,
				.p_flags = PF_R,
				.p_vaddr = DATA,
				.p_filesz = sizeof(*f),
				.p_memsz = sizeof(*f)},
			{.p_type = PT_NOTE,
				.p_offset = offsetof(struct image, note),
				.p_filesz = sizeof(f->note),
				.p_align = 4}},
		.note = {4, 8, 4, "Go", "an id"},
	};
}

/* Three functions, "main.a" of 0x80 bytes, "main.b" and "main.c" of 0x40; pcs relative to `base`. */
static inline void make_table(struct image *f, uint32_t magic, uint64_t base, uint64_t header_text)
{
	static const uint64_t starts[] = {0x10, 0x90, 0xd0, 0x110};
	bool narrow = magic == 0xfffffff0 || magic == 0xfffffff1;
	bool old = magic == 0xfffffffb;
	uint8_t *t = f->table, *functab = t + (old ? 16 : FUNCS);
	size_t field = narrow ? 4 : 8, funcs = 64; /* behind functab */

	put(t, magic, 4);
	t[6] = 1;
	t[7] = 8;
	put(t + 8, 3, 8);
	if (narrow) {
		put(t + 24, header_text, 8);
		put(t + 32, NAMES, 8);
		put(t + 64, FUNCS, 8);
	} else if (!old) {
		put(t + 24, NAMES, 8);
		put(t + 56, FUNCS, 8);
	}
	for (size_t i = 0; i < 4; i++) {
		uint64_t func = old ? 0x180 + i * 16 : funcs + i * 16;
		uint8_t *at = old ? t + func : functab + func;

		put(functab + i * 2 * field, base + starts[i], field);
		if (i == 3)
			break;
		put(functab + (i * 2 + 1) * field, func, field);
		put(at, base + starts[i], field);
		put(at + field, (old ? NAMES : 0) + i * 8, 4);
		snprintf((char *)t + NAMES + i * 8, 8, "main.%c", (int)('a' + i));
	}
}

#endif
