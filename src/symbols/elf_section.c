// SPDX-License-Identifier: Apache-2.0
/*
 * The names are in one section, whose number the ELF header gives. Headers of 32-bit files are widened
 * as they are read. What is compressed says how large it becomes; it is inflated into exactly that much, so
 * that a lie about the size ends in an error and not in memory.
 */
#include "symbols/elf_section.h"

#include <elf.h>
#include <stdbool.h>
#include <zlib.h>

#include "base/cleanup.h"

/* As many as fit 16 bits. */
#define MAX_SECTIONS 65536
/* Programs have some hundred bytes of section names, -ffunction-sections objects much more. */
#define MAX_NAMES    (1 << 20)
#define CHUNK        64 /* headers read at once */
#define STRING_CHUNK 256

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NATIVE_DATA ELFDATA2LSB
#else
#define NATIVE_DATA ELFDATA2MSB
#endif

struct headers {
	const struct byte_source *source;
	bool is_64;
	uint64_t offset;
	uint32_t count, names;
};

static int read_header(const struct byte_source *source, struct headers *ret)
{
	union {
		unsigned char ident[EI_NIDENT];
		Elf64_Ehdr h64;
		Elf32_Ehdr h32;
	} u = {0};
	int r = byte_source_read(source, 0, &u, sizeof(u.h32));

	if (r < 0 || memcmp(u.ident, ELFMAG, SELFMAG) != 0 || u.ident[EI_DATA] != NATIVE_DATA)
		return -ENOEXEC;
	*ret = (struct headers){.source = source, .is_64 = u.ident[EI_CLASS] == ELFCLASS64};
	if (!ret->is_64) {
		bool known = u.h32.e_shentsize == sizeof(Elf32_Shdr);

		ret->offset = u.h32.e_shoff;
		ret->count = known && ret->offset ? u.h32.e_shnum : 0;
		ret->names = u.h32.e_shstrndx;
		return u.ident[EI_CLASS] == ELFCLASS32 ? 0 : -ENOEXEC;
	}
	r = byte_source_read(source, 0, &u.h64, sizeof(u.h64));
	if (r < 0)
		return r;
	bool known = u.h64.e_shentsize == sizeof(Elf64_Shdr);

	ret->offset = u.h64.e_shoff;
	ret->count = known && ret->offset ? u.h64.e_shnum : 0;
	ret->names = u.h64.e_shstrndx;
	return 0;
}

/* Reads n <= CHUNK headers from the i-th on. */
static int read_headers(const struct headers *h, uint32_t i, uint32_t n, Elf64_Shdr *ret)
{
	Elf32_Shdr narrow[CHUNK];
	uint64_t size = h->is_64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr), at;

	if (__builtin_add_overflow(h->offset, i * size, &at))
		return -EINVAL;
	if (h->is_64)
		return byte_source_read(h->source, at, ret, n * size);
	int r = byte_source_read(h->source, at, narrow, n * size);

	for (uint32_t k = 0; k < n && r == 0; k++)
		ret[k] = (Elf64_Shdr){.sh_name = narrow[k].sh_name,
			.sh_type = narrow[k].sh_type,
			.sh_flags = narrow[k].sh_flags,
			.sh_addr = narrow[k].sh_addr,
			.sh_offset = narrow[k].sh_offset,
			.sh_size = narrow[k].sh_size,
			.sh_link = narrow[k].sh_link};
	return r;
}

/* The text of all names, with a NUL at its end. */
static int read_names(const struct headers *h, struct scratch *text, size_t *ret_size)
{
	Elf64_Shdr s;

	if (h->names >= h->count || read_headers(h, h->names, 1, &s) < 0)
		return -ENOENT;
	*ret_size = (size_t)MIN(s.sh_size, (uint64_t)MAX_NAMES);
	scratch_grow(text, *ret_size + 1);
	return byte_source_read(h->source, s.sh_offset, text->data, *ret_size);
}

static int take(const Elf64_Shdr *s, const char *name, const char *const *names, size_t count,
	struct elf_section *ret)
{
	for (size_t i = 0; i < count; i++) {
		if (ret[i].type || strcmp(name, names[i]) != 0)
			continue;
		ret[i] = (struct elf_section){.type = s->sh_type,
			.link = s->sh_link,
			.flags = s->sh_flags,
			.offset = s->sh_offset,
			.size = s->sh_size,
			.address = s->sh_addr};
		return ret[i].type != 0;
	}
	return 0;
}

int elf_sections_find(const struct byte_source *source, const char *const *names, size_t count,
	struct elf_section *ret)
{
	struct scratch text cleanup_scratch = {0};
	struct headers h = {0};
	Elf64_Shdr chunk[CHUNK];
	size_t text_size = 0;
	int found = 0;
	int r = read_header(source, &h);

	for (size_t i = 0; i < count; i++)
		ret[i] = (struct elf_section){0};
	if (r < 0)
		return r;
	h.count = MIN(h.count, (uint32_t)MAX_SECTIONS);
	if (read_names(&h, &text, &text_size) < 0)
		return 0;
	for (uint32_t i = 0; i < h.count; i += CHUNK) {
		uint32_t n = MIN(h.count - i, (uint32_t)CHUNK);

		if (read_headers(&h, i, n, chunk) < 0)
			break;
		for (uint32_t k = 0; k < n; k++)
			if (chunk[k].sh_name < text_size)
				found += take(&chunk[k], (const char *)text.data + chunk[k].sh_name,
					names, count, ret);
	}
	return found;
}

static int inflate_section(const uint8_t *data, size_t size, struct scratch *ret, size_t ret_size)
{
	z_stream z = {
		.next_in = (Bytef *)(uintptr_t)data,
		.avail_in = (uInt)size,
	};

	scratch_grow(ret, ret_size + 1); /* one more, to see what goes on */
	z.next_out = ret->data;
	z.avail_out = (uInt)ret_size + 1;
	if (inflateInit(&z) != Z_OK)
		return -ENOMEM;
	int r = inflate(&z, Z_FINISH);

	inflateEnd(&z);
	return r == Z_STREAM_END && z.total_out == ret_size ? 0 : -EINVAL;
}

/* An Elf64_Chdr or Elf32_Chdr, then a zlib stream. */
static int read_compressed(const struct byte_source *source, const struct elf_section *section,
	size_t max, struct scratch *ret, size_t *ret_size)
{
	struct scratch packed cleanup_scratch = {0};
	unsigned char class = 0;
	Elf64_Chdr header = {0};
	int r = byte_source_read(source, EI_CLASS, &class, 1);
	size_t header_size = class == ELFCLASS64 ? sizeof(Elf64_Chdr) : sizeof(Elf32_Chdr);

	if (r < 0)
		return r;
	if (section->size < header_size)
		return -EINVAL;
	if (section->size > max)
		return -E2BIG;
	size_t size = (size_t)section->size;

	scratch_grow(&packed, size);
	r = byte_source_read(source, section->offset, packed.data, size);
	if (r < 0)
		return r;
	if (class == ELFCLASS64) {
		memcpy(&header, packed.data, sizeof(header));
	} else {
		const Elf32_Chdr *narrow = packed.data;

		header.ch_type = narrow->ch_type;
		header.ch_size = narrow->ch_size;
	}
	if (header.ch_type != ELFCOMPRESS_ZLIB)
		return -ENOTSUP;
	if (header.ch_size > max)
		return -E2BIG;
	*ret_size = (size_t)header.ch_size;
	return inflate_section((const uint8_t *)packed.data + header_size, size - header_size, ret,
		*ret_size);
}

int elf_section_read(const struct byte_source *source, const struct elf_section *section,
	size_t max, struct scratch *ret, size_t *ret_size)
{
	*ret_size = 0;
	if (!section->type || section->type == SHT_NOBITS || !section->size)
		return -ENOENT;
	max = MIN(max, (size_t)INT32_MAX); /* zlib's lengths */
	if (section->flags & SHF_COMPRESSED)
		return read_compressed(source, section, max, ret, ret_size);
	if (section->size > max)
		return -E2BIG;
	if (section->offset > source->size || section->size > source->size - section->offset)
		return -ENODATA;
	*ret_size = (size_t)section->size;
	scratch_grow(ret, *ret_size);
	return byte_source_read(source, section->offset, ret->data, *ret_size);
}

int elf_string_read(const struct byte_source *source, uint64_t strings, uint64_t strings_size,
	uint64_t offset, struct strbuf *out)
{
	char chunk[STRING_CHUNK];
	uint64_t at = strings + offset;
	size_t start = out->len;

	if (offset >= strings_size || at < strings || at >= source->size)
		return -ENODATA;
	uint64_t left = MIN(strings_size - offset, source->size - at);

	while (left && out->len - start < ELF_STRING_MAX) {
		size_t n = (size_t)MIN(left, (uint64_t)sizeof(chunk));
		int r = byte_source_read(source, at, chunk, n);

		if (r < 0)
			return r;
		size_t len = strnlen(chunk, n);

		strbuf_add(out, chunk, len);
		if (len < n)
			return 0;
		at += n;
		left -= n;
	}
	return 0;
}
