// SPDX-License-Identifier: Apache-2.0
/* Sections by name, .gnu_debugdata, .gnu_debuglink, PLT entries: what of a hostile file leads to other files. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/macros.h"
#include "symbols/debug_file.h"
#include "symbols/debugdata.h"
#include "symbols/elf_section.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void read_debugdata(const struct byte_source *source)
{
	struct debugdata d = {0};
	size_t work = 0;
	int r = debugdata_read(source, &d, &work);

	require(work <= DEBUGDATA_MAX);
	if (r == 0)
		debugdata_release(&d);
}

/* Beneath an empty directory, where no name leads anywhere. */
static void follow_link(const struct elf_file *file)
{
	static char dir[] = "/tmp/dockprof-fuzz-XXXXXX";
	struct file_root root cleanup_file_root = {.fd = -1};
	struct debug_file found;
	uint64_t work = 0;

	if (dir[sizeof(dir) - 2] == 'X')
		require(mkdtemp(dir) != NULL);
	require(file_root_of_directory(dir, &root) == 0);
	require(debug_file_find(&(struct debug_search){.main = file,
					.path = "/usr/bin/program",
					.root = &root},
			&found, &work) == -ENOENT);
	require(work == 0);
}

static void read_plt(const struct elf_file *file)
{
	struct symbol_builder builder cleanup_symbol_builder = {0};
	struct strbuf name cleanup_strbuf = STRBUF_INIT;
	const struct name_files files = {.main = file};
	enum name_origin origin;
	struct symbol_match match;
	uint64_t digest = 0;

	plt_source.read(&files, &builder, &digest);
	struct symbol_table *table = symbol_builder_finish(&builder);

	for (size_t i = 0; i < file->image.code_count; i++)
		if (symbol_table_find(table, file->image.code[i].start, &match))
			require(plt_source.name(&files, &match, &name, &origin) <= 0);
	symbol_table_free(table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {".text", ".gnu_debugdata", ".gnu_debuglink"};
	struct elf_file file = {.source = byte_source_memory(data, size)};
	struct elf_section sections[ARRAY_SIZE(names)];

	if (elf_sections_find(&file.source, names, ARRAY_SIZE(names), sections) > 0)
		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			struct scratch bytes cleanup_scratch = {0};
			size_t len = 0;
			int r = elf_section_read(&file.source, &sections[i], 1 << 20, &bytes, &len);

			require(r < 0 || len <= 1 << 20);
		}
	read_debugdata(&file.source);
	if (elf_image_read(&file.source, &file.image) < 0)
		return 0;
	follow_link(&file);
	read_plt(&file);
	elf_image_release(&file.image);
	return 0;
}
