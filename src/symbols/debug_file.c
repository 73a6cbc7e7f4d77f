// SPDX-License-Identifier: Apache-2.0
/*
 * A candidate is opened, its headers are read and compared; the first that fits is taken. Two files of one
 * build have one build id, so this is what decides where both have it; the CRC of .gnu_debuglink
 * covers the whole file, so that it is computed last.
 */
#include "symbols/debug_file.h"

#include <stdio.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "symbols/elf_section.h"

#define DEBUG_ROOT "/usr/lib/debug"
#define MAX_LINK   255 /* NAME_MAX: it is the name of one file */
#define MAX_PATH   4096
#define CRC_CHUNK  65536

struct link {
	char name[MAX_LINK + 1];
	uint32_t crc;
};

/* | name, NUL | padding to 4 | CRC | */
static int read_link(const struct byte_source *source, struct link *ret)
{
	static const char *const name[] = {".gnu_debuglink"};
	struct scratch bytes cleanup_scratch = {0};
	struct elf_section section;
	size_t size = 0;

	if (elf_sections_find(source, name, 1, &section) < 1)
		return -ENOENT;
	int r = elf_section_read(source, &section, MAX_LINK + 1 + 2 * sizeof(uint32_t), &bytes,
		&size);

	if (r < 0)
		return r;
	size_t len = strnlen(bytes.data, MIN(size, (size_t)MAX_LINK + 1));
	size_t crc_at = (len + sizeof(uint32_t)) & ~(sizeof(uint32_t) - 1);

	if (!len || len > MAX_LINK || crc_at + sizeof(uint32_t) > size ||
		memchr(bytes.data, '/', len))
		return -EINVAL;
	memcpy(ret->name, bytes.data, len);
	ret->name[len] = '\0';
	memcpy(&ret->crc, (const char *)bytes.data + crc_at, sizeof(ret->crc));
	return 0;
}

static bool crc_is(const struct byte_source *source, uint32_t want, uint64_t *work)
{
	struct scratch chunk cleanup_scratch = {0};
	uLong crc = crc32(0, NULL, 0);

	scratch_grow(&chunk, CRC_CHUNK);
	for (uint64_t at = 0; at < source->size;) {
		size_t n = (size_t)MIN(source->size - at, (uint64_t)CRC_CHUNK);

		if (byte_source_read(source, at, chunk.data, n) < 0)
			return false;
		crc = crc32(crc, chunk.data, (uInt)n);
		at += n;
		*work += n;
	}
	return crc == want;
}

enum same { SAME, OTHER, UNKNOWN };

static enum same same_build(const struct elf_image *a, const struct elf_image *b)
{
	if (a->machine != b->machine || a->is_64 != b->is_64)
		return OTHER;
	if (!a->build_id_len || !b->build_id_len)
		return UNKNOWN;
	return a->build_id_len == b->build_id_len &&
			memcmp(a->build_id, b->build_id, a->build_id_len) == 0
		? SAME
		: OTHER;
}

static bool fits(const struct elf_file *main, const struct elf_file *file, const struct link *link,
	uint64_t *work)
{
	enum same same = same_build(&main->image, &file->image);

	if (!file->image.symtab.size || same == OTHER || (!link && same != SAME))
		return false;
	if (!link || (same == SAME && file->source.size > DEBUG_FILE_CRC_MAX))
		return true;
	return file->source.size <= DEBUG_FILE_CRC_MAX && crc_is(&file->source, link->crc, work);
}

struct candidate {
	const struct file_root *root;
	const char *dir, *name;
	const struct link *link; /* what named it, NULL: its build id */
};

static bool try_file(const struct debug_search *search, const struct candidate *c,
	struct debug_file *ret, uint64_t *work)
{
	struct debug_file found = {0};

	found.fd = file_root_open(c->root, c->dir, c->name, &found.identity);
	if (found.fd < 0)
		return false;
	found.file.source = byte_source_fd(found.fd, found.identity.size);
	if (elf_image_read(&found.file.source, &found.file.image) == 0 &&
		fits(search->main, &found.file, c->link, work)) {
		*ret = found;
		return true;
	}
	debug_file_release(&found);
	return false;
}

static bool try_build_id(const struct debug_search *search, const struct file_root *root,
	struct debug_file *ret, uint64_t *work)
{
	const struct elf_image *image = &search->main->image;
	char hex[2 * BUILD_ID_MAX + 1], name[2 * BUILD_ID_MAX + 32];

	if (image->build_id_len < 2 || !root)
		return false;
	hex_encode(hex, image->build_id, image->build_id_len);
	snprintf(name, sizeof(name), ".build-id/%.2s/%s.debug", hex, hex + 2);
	return try_file(search, &(struct candidate){root, DEBUG_ROOT, name, NULL}, ret, work);
}

static bool try_link(const struct debug_search *search, struct debug_file *ret, uint64_t *work)
{
	struct link link;
	const char *slash = strrchr(search->path, '/');
	char dir[MAX_PATH] = "/", name[MAX_PATH];
	struct candidate c = {search->root, dir, link.name, &link};

	if (!search->root || !slash || read_link(&search->main->source, &link) < 0)
		return false;
	size_t len = (size_t)(slash - search->path);

	if (len + 1 + sizeof(link.name) >= MAX_PATH)
		return false;
	memcpy(dir, search->path, MAX(len, (size_t)1));
	dir[MAX(len, (size_t)1)] = '\0';
	if (try_file(search, &c, ret, work))
		return true;
	c.name = name;
	snprintf(name, sizeof(name), ".debug/%s", link.name);
	if (try_file(search, &c, ret, work))
		return true;
	c.dir = DEBUG_ROOT;
	snprintf(name, sizeof(name), "%s/%s", dir + strspn(dir, "/"), link.name);
	return try_file(search, &c, ret, work);
}

int debug_file_find(const struct debug_search *search, struct debug_file *ret, uint64_t *ret_work)
{
	*ret_work = 0;
	bool found = try_build_id(search, search->root, ret, ret_work) ||
		try_link(search, ret, ret_work) ||
		try_build_id(search, search->host, ret, ret_work);

	return found ? 0 : -ENOENT;
}

void debug_file_release(struct debug_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	elf_image_release(&file->file.image);
	*file = (struct debug_file){.fd = -1};
}
