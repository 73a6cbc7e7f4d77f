// SPDX-License-Identifier: Apache-2.0
/* ELF files made up in memory, to ask for what no linker writes. */
#include <elf.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/hex.h"
#include "symbols/name_source.h"
#include "unit.h"

#define TEXT    0x401000
#define TEXT_SZ 0x20000

struct file {
	Elf64_Ehdr header;
	Elf64_Phdr programs[3];
	Elf64_Shdr sections[6];
	char note[64];
	Elf64_Sym symbols[16], dynamic[8];
	char strings[512];
};

enum { NONE, CODE, SYMTAB, STRTAB, DYNSYM, DATA };

static size_t symbol_count(const struct file *f)
{
	return f->sections[SYMTAB].sh_size / sizeof(Elf64_Sym);
}

static void make_file(struct file *f)
{
	*f = (struct file){
		.header = {.e_machine = EM_X86_64,
			.e_type = ET_EXEC,
			.e_phoff = offsetof(struct file, programs),
			.e_phnum = 3,
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_shoff = offsetof(struct file, sections),
			.e_shnum = 6,
			.e_shentsize = sizeof(Elf64_Shdr)},
		.programs = {{.p_type = PT_LOAD,
				     .p_flags = PF_R,
				     .p_vaddr = 0x400000,
				     .p_filesz = 0x1800,
				     .p_memsz = 0x1800},
			{.p_type = PT_LOAD,
				.p_flags = PF_R | PF_X,
				.p_offset = 0x1000,
				.p_vaddr = TEXT,
				.p_filesz = TEXT_SZ,
				.p_memsz = TEXT_SZ},
			{.p_type = PT_NOTE, .p_offset = offsetof(struct file, note)}},
		.sections = {[CODE] = {.sh_type = SHT_PROGBITS,
				     .sh_flags = SHF_ALLOC | SHF_EXECINSTR,
				     .sh_addr = TEXT,
				     .sh_size = TEXT_SZ},
			[SYMTAB] = {.sh_type = SHT_SYMTAB,
				.sh_link = STRTAB,
				.sh_offset = offsetof(struct file, symbols),
				.sh_entsize = sizeof(Elf64_Sym)},
			[STRTAB] = {.sh_type = SHT_STRTAB,
				.sh_size = 1,
				.sh_offset = offsetof(struct file, strings)},
			[DYNSYM] = {.sh_type = SHT_DYNSYM,
				.sh_link = STRTAB,
				.sh_offset = offsetof(struct file, dynamic),
				.sh_entsize = sizeof(Elf64_Sym)},
			[DATA] = {.sh_type = SHT_PROGBITS, .sh_addr = 0x400000, .sh_size = 0x1000}},
	};
	memcpy(f->header.e_ident, ELFMAG, SELFMAG);
	f->header.e_ident[EI_CLASS] = ELFCLASS64;
	f->header.e_ident[EI_DATA] =
		__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
}

static Elf64_Sym make_symbol(struct file *f, const char *name, uint64_t start, uint64_t size,
	int type, int binding)
{
	Elf64_Sym sym = {.st_name = (uint32_t)f->sections[STRTAB].sh_size,
		.st_value = TEXT + start,
		.st_size = size,
		.st_info = (unsigned char)ELF64_ST_INFO(binding, type),
		.st_shndx = CODE};

	ck_assert_uint_lt(sym.st_name + strlen(name) + 1, sizeof(f->strings));
	memcpy(f->strings + sym.st_name, name, strlen(name) + 1);
	f->sections[STRTAB].sh_size += strlen(name) + 1;
	return sym;
}

static Elf64_Sym *add(struct file *f, const char *name, uint64_t start, uint64_t size, int type,
	int binding)
{
	Elf64_Sym *sym = &f->symbols[symbol_count(f)];

	ck_assert_uint_lt(symbol_count(f), ARRAY_SIZE(f->symbols));
	*sym = make_symbol(f, name, start, size, type, binding);
	f->sections[SYMTAB].sh_size += sizeof(*sym);
	return sym;
}

static void add_function(struct file *f, const char *name, uint64_t start, uint64_t size)
{
	add(f, name, start, size, STT_FUNC, STB_GLOBAL);
}

static void add_dynamic(struct file *f, const char *name, uint64_t start, uint64_t size)
{
	size_t count = f->sections[DYNSYM].sh_size / sizeof(Elf64_Sym);

	ck_assert_uint_lt(count, ARRAY_SIZE(f->dynamic));
	f->dynamic[count] = make_symbol(f, name, start, size, STT_FUNC, STB_GLOBAL);
	f->sections[DYNSYM].sh_size += sizeof(Elf64_Sym);
}

/* The name at TEXT + offset, "" where there is none. Valid until the next call. */
static const char *name_in(const void *data, size_t size, uint64_t offset)
{
	static char result[256];
	struct elf_file file = {.source = byte_source_memory(data, size)};
	const struct name_files files = {.main = &file};
	struct symbol_builder builder cleanup_symbol_builder = {0};
	struct strbuf name cleanup_strbuf = STRBUF_INIT;
	struct symbol_match match;
	enum name_origin origin;
	uint64_t digest = 0;

	ck_assert_int_eq(elf_image_read(&file.source, &file.image), 0);
	ck_assert_int_eq(elf_symbols_source.read(&files, &builder, &digest), 0);
	struct symbol_table *table = symbol_builder_finish(&builder);

	if (symbol_table_find(table, TEXT + offset, &match) &&
		elf_symbols_source.name(&files, &match, &name, &origin) < 0)
		strbuf_reset(&name);
	symbol_table_free(table);
	elf_image_release(&file.image);
	ck_assert_uint_lt(name.len, sizeof(result));
	memcpy(result, name.buf, name.len + 1);
	return result;
}

static const char *name_at(const struct file *f, uint64_t offset)
{
	return name_in(f, sizeof(*f), offset);
}

START_TEST(a_size_is_honoured)
{
	struct file f;

	make_file(&f);
	add_function(&f, "second", 0x30, 0x10);
	add_function(&f, "first", 0x10, 0x10);
	ck_assert_str_eq(name_at(&f, 0xf), "");
	ck_assert_str_eq(name_at(&f, 0x10), "first");
	ck_assert_str_eq(name_at(&f, 0x1f), "first");
	ck_assert_str_eq(name_at(&f, 0x20), "");
	ck_assert_str_eq(name_at(&f, 0x2f), "");
	ck_assert_str_eq(name_at(&f, 0x3f), "second");
	ck_assert_str_eq(name_at(&f, 0x40), "");
}
END_TEST

START_TEST(the_inner_of_nested_symbols_owns_its_addresses)
{
	struct file f;

	make_file(&f);
	add_function(&f, "outer", 0x100, 0x100);
	add_function(&f, "inner", 0x120, 0x20);
	add_function(&f, "crossing", 0x1f0, 0x20);
	ck_assert_str_eq(name_at(&f, 0x11f), "outer");
	ck_assert_str_eq(name_at(&f, 0x120), "inner");
	ck_assert_str_eq(name_at(&f, 0x13f), "inner");
	ck_assert_str_eq(name_at(&f, 0x140), "outer");
	ck_assert_str_eq(name_at(&f, 0x1ef), "outer");
	ck_assert_str_eq(name_at(&f, 0x1ff), "crossing");
	ck_assert_str_eq(name_at(&f, 0x20f), "crossing");
	ck_assert_str_eq(name_at(&f, 0x210), "");
}
END_TEST

START_TEST(without_a_size_a_function_reaches_to_the_next_symbol)
{
	struct file f;

	make_file(&f);
	add_function(&f, "_start", 0x0, 0);
	add_function(&f, "next", 0x40, 0x10);
	add_function(&f, "last", 0x60, 0);
	ck_assert_str_eq(name_at(&f, 0x3f), "_start");
	ck_assert_str_eq(name_at(&f, 0x4f), "next");
	ck_assert_str_eq(name_at(&f, 0x50), "");
	ck_assert_str_eq(name_at(&f, 0x60), "last");
	ck_assert_str_eq(name_at(&f, 0x60 + 16383), "last");
	ck_assert_str_eq(name_at(&f, 0x60 + 16384), "");
	f.sections[CODE].sh_size = 0x70;
	ck_assert_str_eq(name_at(&f, 0x6f), "last");
	ck_assert_str_eq(name_at(&f, 0x70), "");
}
END_TEST

START_TEST(a_label_never_cuts_into_a_function)
{
	struct file f;

	make_file(&f);
	add_function(&f, "function", 0x10, 0x20);
	add(&f, "label_inside", 0x18, 0, STT_NOTYPE, STB_GLOBAL);
	add(&f, "sized_label_inside", 0x20, 8, STT_NOTYPE, STB_GLOBAL);
	add(&f, "label_at_start", 0x10, 0, STT_NOTYPE, STB_GLOBAL);
	add(&f, "label_after", 0x40, 0, STT_NOTYPE, STB_LOCAL);
	ck_assert_str_eq(name_at(&f, 0x10), "function");
	ck_assert_str_eq(name_at(&f, 0x19), "function");
	ck_assert_str_eq(name_at(&f, 0x21), "function");
	ck_assert_str_eq(name_at(&f, 0x30), "");
	ck_assert_str_eq(name_at(&f, 0x41), "label_after");
	f.header.e_machine = EM_AARCH64; /* local labels are $x and $d there */
	ck_assert_str_eq(name_at(&f, 0x41), "");
}
END_TEST

START_TEST(what_is_no_code_is_no_function)
{
	struct file f;

	make_file(&f);
	add(&f, "object", 0x10, 0x10, STT_OBJECT, STB_GLOBAL);
	add(&f, "undefined", 0x30, 0x10, STT_FUNC, STB_GLOBAL)->st_shndx = SHN_UNDEF;
	add(&f, "in_data", 0, 0x10, STT_FUNC, STB_GLOBAL)->st_value = 0x400010;
	add(&f, "label_in_data", 0, 0x10, STT_NOTYPE, STB_GLOBAL)->st_shndx = DATA;
	add(&f, "tls", 0x50, 0x10, STT_TLS, STB_GLOBAL);
	add(&f, "resolver", 0x70, 0x10, STT_GNU_IFUNC, STB_GLOBAL);
	for (uint64_t at = 0; at < 0x70; at++)
		ck_assert_str_eq(name_at(&f, at), "");
	ck_assert_str_eq(name_at(&f, 0x70), "resolver");
	ck_assert_str_eq(name_at(&f, 0x400010 - (uint64_t)TEXT), "");
}
END_TEST

START_TEST(aliases_are_chosen_the_same_way_each_time)
{
	struct file f;

	make_file(&f);
	add(&f, "a_local", 0x10, 0x10, STT_FUNC, STB_LOCAL);
	add(&f, "__libc_write", 0x10, 0x10, STT_FUNC, STB_GLOBAL);
	add(&f, "write", 0x10, 0x10, STT_FUNC, STB_WEAK);
	add(&f, "_write", 0x10, 0x10, STT_FUNC, STB_GLOBAL);
	ck_assert_str_eq(name_at(&f, 0x10), "write");
	add(&f, "larger_local", 0x10, 0x18, STT_FUNC, STB_LOCAL);
	ck_assert_str_eq(name_at(&f, 0x10), "larger_local");
	ck_assert_str_eq(name_at(&f, 0x27), "larger_local");

	make_file(&f);
	add_function(&f, "bb", 0x10, 0x10);
	add_function(&f, "ab", 0x10, 0x10);
	add_function(&f, "aaa", 0x10, 0x10);
	ck_assert_str_eq(name_at(&f, 0x10), "ab");
}
END_TEST

START_TEST(dynsym_adds_what_symtab_does_not_have)
{
	struct file f;

	make_file(&f);
	add(&f, "static_function", 0x10, 0x10, STT_FUNC, STB_LOCAL);
	add_dynamic(&f, "exported_alias", 0x10, 0x20);
	add_dynamic(&f, "exported", 0x40, 0x10);
	ck_assert_str_eq(name_at(&f, 0x10), "static_function");
	ck_assert_str_eq(name_at(&f, 0x20), "");
	ck_assert_str_eq(name_at(&f, 0x40), "exported");
}
END_TEST

struct large_file {
	struct file file;
	Elf64_Sym symbols[3000], dynamic[3000];
};

/* Both tables have functions "many" of 16 bytes, side by side. */
static void make_large_file(struct large_file *f)
{
	make_file(&f->file);
	for (size_t i = 0; i < ARRAY_SIZE(f->symbols); i++) {
		f->symbols[i] = make_symbol(&f->file, "many", i * 16, 16, STT_FUNC, STB_GLOBAL);
		f->file.sections[STRTAB].sh_size = f->symbols[i].st_name = 1;
		f->dynamic[i] = f->symbols[i];
	}
	memcpy(f->file.strings + 1, "many\0one\0", 10);
	f->file.sections[STRTAB].sh_size = 10;
	f->file.sections[SYMTAB].sh_offset = offsetof(struct large_file, symbols);
	f->file.sections[DYNSYM].sh_offset = offsetof(struct large_file, dynamic);
	f->file.sections[SYMTAB].sh_size = f->file.sections[DYNSYM].sh_size = sizeof(f->symbols);
}

START_TEST(a_dynsym_that_adds_nothing_is_not_read_to_its_end)
{
	struct large_file *f cleanup_free = xcalloc(1, sizeof(*f));

	make_large_file(f);
	/* Reading on would fail. */
	size_t size = sizeof(*f) - sizeof(f->dynamic) / 2;

	ck_assert_str_eq(name_in(f, size, 2999 * 16), "many");
	/* Here it adds something: the rest is read. */
	f->symbols[7].st_value = f->symbols[2990].st_value = TEXT;
	f->dynamic[2990].st_name = 6;
	ck_assert_str_eq(name_in(f, sizeof(*f), 7 * 16), "many");
	ck_assert_str_eq(name_in(f, sizeof(*f), 2990 * 16), "one");
}
END_TEST

START_TEST(a_size_that_no_function_has_is_cut)
{
	struct symbol_builder b = {0};
	struct symbol_match match;

	symbol_builder_add(&b,
		&(struct symbol){.start = 8, .limit = UINT64_MAX, .class = SYMBOL_FUNCTION});
	struct symbol_table *t = symbol_builder_finish(&b);

	ck_assert(symbol_table_find(t, 300 << 20, &match));
	ck_assert(!symbol_table_find(t, UINT64_C(1) << 32, &match));
	symbol_table_free(t);
}
END_TEST

START_TEST(symbols_that_lie_do_no_harm)
{
	struct file f;

	make_file(&f);
	add_function(&f, "huge", 0x10, UINT64_MAX);
	add_function(&f, "wraps", 0x40, UINT64_MAX - TEXT - 0x30);
	add(&f, "far_name", 0x60, 0x10, STT_FUNC, STB_GLOBAL)->st_name = UINT32_MAX >> 1;
	add(&f, "beyond", 0, 0x10, STT_FUNC, STB_GLOBAL)->st_value = UINT64_MAX - 4;
	ck_assert_str_eq(name_at(&f, 0x10), "huge");
	ck_assert_str_eq(name_at(&f, 0x41), "wraps");
	ck_assert_str_eq(name_at(&f, 0x60), "");
	ck_assert_str_eq(name_at(&f, TEXT_SZ - 1), "wraps");
	ck_assert_str_eq(name_at(&f, TEXT_SZ), "");
}
END_TEST

START_TEST(deep_nesting_is_bounded)
{
	struct symbol_builder b = {0};
	struct symbol_match match;
	enum { N = 50000 };

	for (uint64_t i = 0; i < N; i++)
		symbol_builder_add(&b,
			&(struct symbol){.start = i,
				.limit = 2 * N - i,
				.name = (uint32_t)i,
				.class = SYMBOL_FUNCTION});
	struct symbol_table *t = symbol_builder_finish(&b);

	ck_assert_uint_le(symbol_table_count(t), 2 * N);
	ck_assert(symbol_table_find(t, 7, &match));
	ck_assert_uint_eq(match.names[0], 7);
	ck_assert(symbol_table_find(t, N, &match));
	ck_assert_uint_eq(match.names[0], N - 1);
	ck_assert(!symbol_table_find(t, 2 * N, &match));
	symbol_table_free(t);
}
END_TEST

START_TEST(the_number_of_symbols_is_bounded)
{
	struct symbol_builder b = {0};

	for (uint64_t i = 0; i < SYMBOLS_MAX + 10; i++)
		symbol_builder_add(&b,
			&(struct symbol){.start = i, .limit = i + 1, .class = SYMBOL_FUNCTION});
	ck_assert_uint_eq(b.count, SYMBOLS_MAX);
	ck_assert_uint_lt(b.symbols.size, 56 << 20);
	symbol_builder_sort(&b);
	ck_assert(symbol_builder_has(&b, SYMBOLS_MAX - 1));
	symbol_builder_release(&b);
}
END_TEST

START_TEST(every_range_of_a_large_table_is_found)
{
	struct symbol_builder b = {0};
	struct symbol_match match;
	uint64_t at = UINT64_C(0xffff800000000000), state = 1;
	enum { N = 5000 };
	static uint64_t starts[N], ends[N];

	for (uint32_t i = 0; i < N; i++) {
		state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
		starts[i] = at + (state >> 60);
		ends[i] = starts[i] + 1 + (state >> 33) % (i % 100 ? 300 : (1 << 29) - 1);
		at = ends[i];
	}
	for (uint32_t i = N; i-- > 0;)
		symbol_builder_add(&b,
			&(struct symbol){.start = starts[i],
				.limit = ends[i],
				.name = i * 2654435761u,
				.class = SYMBOL_FUNCTION});
	struct symbol_table *t = symbol_builder_finish(&b);

	ck_assert_uint_eq(symbol_table_count(t), N);
	for (uint32_t i = 0; i < N; i++) {
		ck_assert(symbol_table_find(t, starts[i], &match));
		ck_assert_uint_eq(match.names[0], i * 2654435761u);
		ck_assert(symbol_table_find(t, ends[i] - 1, &match));
		ck_assert_uint_eq(match.start, starts[i]);
		ck_assert_uint_eq(match.end, ends[i]);
		if (i + 1 < N && starts[i + 1] != ends[i])
			ck_assert(!symbol_table_find(t, ends[i], &match));
	}
	ck_assert(!symbol_table_find(t, ends[N - 1], &match));
	symbol_table_free(t);
}
END_TEST

static void set_note(struct file *f, uint32_t type, const char *name, const void *data, size_t len)
{
	uint32_t head[3] = {4, (uint32_t)len, type};

	memcpy(f->note, head, sizeof(head));
	memcpy(f->note + 12, name, 4);
	memcpy(f->note + 16, data, len);
	f->programs[2].p_filesz = 16 + len;
}

static void check_build_id(const struct file *f, const char *expected)
{
	struct byte_source source = byte_source_memory(f, sizeof(*f));
	char hex[2 * BUILD_ID_MAX + 1];
	struct elf_image image;

	ck_assert_int_eq(elf_image_read(&source, &image), 0);
	hex_encode(hex, image.build_id, image.build_id_len);
	ck_assert_str_eq(hex, expected);
	elf_image_release(&image);
}

START_TEST(build_ids_of_any_length_are_read)
{
	struct file f;

	make_file(&f);
	check_build_id(&f, "");
	set_note(&f, NT_GNU_BUILD_ID, "GNU", "\x01\x23\x45\x67\x89\xab\xcd\xef", 8);
	check_build_id(&f, "0123456789abcdef");
	set_note(&f, NT_GNU_BUILD_ID, "GNU", "\xff\x00\xff\x00\xff\x00\xff", 7);
	check_build_id(&f, "ff00ff00ff00ff");
	set_note(&f, NT_GNU_BUILD_ID, "GNU", "\xff\xff\xff", 3); /* too short to mean anything */
	check_build_id(&f, "");
	set_note(&f, 5, "GNU", "\xff\xff\xff\xff", 4);
	check_build_id(&f, "");
	set_note(&f, 4, "Go\0", "abc", 3); /* SHA-1("abc") */
	check_build_id(&f, "a9993e364706816aba3e25717850c26c9cd0d89d");
	((uint32_t *)(void *)f.note)[1] = UINT32_MAX - 2;
	check_build_id(&f, "");
}
END_TEST

START_TEST(file_offsets_become_addresses)
{
	struct file f;
	struct elf_image image;
	uint64_t address;

	make_file(&f);
	struct byte_source source = byte_source_memory(&f, sizeof(f));

	ck_assert_int_eq(elf_image_read(&source, &image), 0);
	ck_assert(elf_image_address(&image, 0x10, &address));
	ck_assert_uint_eq(address, 0x400010);
	/* Both segments hold it (they share a page of the file): code wins. */
	ck_assert(elf_image_address(&image, 0x1010, &address));
	ck_assert_uint_eq(address, TEXT + 0x10);
	ck_assert(!elf_image_address(&image, 0x1000 + TEXT_SZ, &address));
	ck_assert(!elf_image_address(&image, UINT64_MAX, &address));
	ck_assert_uint_eq(elf_image_code_segment(&image)->address, TEXT);
	elf_image_release(&image);
}
END_TEST

START_TEST(damaged_files_are_refused_or_read_as_far_as_they_go)
{
	struct file f;

	make_file(&f);
	add_function(&f, "function", 0x10, 0x10);
	/* Cut anywhere, with every byte of the headers damaged in turn: no crash is what is asked. */
	for (size_t len = 0; len < sizeof(f); len += len < 512 ? 1 : 37) {
		uint8_t *copy cleanup_free = xmemdup(&f, len);
		struct elf_file file = {.source = byte_source_memory(copy, len)};
		const struct name_files files = {.main = &file};
		struct symbol_builder builder cleanup_symbol_builder = {0};
		uint64_t digest;
		int r = elf_image_read(&file.source, &file.image);

		ck_assert(len < sizeof(Elf64_Ehdr) ? r < 0 : true);
		if (r < 0)
			continue;
		r = elf_symbols_source.read(&files, &builder, &digest);
		ck_assert(r == 0 || r == -ENODATA);
		elf_image_release(&file.image);
	}
	f.header.e_shoff = UINT64_MAX - 10;
	ck_assert_str_eq(name_at(&f, 0x10), "");
	f.header.e_ident[EI_CLASS] = 3;
	struct byte_source source = byte_source_memory(&f, sizeof(f));
	struct elf_image image;

	ck_assert_int_eq(elf_image_read(&source, &image), -ENOEXEC);
}
END_TEST

START_TEST(equal_symbols_have_equal_digests_and_others_do_not)
{
	struct file f[2];
	uint64_t digests[2];

	for (int variant = 0; variant < 3; variant++) {
		for (int i = 0; i < 2; i++) {
			struct symbol_builder builder cleanup_symbol_builder = {0};
			struct elf_file file = {.source = byte_source_memory(&f[i], sizeof(f[i]))};
			const struct name_files files = {.main = &file};

			make_file(&f[i]);
			add_function(&f[i], "function", 0x10, 0x10);
			if (i && variant == 1)
				f[i].symbols[0].st_size++;
			if (i && variant == 2)
				f[i].programs[1].p_memsz--;
			ck_assert_int_eq(elf_image_read(&file.source, &file.image), 0);
			ck_assert_int_eq(elf_symbols_source.read(&files, &builder, &digests[i]), 0);
			elf_image_release(&file.image);
		}
		ck_assert(variant ? digests[0] != digests[1] : digests[0] == digests[1]);
	}
}
END_TEST

UNIT_MAIN("elf", a_size_is_honoured, the_inner_of_nested_symbols_owns_its_addresses,
	without_a_size_a_function_reaches_to_the_next_symbol, a_label_never_cuts_into_a_function,
	what_is_no_code_is_no_function, aliases_are_chosen_the_same_way_each_time,
	dynsym_adds_what_symtab_does_not_have, a_dynsym_that_adds_nothing_is_not_read_to_its_end,
	a_size_that_no_function_has_is_cut, symbols_that_lie_do_no_harm, deep_nesting_is_bounded,
	the_number_of_symbols_is_bounded, every_range_of_a_large_table_is_found,
	build_ids_of_any_length_are_read, file_offsets_become_addresses,
	damaged_files_are_refused_or_read_as_far_as_they_go,
	equal_symbols_have_equal_digests_and_others_do_not)
