// SPDX-License-Identifier: Apache-2.0
/*
 * Which symbols are functions:
 * - STT_FUNC and STT_GNU_IFUNC (the resolver, until it has run) in executable segments;
 * - STT_NOTYPE in sections with code: labels that an assembler programmer did not type. They count less,
 *   and not at all if local on machines where the assembler marks code and data that way ($x, $d).
 *
 * A size of 0 says "unknown", not "reaches to the next symbol": between hand-written functions there may
 * be others whose names were stripped. Such a symbol is believed up to the next symbol or the end of
 * its section, but no further than UNSIZED_REACH.
 *
 * .symtab first, the file's own or else that of its separate debug file. A linker puts each symbol of .dynsym
 * into .symtab too, so .dynsym only adds where .symtab starts nothing, and is read no further than it takes to
 * see that it adds nothing. Where both are stripped away, the usual case in distributions, .gnu_debugdata has the
 * functions that .dynsym does not: then all count alike. A name is a table (2 bits) and an offset in its strings.
 *
 * Of several names for one function the one with the fewest leading underscores is shown, then the
 * shortest, then the first in byte order: "malloc" before "__libc_malloc".
 */
#include "symbols/name_source.h"

#include <elf.h>
#include <string.h>

#include "base/hash.h"
#include "base/macros.h"
#include "symbols/elf_section.h"

/* Symbols looked at per section, data and those of other files included. */
#define MAX_SYMBOLS   (4u << 20)
/* The largest hand-written routines (cryptography, memcpy families) have some KiB. */
#define UNSIZED_REACH 16384
#define CHUNK         1024 /* symbols read at once */
/* So many of .dynsym that .symtab has all speak for the rest: they are in the order of a hash, not of their names. */
#define KNOWN_ENOUGH  512

enum symbol_tables { TABLE_SYMTAB, TABLE_DYNSYM, TABLE_DEBUG_FILE, TABLE_DEBUGDATA };

#define TABLE_BITS 2
#define MAX_OFFSET                                                                                 \
	(UINT32_MAX >> TABLE_BITS) /* no string table has 1 GiB; nothing is named there */
#define TABLE_MASK ((1u << TABLE_BITS) - 1)

struct reader {
	const struct elf_image *main; /* whose segments are loaded */
	const struct elf_image *image; /* whose symbols these are: the same, or of a debug file */
	struct symbol_builder *builder;
	enum symbol_tables table;
	bool only_new; /* not where a symbol starts already */
	size_t known; /* where one did */
	bool mapping_symbols; /* local NOTYPE symbols are the assembler's */
	uint64_t digest;
};

static void add_to_digest(struct reader *r, const void *data, size_t len)
{
	r->digest = hash_combine(r->digest, hash_bytes(data, len));
}

static const struct elf_segment *executable_segment(const struct elf_image *image, uint64_t address)
{
	for (size_t i = 0; i < image->segment_count; i++) {
		const struct elf_segment *s = &image->segments[i];

		if (s->executable && address >= s->address && address - s->address < s->memory_size)
			return s;
	}
	return NULL;
}

/* Where the symbol must end at the latest; 0 where it is no function. */
static uint64_t limit_of(const struct reader *r, const Elf64_Sym *sym, enum symbol_class class)
{
	const struct elf_code_section *code = elf_image_code_section(r->image, sym->st_shndx);
	const struct elf_segment *segment = executable_segment(r->main, sym->st_value);
	uint64_t end;

	if (!segment || sym->st_shndx == SHN_UNDEF)
		return 0;
	if (class == SYMBOL_FUNCTION || class == SYMBOL_LABEL) {
		end = segment->address + segment->memory_size;
		if (sym->st_size < end - sym->st_value)
			end = sym->st_value + sym->st_size;
	} else {
		end = sym->st_value + UNSIZED_REACH;
	}
	if (class == SYMBOL_FUNCTION)
		return end;
	if (!code || sym->st_value < code->start || sym->st_value >= code->end)
		return 0;
	return MIN(end, code->end);
}

static void take_symbol(struct reader *r, const Elf64_Sym *sym)
{
	int type = ELF64_ST_TYPE(sym->st_info), binding = ELF64_ST_BIND(sym->st_info);
	enum symbol_class class;

	if (type == STT_FUNC || type == STT_GNU_IFUNC)
		class = sym->st_size ? SYMBOL_FUNCTION : SYMBOL_UNSIZED;
	else if (type == STT_NOTYPE && !(r->mapping_symbols && binding == STB_LOCAL))
		class = sym->st_size ? SYMBOL_LABEL : SYMBOL_UNSIZED_LABEL;
	else
		return;
	if (!sym->st_name)
		return;
	if (r->only_new && symbol_builder_has(r->builder, sym->st_value)) {
		r->known++;
		return;
	}
	struct symbol symbol = {
		.start = sym->st_value,
		.limit = limit_of(r, sym, class),
		.name = MIN(sym->st_name, MAX_OFFSET) << TABLE_BITS | (uint32_t)r->table,
		.class = class,
		.exported = binding != STB_LOCAL,
	};

	symbol_builder_add(r->builder, &symbol);
}

static void take_chunk(struct reader *r, const void *chunk, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		Elf64_Sym sym;

		if (r->image->is_64) {
			sym = ((const Elf64_Sym *)chunk)[i];
		} else {
			const Elf32_Sym *s = &((const Elf32_Sym *)chunk)[i];

			sym = (Elf64_Sym){.st_name = s->st_name,
				.st_info = s->st_info,
				.st_shndx = s->st_shndx,
				.st_value = s->st_value,
				.st_size = s->st_size};
		}
		take_symbol(r, &sym);
	}
}

/* Nothing was stripped of .symtab but what .dynsym has; in a browser that is a third of all there is to read. */
static bool nothing_is_new(const struct reader *r)
{
	return r->only_new && r->known >= KNOWN_ENOUGH && r->builder->count == r->builder->sorted;
}

static int read_section(struct reader *r, const struct byte_source *source,
	const struct elf_symbol_section *section)
{
	struct scratch chunk cleanup_scratch = {0};
	size_t size = r->image->is_64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
	uint64_t left = MIN(section->size / size, (uint64_t)MAX_SYMBOLS);

	scratch_grow(&chunk, CHUNK * size);
	add_to_digest(r, section, sizeof(*section));
	for (uint64_t at = section->offset; left && !nothing_is_new(r);) {
		size_t n = (size_t)MIN(left, (uint64_t)CHUNK);
		int err = byte_source_read(source, at, chunk.data, n * size);

		if (err < 0)
			return err;
		add_to_digest(r, chunk.data, n * size);
		take_chunk(r, chunk.data, n);
		at += n * size;
		left -= n;
	}
	return 0;
}

/* What the meaning of symbols depends on. */
static void add_image_to_digest(struct reader *r, const struct elf_image *image)
{
	add_to_digest(r, (uint64_t[]){image->machine, image->is_64}, 2 * sizeof(uint64_t));
	for (size_t i = 0; i < image->segment_count; i++) {
		const struct elf_segment *s = &image->segments[i];
		uint64_t used[] = {s->address, s->memory_size, s->executable};

		add_to_digest(r, used, sizeof(used));
	}
	for (size_t i = 0; i < image->code_count; i++) {
		const struct elf_code_section *c = &image->code[i];
		uint64_t used[] = {c->index, c->start, c->end};

		add_to_digest(r, used, sizeof(used));
	}
}

static const struct elf_symbol_section *section_of(const struct elf_image *image,
	enum symbol_tables table)
{
	return table == TABLE_DYNSYM ? &image->dynsym : &image->symtab;
}

static int read_table(struct reader *r, const struct elf_file *file, enum symbol_tables table)
{
	uint32_t number = table;

	r->image = &file->image;
	r->table = table;
	add_to_digest(r, &number, sizeof(number));
	add_image_to_digest(r, &file->image);
	return read_section(r, &file->source, section_of(&file->image, table));
}

static int elf_symbols_read(const struct name_files *files, struct symbol_builder *builder,
	uint64_t *ret_digest)
{
	const struct elf_image *main = &files->main->image;
	const struct elf_file *debugdata = NULL;
	struct reader r = {
		.main = main,
		.builder = builder,
		.mapping_symbols = main->machine == EM_AARCH64 || main->machine == EM_ARM ||
			main->machine == EM_RISCV,
	};
	int err = 0;

	if (main->symtab.size)
		err = read_table(&r, files->main, TABLE_SYMTAB);
	else if (files->debug)
		err = read_table(&r, files->debug, TABLE_DEBUG_FILE);
	else if (files->debugdata)
		debugdata = files->debugdata(files->owner, true);
	if (debugdata)
		err = read_table(&r, debugdata, TABLE_DEBUGDATA);
	symbol_builder_sort(builder);
	r.only_new = !debugdata;
	int dynamic_err = read_table(&r, files->main, TABLE_DYNSYM);

	*ret_digest = r.digest;
	return err < 0 ? err : dynamic_err;
}

/* Fedora's annobin marks code with local symbols. */
static bool usable(const char *name)
{
	return *name && strncmp(name, ".annobin", 8) != 0;
}

/* .symtab has the version of an exported function in its name: "malloc@@GLIBC_2.2.5". */
static void cut_version(struct strbuf *name)
{
	const char *at = strchr(name->buf, '@');
	const char *version = at ? at + 1 + (at[1] == '@') : NULL;

	if (version && at > name->buf && *version >= 'A' && *version <= 'Z')
		strbuf_set_len(name, (size_t)(at - name->buf));
}

static bool nicer(const struct strbuf *a, const struct strbuf *b)
{
	size_t bars_a = strspn(a->buf, "_"), bars_b = strspn(b->buf, "_");

	if (bars_a != bars_b)
		return bars_a < bars_b;
	if (a->len != b->len)
		return a->len < b->len;
	return strcmp(a->buf, b->buf) < 0;
}

static const struct elf_file *file_of(const struct name_files *files, enum symbol_tables table)
{
	if (table == TABLE_DEBUG_FILE)
		return files->debug;
	if (table == TABLE_DEBUGDATA)
		return files->debugdata ? files->debugdata(files->owner, false) : NULL;
	return files->main;
}

static int read_name_of(const struct name_files *files, uint32_t ref, struct strbuf *out)
{
	enum symbol_tables table = ref & TABLE_MASK;
	const struct elf_file *file = file_of(files, table);

	if (!file)
		return table == TABLE_DEBUGDATA ? -EAGAIN : -ENOENT;
	const struct elf_symbol_section *s = section_of(&file->image, table);

	return elf_string_read(&file->source, s->strings_offset, s->strings_size, ref >> TABLE_BITS,
		out);
}

static int elf_symbols_name(const struct name_files *files, const struct symbol_match *match,
	struct strbuf *out, enum name_origin *ret_origin)
{
	static const enum name_origin origins[] = {
		[TABLE_SYMTAB] = NAME_SYMTAB,
		[TABLE_DYNSYM] = NAME_DYNSYM,
		[TABLE_DEBUG_FILE] = NAME_DEBUG_FILE,
		[TABLE_DEBUGDATA] = NAME_DEBUGDATA,
	};
	struct strbuf best cleanup_strbuf = STRBUF_INIT, name cleanup_strbuf = STRBUF_INIT;
	int err = -ENOENT;

	for (size_t i = 0; i < match->name_count; i++) {
		strbuf_reset(&name);
		int r = read_name_of(files, match->names[i], &name);

		cut_version(&name);
		if (r < 0)
			err = err == -EAGAIN ? err : r;
		else if (usable(name.buf) && (!best.len || nicer(&name, &best))) {
			strbuf_reset(&best);
			strbuf_add(&best, name.buf, name.len);
			*ret_origin = origins[match->names[i] & TABLE_MASK];
		}
	}
	if (!best.len)
		return err;
	strbuf_add(out, best.buf, best.len);
	return 0;
}

const struct name_source elf_symbols_source = {
	.label = "symtab",
	.read = elf_symbols_read,
	.name = elf_symbols_name,
};
