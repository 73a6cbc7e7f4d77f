// SPDX-License-Identifier: Apache-2.0
/*
 * The string table is read as a whole: looking up thousands of names one by one would cost a system call
 * each. That is why its size is bounded; it goes back to the kernel at once.
 */
#include "symbols/elf_walk.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "base/scratch.h"

/* Chrome's are 100 MiB, and it is nobody's interpreter by its own symbol table; node's are 30. */
#define MAX_STRINGS (64u << 20)
#define MAX_SYMBOLS (4u << 20)
#define CHUNK       512 /* symbols read at once */
#define TEXT_CHUNK  (32u << 10) /* of names, where only one is looked for */

struct walk {
	const char *strings; /* ends with a NUL of ours */
	uint64_t strings_size;
	const char *const *prefixes; /* ends with NULL */
	elf_symbol_fn fn;
	void *ctx;
};

static bool wanted(const struct walk *w, const char *name)
{
	for (const char *const *prefix = w->prefixes; *prefix; prefix++)
		if (strncmp(name, *prefix, strlen(*prefix)) == 0)
			return true;
	return false;
}

static void take(const struct walk *w, const Elf64_Sym *symbols, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const Elf64_Sym *s = &symbols[i];

		if (s->st_shndx == SHN_UNDEF || s->st_name >= w->strings_size ||
			!wanted(w, w->strings + s->st_name))
			continue;
		w->fn(w->ctx,
			&(struct elf_symbol){
				.name = w->strings + s->st_name,
				.address = s->st_value,
				.size = s->st_size,
				.type = ELF64_ST_TYPE(s->st_info),
			});
	}
}

int elf_walk_symbols(const struct byte_source *source, const struct elf_image *image,
	const struct elf_symbol_section *section, const char *const prefixes[], elf_symbol_fn fn,
	void *ctx)
{
	struct scratch strings cleanup_scratch = {0};
	Elf64_Sym chunk[CHUNK];
	uint64_t count = section->size / sizeof(chunk[0]), at = section->offset;

	if (!image->is_64 || !count)
		return 0;
	if (section->strings_size > MAX_STRINGS || count > MAX_SYMBOLS)
		return -EFBIG;
	scratch_grow(&strings, section->strings_size + 1);
	int r = byte_source_read(source, section->strings_offset, strings.data,
		section->strings_size);
	struct walk walk = {strings.data, section->strings_size, prefixes, fn, ctx};

	while (r == 0 && count) {
		size_t n = (size_t)MIN(count, (uint64_t)CHUNK);

		r = byte_source_read(source, at, chunk, n * sizeof(chunk[0]));
		if (r == 0)
			take(&walk, chunk, n);
		at += n * sizeof(chunk[0]);
		count -= n;
	}
	return r;
}

bool elf_names_contain(const struct byte_source *source, const struct elf_symbol_section *section,
	const char *part)
{
	char text[TEXT_CHUNK];
	size_t len = strlen(part), kept = 0;

	if (section->strings_size > MAX_STRINGS || !len || len > sizeof(text) / 2)
		return false;
	for (uint64_t at = 0, n; at < section->strings_size; at += n) {
		n = MIN(section->strings_size - at, (uint64_t)(sizeof(text) - kept));
		if (byte_source_read(source, section->strings_offset + at, text + kept, (size_t)n) <
			0)
			return false;
		kept += (size_t)n;
		if (memmem(text, kept, part, len))
			return true;
		size_t next = MIN(kept, len - 1); /* it may begin here and end in the next */

		memmove(text, text + kept - next, next);
		kept = next;
	}
	return false;
}
