// SPDX-License-Identifier: Apache-2.0
/*
 * The whole way of a hostile ELF file: headers, notes, symbol tables, packing, look-ups, names. Beside
 * not crashing it must keep what the headers promise.
 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "symbols/name_source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void ask(const struct byte_source *source, const struct elf_image *image,
	const struct symbol_table *table, uint64_t address)
{
	struct strbuf name cleanup_strbuf = STRBUF_INIT;
	struct symbol_match match;

	if (!symbol_table_find(table, address, &match))
		return;
	require(match.start <= address && address < match.end);
	require(match.name_count >= 1 && match.name_count <= SYMBOL_MAX_NAMES);
	int r = elf_symbols_source.name(source, image, &match, &name);

	require(r < 0 || name.len > 0);
	require(name.len <= 4096 + 256);
}

static void read_table(const struct byte_source *source, const struct elf_image *image)
{
	struct symbol_builder builder cleanup_symbol_builder = {0};
	uint64_t digest = 0;
	int r = elf_symbols_source.read(source, image, &builder, &digest);

	require(r <= 0);
	struct symbol_table *table = symbol_builder_finish(&builder);

	for (size_t i = 0; i < image->code_count; i++)
		for (uint64_t at = 0; at < 64; at++)
			ask(source, image, table, image->code[i].start + at * 3);
	for (size_t i = 0; i < image->segment_count; i++) {
		ask(source, image, table, image->segments[i].address);
		ask(source, image, table,
			image->segments[i].address + image->segments[i].memory_size - 1);
	}
	ask(source, image, table, 0);
	ask(source, image, table, UINT64_MAX);
	symbol_table_free(table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct byte_source source = byte_source_memory(data, size);
	struct elf_image image;
	uint64_t address;

	if (elf_image_read(&source, &image) < 0)
		return 0;
	require(image.build_id_len <= BUILD_ID_MAX);
	elf_image_code_segment(&image);
	for (uint64_t offset = 0; offset < size; offset += 97)
		elf_image_address(&image, offset, &address);
	elf_image_address(&image, UINT64_MAX, &address);
	read_table(&source, &image);
	elf_image_release(&image);
	return 0;
}
