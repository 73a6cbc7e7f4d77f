// SPDX-License-Identifier: Apache-2.0
/*
 * ELF files with hand-made call frame information, for the tests of those who read it:
 *
 *	address  0x400000 headers | 0x401000 code | 0x402000 .eh_frame_hdr | 0x403000 records | names
 *
 * One executable segment holds all of it, file offset = address - 0x400000.
 */
#ifndef TESTS_FRAME_FILE_H
#define TESTS_FRAME_FILE_H

#include <elf.h>
#include <string.h>

#include "base/strbuf.h"
#include "symbols/eh_frame.h"

#define FF_BASE 0x400000u
#define FF_TEXT 0x401000u
#define FF_HDR  0x402000u
#define FF_EH   0x403000u

#define FF_PCREL_SDATA4 0x1b
#define FF_UDATA8       0x04

struct frame_file {
	uint16_t machine;
	uint64_t entry;
	bool debug; /* the records are .debug_frame */
	bool wide; /* they have lengths of 64 bits */
	bool no_sections; /* the file has no section headers */
	uint8_t text[FF_HDR - FF_TEXT];
	struct strbuf hdr, records;
	struct strbuf bytes; /* the file, after frame_file_open() */
	struct byte_source source;
	struct elf_image image;
	struct eh_frame *ef;
};

static inline void put(struct strbuf *b, uint64_t value, size_t len)
{
	strbuf_add(b, &value, len); /* x86-64 and arm64 are little-endian */
}

static inline void put_leb(struct strbuf *b, uint64_t value)
{
	do {
		put(b, (value & 0x7f) | (value > 0x7f ? 0x80 : 0), 1);
		value >>= 7;
	} while (value);
}

static inline uint64_t ff_begin_record(struct frame_file *f)
{
	uint64_t at = f->records.len;

	if (f->wide)
		put(&f->records, UINT32_MAX, 4);
	put(&f->records, 0, f->wide ? 8 : 4);
	return at;
}

static inline void ff_end_record(struct frame_file *f, uint64_t at)
{
	size_t width = f->wide ? 8 : 4, skip = f->wide ? 12 : 4;
	uint64_t len = f->records.len - at - skip;

	memcpy(f->records.buf + at + skip - width, &len, width);
}

/* The fields of a CIE up to its instructions, for those who make odd ones. */
struct ff_cie {
	uint8_t version;
	const char *augmentation;
	const char *data; /* of the augmentation, after its length */
	size_t data_len;
	uint64_t code_align;
	uint64_t ra;
	const char *program;
	size_t len;
};

/* Returns its offset. */
static inline uint64_t ff_add_cie(struct frame_file *f, const struct ff_cie *c)
{
	uint64_t at = ff_begin_record(f);
	struct strbuf *b = &f->records;

	put(b, f->debug ? UINT64_MAX : 0, f->debug && f->wide ? 8 : 4);
	put(b, c->version, 1);
	strbuf_add(b, c->augmentation, strlen(c->augmentation) + 1);
	if (strcmp(c->augmentation, "eh") == 0)
		put(b, 0, 8);
	if (c->version == 4)
		put(b, 8, 2); /* address and segment size */
	put_leb(b, c->code_align);
	put(b, 0x78, 1); /* -8 */
	put_leb(b, c->ra);
	if (c->augmentation[0] == 'z') {
		put_leb(b, c->data_len);
		strbuf_add(b, c->data, c->data_len);
	}
	strbuf_add(b, c->program, c->len);
	ff_end_record(f, at);
	return at;
}

/* As compilers write them: "zR", 4 bytes relative; the CFA is sp + 8, or sp on arm64. */
static inline uint64_t ff_add_usual_cie(struct frame_file *f)
{
	bool x86 = f->machine == EM_X86_64;
	struct ff_cie c = {.version = 1,
		.augmentation = "zR",
		.data = "\x1b",
		.data_len = 1,
		.code_align = x86 ? 1 : 4,
		.ra = x86 ? 16 : 30,
		.program = x86 ? "\x0c\x07\x08\x90\x01" : "\x0c\x1f\x00",
		.len = x86 ? 5 : 3};

	return ff_add_cie(f, &c);
}

/* `encoding`: FF_PCREL_SDATA4 or FF_UDATA8. With augmentation data, empty, where has_data. */
static inline uint64_t ff_add_fde_as(struct frame_file *f, uint64_t cie, uint8_t encoding,
	bool has_data, const uint64_t range[2], const char *program, size_t len)
{
	uint64_t at = ff_begin_record(f), here = f->records.len;
	struct strbuf *b = &f->records;

	put(b, f->debug ? cie : here - cie, f->debug && f->wide ? 8 : 4);
	if (encoding == FF_PCREL_SDATA4) {
		put(b, range[0] - (FF_EH + f->records.len), 4);
		put(b, range[1] - range[0], 4);
	} else {
		put(b, range[0], 8);
		put(b, range[1] - range[0], 8);
	}
	if (has_data)
		put(b, 0, 1);
	strbuf_add(b, program, len);
	ff_end_record(f, at);
	return at;
}

static inline uint64_t ff_add_fde(struct frame_file *f, uint64_t cie, uint64_t start, uint64_t end,
	const char *program, size_t len)
{
	return ff_add_fde_as(f, cie, FF_PCREL_SDATA4, true, (uint64_t[]){start, end}, program, len);
}

/* .eh_frame_hdr with a table of these entries: start, offset of the FDE. */
static inline void ff_add_hdr(struct frame_file *f, const uint64_t (*entries)[2], size_t count)
{
	strbuf_add(&f->hdr, "\x01\x1b\x03\x3b", 4);
	put(&f->hdr, FF_EH - (FF_HDR + 4), 4);
	put(&f->hdr, count, 4);
	for (size_t i = 0; i < count; i++) {
		put(&f->hdr, entries[i][0] - FF_HDR, 4);
		put(&f->hdr, FF_EH + entries[i][1] - FF_HDR, 4);
	}
}

static inline void ff_pad(struct strbuf *b, size_t len)
{
	while (b->len < len)
		strbuf_add_char(b, '\0');
}

static inline void ff_write(struct frame_file *f)
{
	static const char names[] = "\0.text\0.eh_frame\0.debug_frame\0.eh_frame_hdr\0.shstrtab";
	enum { TEXT = 1, EH = 7, DEBUG = 17, HDR = 30, SHSTRTAB = 44 };
	size_t names_at = FF_EH - FF_BASE + f->records.len,
	       sections_at = (names_at + sizeof(names) + 7) & ~7ul;
	Elf64_Ehdr e = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_EXEC,
		.e_machine = f->machine,
		.e_version = 1,
		.e_entry = f->entry,
		.e_phoff = sizeof(e),
		.e_shoff = f->no_sections ? 0 : sections_at,
		.e_ehsize = sizeof(e),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = f->hdr.len ? 2 : 1,
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = f->no_sections ? 0 : 5,
		.e_shstrndx = 4};
	Elf64_Phdr p[] = {{.p_type = PT_LOAD,
				  .p_flags = PF_R | PF_X,
				  .p_vaddr = FF_BASE,
				  .p_filesz = names_at,
				  .p_memsz = names_at,
				  .p_align = 4096},
		{.p_type = PT_GNU_EH_FRAME,
			.p_flags = PF_R,
			.p_offset = FF_HDR - FF_BASE,
			.p_vaddr = FF_HDR,
			.p_filesz = f->hdr.len,
			.p_memsz = f->hdr.len}};
	Elf64_Shdr s[] = {{0},
		{.sh_name = TEXT,
			.sh_type = SHT_PROGBITS,
			.sh_flags = SHF_ALLOC | SHF_EXECINSTR,
			.sh_addr = FF_TEXT,
			.sh_offset = FF_TEXT - FF_BASE,
			.sh_size = sizeof(f->text)},
		{.sh_name = f->debug ? DEBUG : EH,
			.sh_type = SHT_PROGBITS,
			.sh_flags = f->debug ? 0 : SHF_ALLOC,
			.sh_addr = f->debug ? 0 : FF_EH,
			.sh_offset = FF_EH - FF_BASE,
			.sh_size = f->records.len},
		{.sh_name = HDR,
			.sh_type = f->hdr.len ? SHT_PROGBITS : SHT_NULL,
			.sh_flags = SHF_ALLOC,
			.sh_addr = FF_HDR,
			.sh_offset = FF_HDR - FF_BASE,
			.sh_size = f->hdr.len},
		{.sh_name = SHSTRTAB,
			.sh_type = SHT_STRTAB,
			.sh_offset = names_at,
			.sh_size = sizeof(names)}};
	struct strbuf *b = &f->bytes;

	strbuf_add(b, &e, sizeof(e));
	strbuf_add(b, p, sizeof(p));
	ff_pad(b, FF_TEXT - FF_BASE);
	strbuf_add(b, f->text, sizeof(f->text));
	strbuf_add(b, f->hdr.buf, f->hdr.len);
	ff_pad(b, FF_EH - FF_BASE);
	strbuf_add(b, f->records.buf, f->records.len);
	strbuf_add(b, names, sizeof(names));
	ff_pad(b, sections_at);
	strbuf_add(b, s, sizeof(s));
}

static inline void ff_init(struct frame_file *f, uint16_t machine)
{
	memset(f, 0, sizeof(*f));
	f->machine = machine;
	f->hdr = f->records = f->bytes = STRBUF_INIT;
}

/* 0, or what elf_image_read() said of the file; then there is nothing to close but the buffers. */
static inline int ff_open(struct frame_file *f)
{
	if (!f->bytes.len)
		ff_write(f);
	f->source = byte_source_memory(f->bytes.buf, f->bytes.len);
	int r = elf_image_read(&f->source, &f->image);

	if (r == 0)
		f->ef = eh_frame_new(&f->source, &f->image);
	return r;
}

static inline void ff_close(struct frame_file *f)
{
	eh_frame_free(f->ef);
	if (f->ef)
		elf_image_release(&f->image);
	f->ef = NULL;
}

static inline void ff_release(struct frame_file *f)
{
	ff_close(f);
	strbuf_release(&f->hdr);
	strbuf_release(&f->records);
	strbuf_release(&f->bytes);
}

#endif
