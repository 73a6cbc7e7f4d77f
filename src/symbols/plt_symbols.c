// SPDX-License-Identifier: Apache-2.0
/*
 * Entries of procedure linkage tables, which have no symbols: each jumps through one slot, and a relocation
 * says whose address the slot takes. So the slot is read from the entry's instructions, for x86-64
 *
 *	[endbr64] [bnd] jmp *slot(%rip)		.plt, .plt.sec (-z ibtplt), .plt.got
 *
 * and for arm64
 *
 *	[bti c] adrp x16, page(slot); ldr x17, [x16, offset(slot)]; ...
 *
 * and the entry is called "malloc@plt". The references are offsets in .dynstr. 64-bit files only.
 */
#include "symbols/name_source.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/macros.h"
#include "base/scratch.h"
#include "symbols/elf_section.h"

/* Kept, of one file; the largest programs import some thousand functions. */
#define MAX_SLOTS       32768
/* Read of one file, most of which are relative ones; Chrome has 400,000. */
#define MAX_RELOCATIONS (1u << 20)
#define MAX_PLT         (1 << 20) /* bytes of one section: 65536 entries */
#define ENTRY           16
#define SHORT_ENTRY     8
#define CHUNK           256

enum plt_section { PLT, PLT_SEC, PLT_GOT, RELA_PLT, RELA_DYN, SECTIONS };

struct slot {
	uint64_t address;
	uint32_t symbol; /* in .dynsym */
};

struct slots {
	const struct elf_file *file;
	struct scratch list;
	size_t count;
};

static void slots_release(struct slots *s)
{
	scratch_release(&s->list);
}
#define cleanup_slots __attribute__((cleanup(slots_release)))

static bool is_import(uint16_t machine, uint64_t info)
{
	uint32_t type = ELF64_R_TYPE(info);

	if (!ELF64_R_SYM(info))
		return false;
	if (machine == EM_X86_64)
		return type == R_X86_64_JUMP_SLOT || type == R_X86_64_GLOB_DAT;
	return machine == EM_AARCH64 && (type == R_AARCH64_JUMP_SLOT || type == R_AARCH64_GLOB_DAT);
}

static void read_relocations(struct slots *s, const struct elf_section *section)
{
	Elf64_Rela chunk[CHUNK];
	uint64_t left = MIN(section->size / sizeof(chunk[0]), (uint64_t)MAX_RELOCATIONS);

	if (section->type != SHT_RELA)
		return;
	for (uint64_t at = section->offset; left && s->count < MAX_SLOTS;) {
		size_t n = (size_t)MIN(left, (uint64_t)CHUNK);

		if (byte_source_read(&s->file->source, at, chunk, n * sizeof(chunk[0])) < 0)
			return;
		for (size_t i = 0; i < n && s->count < MAX_SLOTS; i++) {
			if (!is_import(s->file->image.machine, chunk[i].r_info))
				continue;
			scratch_grow(&s->list, (s->count + 1) * sizeof(struct slot));
			((struct slot *)s->list.data)[s->count++] = (struct slot){chunk[i].r_offset,
				(uint32_t)ELF64_R_SYM(chunk[i].r_info)};
		}
		at += n * sizeof(chunk[0]);
		left -= n;
	}
}

static int by_address(const void *a, const void *b)
{
	const struct slot *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

static const struct slot *find_slot(const struct slots *s, uint64_t address)
{
	const struct slot key = {.address = address};

	return s->count ? bsearch(&key, s->list.data, s->count, sizeof(key), by_address) : NULL;
}

/* Where the name of the slot's symbol is in .dynstr; 0: nowhere. */
static uint32_t name_of_slot(const struct slots *s, const struct slot *slot)
{
	const struct elf_symbol_section *dynsym = &s->file->image.dynsym;
	uint64_t at = slot->symbol * sizeof(Elf64_Sym);
	Elf64_Sym sym;

	if (at >= dynsym->size ||
		byte_source_read(&s->file->source, dynsym->offset + at, &sym, sizeof(sym)) < 0)
		return 0;
	return sym.st_name;
}

/* The slot that an entry of x86-64 at `address` jumps through; 0: it is none. */
static uint64_t slot_of_x86(const uint8_t *code, size_t len, uint64_t address)
{
	static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
	size_t at = 0;
	int32_t displacement;

	if (len >= ENTRY && memcmp(code, endbr64, sizeof(endbr64)) == 0)
		at += sizeof(endbr64);
	if (len >= at + SHORT_ENTRY && code[at] == 0xf2) /* bnd */
		at++;
	if (len < at + 6 || code[at] != 0xff || code[at + 1] != 0x25)
		return 0;
	memcpy(&displacement, code + at + 2, sizeof(displacement));
	return address + at + 6 + (uint64_t)(int64_t)displacement;
}

static uint64_t slot_of_arm64(const uint8_t *code, size_t len, uint64_t address)
{
	uint32_t words[3];
	size_t at = 0;

	if (len < sizeof(words))
		return 0;
	memcpy(words, code, sizeof(words));
	if (words[0] == 0xd503245f) /* bti c */
		at = 1;
	uint32_t adrp = words[at], load = words[at + 1];

	if ((adrp & 0x9f00001f) != 0x90000010 || (load & 0xffc003ff) != 0xf9400211)
		return 0;
	uint64_t pages = (adrp >> 29 & 3) | (adrp >> 5 & 0x7ffff) << 2;
	uint64_t page = (address + at * 4) & ~UINT64_C(0xfff);

	if (pages & 1 << 20)
		pages |= UINT64_MAX << 21;
	return page + (pages << 12) + (load >> 10 & 0xfff) * 8;
}

struct plt_reader {
	const struct slots *slots;
	struct symbol_builder *builder;
	uint64_t digest;
};

/* Adds the entry at code[at], if it is one. Returns how long it is. */
static size_t take_entry(struct plt_reader *r, const uint8_t *code, size_t left, uint64_t address)
{
	uint64_t slot_address = r->slots->file->image.machine == EM_X86_64
		? slot_of_x86(code, left, address)
		: slot_of_arm64(code, left, address);
	const struct slot *slot = slot_address ? find_slot(r->slots, slot_address) : NULL;
	uint32_t name = slot ? name_of_slot(r->slots, slot) : 0;

	if (!name)
		return SHORT_ENTRY;
	/* Those of .plt.got are short unless they begin with endbr64. */
	size_t next = left >= ENTRY && r->slots->file->image.machine == EM_X86_64 &&
			slot_of_x86(code + SHORT_ENTRY, left - SHORT_ENTRY, address + SHORT_ENTRY)
		? SHORT_ENTRY
		: MIN((size_t)ENTRY, left);
	struct symbol symbol = {
		.start = address,
		.limit = address + next,
		.name = name,
		.class = SYMBOL_FUNCTION,
		.exported = true,
	};

	r->digest = hash_combine(r->digest, hash_combine(symbol.start, symbol.limit));
	r->digest = hash_combine(r->digest, name);
	symbol_builder_add(r->builder, &symbol);
	return next;
}

static int read_entries(struct plt_reader *r, const struct elf_section *section)
{
	struct scratch code cleanup_scratch = {0};
	size_t size = 0;
	int err = elf_section_read(&r->slots->file->source, section, MAX_PLT, &code, &size);

	if (err < 0)
		return err == -ENOENT || err == -E2BIG ? 0 : err;
	for (size_t at = 0; at + SHORT_ENTRY <= size;)
		at += take_entry(r, (const uint8_t *)code.data + at, size - at,
			section->address + at);
	return 0;
}

static int plt_read(const struct name_files *files, struct symbol_builder *builder,
	uint64_t *ret_digest)
{
	static const char *const names[SECTIONS] = {".plt", ".plt.sec", ".plt.got", ".rela.plt",
		".rela.dyn"};
	struct slots slots cleanup_slots = {.file = files->main};
	struct plt_reader r = {.slots = &slots, .builder = builder, .digest = hash_string("plt")};
	struct elf_section sections[SECTIONS];
	int err = 0;

	*ret_digest = r.digest;
	if (!files->main->image.is_64 || !files->main->image.dynsym.size ||
		elf_sections_find(&files->main->source, names, SECTIONS, sections) < 1)
		return 0;
	read_relocations(&slots, &sections[RELA_PLT]);
	read_relocations(&slots, &sections[RELA_DYN]);
	if (slots.count)
		qsort(slots.list.data, slots.count, sizeof(struct slot), by_address);
	for (size_t i = PLT; i <= PLT_GOT && err == 0; i++)
		err = read_entries(&r, &sections[i]);
	*ret_digest = r.digest;
	return err;
}

static int plt_name(const struct name_files *files, const struct symbol_match *match,
	struct strbuf *out, enum name_origin *ret_origin)
{
	const struct elf_symbol_section *dynsym = &files->main->image.dynsym;
	size_t before = out->len;
	int r = elf_string_read(&files->main->source, dynsym->strings_offset, dynsym->strings_size,
		match->names[0], out);

	if (r < 0)
		return r;
	*ret_origin = NAME_PLT;
	if (out->len == before)
		return -ENOENT;
	strbuf_add_str(out, "@plt");
	return 0;
}

const struct name_source plt_source = {
	.label = "plt",
	.read = plt_read,
	.name = plt_name,
};
