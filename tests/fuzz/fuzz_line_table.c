// SPDX-License-Identifier: Apache-2.0
/* Line programs: the input is a file, as in fuzz_elf. */
#include "base/cleanup.h"
#include "symbols/line_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_file file = {.source = byte_source_memory(data, size)};
	struct line_table *t;

	if (elf_image_read(&file.source, &file.image) < 0)
		return 0;
	if (line_table_new(&file, 1 << 20, &t) == 0) {
		for (size_t i = 0; i < file.image.segment_count; i++)
			for (uint64_t at = 0; at < 512; at += 7) {
				struct strbuf path cleanup_strbuf = STRBUF_INIT;
				struct source_line line;

				line_table_find(t, file.image.segments[i].address + at, &path,
					&line);
			}
		line_table_free(t);
	}
	elf_image_release(&file.image);
	return 0;
}
