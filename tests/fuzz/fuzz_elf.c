// SPDX-License-Identifier: Apache-2.0
/*
 * The whole way of a hostile ELF file: headers, notes, symbol tables, packing, look-ups, names. Beside
 * not crashing it must keep what the headers promise.
 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "interp/python_binary.h"
#include "symbols/name_source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void ask(const struct name_files *files, const struct symbol_table *table, uint64_t address)
{
	struct strbuf name cleanup_strbuf = STRBUF_INIT;
	struct symbol_match match;
	enum name_origin origin = NAME_NONE;

	if (!symbol_table_find(table, address, &match))
		return;
	require(match.start <= address && address < match.end);
	require(match.name_count >= 1 && match.name_count <= SYMBOL_MAX_NAMES);
	int r = elf_symbols_source.name(files, &match, &name, &origin);

	require(r < 0 || name.len > 0);
	require(name.len <= 4096 + 256);
}

static void read_table(const struct name_files *files)
{
	const struct elf_image *image = &files->main->image;
	struct symbol_builder builder cleanup_symbol_builder = {0};
	uint64_t digest = 0;
	int r = elf_symbols_source.read(files, &builder, &digest);

	require(r <= 0);
	struct symbol_table *table = symbol_builder_finish(&builder);

	for (size_t i = 0; i < image->code_count; i++)
		for (uint64_t at = 0; at < 64; at++)
			ask(files, table, image->code[i].start + at * 3);
	for (size_t i = 0; i < image->segment_count; i++) {
		ask(files, table, image->segments[i].address);
		ask(files, table, image->segments[i].address + image->segments[i].memory_size - 1);
	}
	ask(files, table, 0);
	ask(files, table, UINT64_MAX);
	symbol_table_free(table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_file file = {.source = byte_source_memory(data, size)};
	const struct name_files files = {.main = &file};
	uint64_t address;

	if (elf_image_read(&file.source, &file.image) < 0)
		return 0;
	require(file.image.build_id_len <= BUILD_ID_MAX);
	elf_image_code_segment(&file.image);
	for (uint64_t offset = 0; offset < size; offset += 97)
		elf_image_address(&file.image, offset, &address);
	elf_image_address(&file.image, UINT64_MAX, &address);
	read_table(&files);
	require(python_binary_read(&file.source, &file.image, &(struct python_binary){0}) <= 0);
	elf_image_release(&file.image);
	return 0;
}
