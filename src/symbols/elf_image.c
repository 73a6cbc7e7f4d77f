// SPDX-License-Identifier: Apache-2.0
/*
 * The headers are read in small portions into stack buffers, through byte_source_read(), which checks
 * every offset against the size of the file. 32-bit structures are widened as they are read, so that
 * the rest knows one kind.
 *
 *	ELF header -> program headers: PT_LOAD -> segments, PT_NOTE -> build id
 *	           -> section headers: code, .symtab, .dynsym, notes -> build id if there was none
 */
#include "symbols/elf_image.h"

#include <elf.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cursor.h"
#include "base/sha1.h"

/* The kernel maps no program with more than 64 KiB of program headers. */
#define MAX_PROGRAM_HEADERS (65536 / sizeof(Elf64_Phdr))
#define MAX_SEGMENTS        256 /* PT_LOADs; linkers write 2 to 5, Go and kernels a few more */
/* As many as fit 16 bits. Objects of -ffunction-sections have more, but those are not mapped. */
#define MAX_SECTIONS        65536
#define MAX_CODE_SECTIONS   1024
/* Notes are tiny; core files have large ones, and those have no build id of ours. */
#define MAX_NOTES           65536
#define MAX_NOTE_AREAS      32
#define MAX_NAMES           65536 /* bytes of section names; programs have some hundred */
#define CHUNK               64 /* headers read at once */

#define SHT_X86_64_UNWIND 0x70000001 /* psABI of x86-64: what some linkers call .eh_frame */

#define NT_GO_BUILD_ID 4 /* cmd/internal/buildid of Go: name "Go" */

struct header {
	uint64_t phoff, shoff;
	uint32_t phentsize, phnum, shentsize, shnum, shstrndx;
};

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NATIVE_DATA ELFDATA2LSB
#else
#define NATIVE_DATA ELFDATA2MSB
#endif

static int read_header(const struct byte_source *source, struct elf_image *image,
	struct header *ret)
{
	union {
		unsigned char ident[EI_NIDENT];
		Elf64_Ehdr h64;
		Elf32_Ehdr h32;
	} u = {0};

	if (byte_source_read(source, 0, &u, sizeof(u.h32)) < 0 ||
		memcmp(u.ident, ELFMAG, SELFMAG) != 0 || u.ident[EI_DATA] != NATIVE_DATA)
		return -ENOEXEC;
	image->is_64 = u.ident[EI_CLASS] == ELFCLASS64;
	image->machine = u.h64.e_machine; /* at the same place in both */
	if (!image->is_64) {
		if (u.ident[EI_CLASS] != ELFCLASS32)
			return -ENOEXEC;
		*ret = (struct header){u.h32.e_phoff, u.h32.e_shoff, u.h32.e_phentsize,
			u.h32.e_phnum, u.h32.e_shentsize, u.h32.e_shnum, u.h32.e_shstrndx};
		image->entry = u.h32.e_entry;
		return 0;
	}
	int r = byte_source_read(source, 0, &u.h64, sizeof(u.h64));

	if (r < 0)
		return r;
	*ret = (struct header){u.h64.e_phoff, u.h64.e_shoff, u.h64.e_phentsize, u.h64.e_phnum,
		u.h64.e_shentsize, u.h64.e_shnum, u.h64.e_shstrndx};
	image->entry = u.h64.e_entry;
	return 0;
}

/* One table of headers, read in portions. */
struct table {
	const struct byte_source *source;
	bool is_64;
	uint64_t offset;
	uint32_t size_32, size_64; /* of one element */
	uint32_t count;
	uint32_t first, loaded; /* what is in buf */
	union {
		Elf64_Phdr p64[CHUNK];
		Elf32_Phdr p32[CHUNK];
		Elf64_Shdr s64[CHUNK];
		Elf32_Shdr s32[CHUNK];
	} buf;
};

/* Makes element i available at buf index *ret. */
static int table_load(struct table *t, uint32_t i, uint32_t *ret)
{
	if (i < t->first || i - t->first >= t->loaded) {
		uint32_t n = MIN(t->count - i, (uint32_t)CHUNK);
		uint64_t size = t->is_64 ? t->size_64 : t->size_32, at;

		if (__builtin_add_overflow(t->offset, i * size, &at))
			return -EINVAL;
		int r = byte_source_read(t->source, at, &t->buf, n * size);

		if (r < 0)
			return r;
		t->first = i;
		t->loaded = n;
	}
	*ret = i - t->first;
	return 0;
}

static int table_program(struct table *t, uint32_t i, Elf64_Phdr *ret)
{
	uint32_t k = 0;
	int r = table_load(t, i, &k);

	if (r < 0)
		return r;
	if (t->is_64) {
		*ret = t->buf.p64[k];
		return 0;
	}
	const Elf32_Phdr *p = &t->buf.p32[k];

	*ret = (Elf64_Phdr){.p_type = p->p_type,
		.p_flags = p->p_flags,
		.p_offset = p->p_offset,
		.p_vaddr = p->p_vaddr,
		.p_filesz = p->p_filesz,
		.p_memsz = p->p_memsz,
		.p_align = p->p_align};
	return 0;
}

static int table_section(struct table *t, uint32_t i, Elf64_Shdr *ret)
{
	uint32_t k = 0;
	int r = table_load(t, i, &k);

	if (r < 0)
		return r;
	if (t->is_64) {
		*ret = t->buf.s64[k];
		return 0;
	}
	const Elf32_Shdr *s = &t->buf.s32[k];

	*ret = (Elf64_Shdr){.sh_type = s->sh_type,
		.sh_flags = s->sh_flags,
		.sh_addr = s->sh_addr,
		.sh_offset = s->sh_offset,
		.sh_size = s->sh_size,
		.sh_link = s->sh_link,
		.sh_addralign = s->sh_addralign,
		.sh_entsize = s->sh_entsize};
	return 0;
}

static void take_note(struct elf_image *image, uint32_t type, const char *name, size_t name_len,
	const uint8_t *data, size_t len)
{
	bool has_gnu = image->build_id_len && !image->build_id_is_go;

	if (type == NT_GNU_BUILD_ID && name_len == 4 && memcmp(name, "GNU", 4) == 0 && len >= 4 &&
		len <= BUILD_ID_MAX) {
		memcpy(image->build_id, data, len);
		image->build_id_len = len;
		image->build_id_is_go = false;
	} else if (type == NT_GO_BUILD_ID && name_len == 4 && memcmp(name, "Go\0", 4) == 0 && len) {
		image->is_go = true;
		if (has_gnu || image->go_build_id)
			return;
		sha1(data, len, image->build_id);
		image->build_id_len = SHA1_SIZE;
		image->build_id_is_go = true;
		image->go_build_id =
			xstrndup((const char *)data, MIN(len, (size_t)ELF_GO_BUILD_ID_MAX));
	}
}

/* | namesz | descsz | type | name, padded | desc, padded | ... */
static void read_notes(const struct byte_source *source, const Elf64_Shdr *area,
	struct elf_image *image)
{
	if (area->sh_size > MAX_NOTES)
		return;
	size_t size = (size_t)area->sh_size;
	uint8_t *notes = xmalloc(size);
	size_t align = area->sh_addralign == 8 ? 8 : 4;

	if (byte_source_read(source, area->sh_offset, notes, size) == 0) {
		struct cursor c = cursor_over(notes, size);

		while (!c.failed && c.left) {
			uint32_t name_len = cursor_u32(&c), len = cursor_u32(&c);
			uint32_t type = cursor_u32(&c);
			const uint8_t *name = cursor_take(&c, name_len);

			cursor_align(&c, notes, align);
			const uint8_t *data = cursor_take(&c, len);

			cursor_align(&c, notes, align);
			if (name && data)
				take_note(image, type, (const char *)name, name_len, data, len);
		}
	}
	free(notes);
}

static int read_segments(struct table *t, struct elf_image *image)
{
	Elf64_Phdr p;
	int notes = 0;

	for (uint32_t i = 0; i < t->count; i++) {
		int r = table_program(t, i, &p);

		if (r < 0)
			return r;
		if (p.p_type == PT_NOTE && notes++ < MAX_NOTE_AREAS)
			read_notes(t->source,
				&(Elf64_Shdr){.sh_offset = p.p_offset,
					.sh_size = p.p_filesz,
					.sh_addralign = p.p_align},
				image);
		if (p.p_type == PT_GNU_EH_FRAME)
			image->named[ELF_EH_FRAME_HDR] =
				(struct elf_area){p.p_offset, p.p_filesz, p.p_vaddr};
		if (p.p_type != PT_LOAD || image->segment_count == MAX_SEGMENTS ||
			p.p_vaddr > UINT64_MAX - p.p_memsz || p.p_offset > UINT64_MAX - p.p_filesz)
			continue;
		image->segments = xreallocarray(image->segments, image->segment_count + 1,
			sizeof(image->segments[0]));
		image->segments[image->segment_count++] = (struct elf_segment){
			.offset = p.p_offset,
			.file_size = p.p_filesz,
			.address = p.p_vaddr,
			.memory_size = p.p_memsz,
			.executable = p.p_flags & PF_X,
		};
	}
	return 0;
}

static void take_symbols(struct table *t, const Elf64_Shdr *s, struct elf_symbol_section *ret)
{
	Elf64_Shdr strings;
	size_t want = t->is_64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);

	if (ret->size || s->sh_entsize != want || s->sh_link >= t->count ||
		table_section(t, s->sh_link, &strings) < 0 || strings.sh_type != SHT_STRTAB)
		return;
	*ret = (struct elf_symbol_section){
		.offset = s->sh_offset,
		.size = s->sh_size,
		.strings_offset = strings.sh_offset,
		.strings_size = strings.sh_size,
	};
}

static void take_code(struct elf_image *image, uint32_t index, const Elf64_Shdr *s)
{
	uint64_t end;

	if (image->code_count == MAX_CODE_SECTIONS ||
		__builtin_add_overflow(s->sh_addr, s->sh_size, &end))
		return;
	image->code = xreallocarray(image->code, image->code_count + 1, sizeof(image->code[0]));
	image->code[image->code_count++] =
		(struct elf_code_section){.index = index, .start = s->sh_addr, .end = end};
}

/* The names of sections. */
struct names {
	char *text; /* ends with a NUL */
	size_t size;
};

static void names_release(struct names *names)
{
	free(names->text);
}
#define cleanup_names __attribute__((cleanup(names_release)))

static void names_read(struct names *names, struct table *t, uint32_t section)
{
	Elf64_Shdr s;

	if (section >= t->count || table_section(t, section, &s) < 0)
		return;
	names->size = (size_t)MIN(s.sh_size, (uint64_t)MAX_NAMES);
	names->text = xcalloc(1, names->size + 1);
	if (byte_source_read(t->source, s.sh_offset, names->text, names->size) < 0)
		names->size = 0;
}

static void take_named(struct elf_image *image, const struct names *names, const Elf64_Shdr *s)
{
	static const char *const known[ELF_NAMED_COUNT] = {
		[ELF_EH_FRAME] = ".eh_frame",
		[ELF_EH_FRAME_HDR] = ".eh_frame_hdr",
		[ELF_DEBUG_FRAME] = ".debug_frame",
	};

	if (s->sh_name >= names->size || s->sh_flags & SHF_COMPRESSED)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (!image->named[i].size && strcmp(names->text + s->sh_name, known[i]) == 0)
			image->named[i] = (struct elf_area){s->sh_offset, s->sh_size, s->sh_addr};
}

static int read_sections(struct table *t, uint32_t names_section, struct elf_image *image)
{
	struct names names cleanup_names = {0};
	Elf64_Shdr s;
	int notes = image->build_id_len ? MAX_NOTE_AREAS : 0;

	names_read(&names, t, names_section);
	for (uint32_t i = 0; i < t->count; i++) {
		int r = table_section(t, i, &s);

		if (r < 0)
			return r;
		if (s.sh_type == SHT_PROGBITS || s.sh_type == SHT_X86_64_UNWIND)
			take_named(image, &names, &s);
		if (s.sh_type == SHT_SYMTAB)
			take_symbols(t, &s, &image->symtab);
		else if (s.sh_type == SHT_DYNSYM)
			take_symbols(t, &s, &image->dynsym);
		else if (s.sh_type == SHT_NOTE && notes++ < MAX_NOTE_AREAS)
			read_notes(t->source, &s, image);
		else if ((s.sh_type == SHT_PROGBITS || s.sh_type == SHT_NOBITS) &&
			s.sh_flags & SHF_EXECINSTR) /* debug files have code without contents */
			take_code(image, i, &s);
	}
	return 0;
}

int elf_image_read(const struct byte_source *source, struct elf_image *ret)
{
	struct elf_image image = {0};
	struct header h = {0};
	int r = read_header(source, &image, &h);

	if (r < 0)
		return r;
	struct table programs = {.source = source,
		.is_64 = image.is_64,
		.offset = h.phoff,
		.size_32 = sizeof(Elf32_Phdr),
		.size_64 = sizeof(Elf64_Phdr),
		.count = h.phoff ? MIN(h.phnum, (uint32_t)MAX_PROGRAM_HEADERS) : 0};
	struct table sections = {.source = source,
		.is_64 = image.is_64,
		.offset = h.shoff,
		.size_32 = sizeof(Elf32_Shdr),
		.size_64 = sizeof(Elf64_Shdr),
		.count = h.shoff ? MIN(h.shnum, (uint32_t)MAX_SECTIONS) : 0};

	if (programs.count &&
		h.phentsize != (image.is_64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)))
		return -EINVAL;
	if (sections.count &&
		h.shentsize != (image.is_64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr)))
		sections.count = 0;
	r = read_segments(&programs, &image);
	/* A file whose section headers are cut off runs all the same: it just has no names. */
	if (r == 0 && read_sections(&sections, h.shstrndx, &image) < 0)
		image.symtab = image.dynsym = (struct elf_symbol_section){0};
	if (r < 0) {
		elf_image_release(&image);
		return r;
	}
	*ret = image;
	return 0;
}

void elf_image_release(struct elf_image *image)
{
	free(image->segments);
	free(image->code);
	free(image->go_build_id);
	*image = (struct elf_image){0};
}

bool elf_image_address(const struct elf_image *image, uint64_t offset, uint64_t *ret)
{
	for (int executable = 1; executable >= 0; executable--)
		for (size_t i = 0; i < image->segment_count; i++) {
			const struct elf_segment *s = &image->segments[i];

			if (s->executable != (bool)executable || offset < s->offset ||
				offset - s->offset >= s->file_size)
				continue;
			*ret = s->address + (offset - s->offset);
			return true;
		}
	return false;
}

bool elf_image_offset(const struct elf_image *image, uint64_t address, uint64_t *ret,
	uint64_t *ret_left)
{
	for (int executable = 1; executable >= 0; executable--)
		for (size_t i = 0; i < image->segment_count; i++) {
			const struct elf_segment *s = &image->segments[i];

			if (s->executable != (bool)executable || address < s->address ||
				address - s->address >= s->file_size)
				continue;
			*ret = s->offset + (address - s->address);
			*ret_left = s->file_size - (address - s->address);
			return true;
		}
	return false;
}

bool elf_image_is_code(const struct elf_image *image, uint64_t address)
{
	for (size_t i = 0; i < image->segment_count; i++) {
		const struct elf_segment *s = &image->segments[i];

		if (s->executable && address >= s->address && address - s->address < s->memory_size)
			return true;
	}
	return false;
}

const struct elf_segment *elf_image_code_segment(const struct elf_image *image)
{
	const struct elf_segment *largest = NULL;

	for (size_t i = 0; i < image->segment_count; i++) {
		const struct elf_segment *s = &image->segments[i];

		if (s->executable && (!largest || s->memory_size > largest->memory_size))
			largest = s;
	}
	return largest;
}

const struct elf_code_section *elf_image_code_section(const struct elf_image *image, uint32_t index)
{
	size_t lo = 0, hi = image->code_count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (image->code[mid].index == index)
			return &image->code[mid];
		if (image->code[mid].index < index)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}
