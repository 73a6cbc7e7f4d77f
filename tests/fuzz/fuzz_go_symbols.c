// SPDX-License-Identifier: Apache-2.0
/*
 * .gopclntab. The input is a file, or, where it is no ELF file, what is written over a good table: its first
 * byte chooses the layout, the others are combined with the table's bytes.
 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/macros.h"
#include "lib/go_file.h"
#include "symbols/name_source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void read_file(const void *bytes, size_t size)
{
	struct symbol_builder builder cleanup_symbol_builder = {0};
	struct strbuf name cleanup_strbuf = STRBUF_INIT;
	struct elf_file file = {.source = byte_source_memory(bytes, size)};
	const struct name_files files = {.main = &file};
	enum name_origin origin = NAME_NONE;
	struct symbol_match match;
	uint64_t digest = 0;

	if (elf_image_read(&file.source, &file.image) < 0)
		return;
	require(go_symbols_source.read(&files, &builder, &digest) <= 0);
	struct symbol_table *table = symbol_builder_finish(&builder);

	for (uint64_t at = 0; at < TEXT_SIZE + 16; at += 5) {
		if (!symbol_table_find(table, TEXT + at, &match))
			continue;
		require(match.start <= TEXT + at && TEXT + at < match.end);
		strbuf_reset(&name);
		int r = go_symbols_source.name(&files, &match, &name, &origin);

		require(r < 0 || (name.len > 0 && name.len <= size && origin == NAME_GO));
	}
	symbol_table_free(table);
	elf_image_release(&file.image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t magics[] = {0xfffffffb, 0xfffffffa, 0xfffffff0, 0xfffffff1};
	struct image f;

	read_file(data, size);
	if (!size)
		return 0;
	size_t layout = data[0] % ARRAY_SIZE(magics);

	make_image(&f, true);
	make_table(&f, magics[layout], layout < 2 ? TEXT : 0, data[0] & 4 ? TEXT : 0);
	f.module[0] = TABLE;
	f.module[20] = TEXT + 0x10;
	f.module[21] = TEXT + 0x110;
	f.module[22] = TEXT;
	size_t most = sizeof(f) - offsetof(struct image, table);

	for (size_t i = 1; i < size && i <= most; i++)
		f.table[i - 1 < sizeof(f.table) ? i - 1 : 0] ^= data[i];
	read_file(&f, sizeof(f));
	return 0;
}
