// SPDX-License-Identifier: Apache-2.0
/*
 * A few KiB of xz can become gigabytes: the output grows as it comes, up to a bound, and the decoder's own
 * memory (its dictionary) is bounded as well. xz checks its contents with a CRC of its own.
 */
#include "symbols/debugdata.h"

#include <lzma.h>

#include "symbols/elf_section.h"

/* The section. Its contents are a tenth to a third of what they become. */
#define MAX_PACKED     (16 << 20)
/* xz -6, the usual, takes a dictionary of 8 MiB, and no more of it is touched than there is output. */
#define MAX_DICTIONARY (40 << 20)
#define FIRST_SIZE     (256 << 10)

static int inflate_into(lzma_stream *stream, struct scratch *out, size_t *ret_size)
{
	size_t room = FIRST_SIZE;
	lzma_ret r;

	do {
		if (*ret_size == DEBUGDATA_MAX)
			return -E2BIG;
		if (*ret_size == room)
			room = MIN(room * 2, (size_t)DEBUGDATA_MAX);
		scratch_grow(out, room);
		stream->next_out = (uint8_t *)out->data + *ret_size;
		stream->avail_out = room - *ret_size;
		r = lzma_code(stream, LZMA_FINISH);
		*ret_size = room - stream->avail_out;
	} while (r == LZMA_OK);
	if (r == LZMA_STREAM_END)
		return 0;
	return r == LZMA_MEMLIMIT_ERROR ? -E2BIG : -EINVAL;
}

static int inflate_section(const struct scratch *packed, size_t packed_size, struct scratch *out,
	size_t *ret_size)
{
	lzma_stream stream = LZMA_STREAM_INIT;

	if (lzma_stream_decoder(&stream, MAX_DICTIONARY, 0) != LZMA_OK)
		return -ENOMEM;
	stream.next_in = packed->data;
	stream.avail_in = packed_size;
	int r = inflate_into(&stream, out, ret_size);

	lzma_end(&stream);
	return r;
}

int debugdata_read(const struct byte_source *source, struct debugdata *ret, size_t *ret_work)
{
	static const char *const name[] = {".gnu_debugdata"};
	struct scratch packed cleanup_scratch = {0}, bytes cleanup_scratch = {0};
	struct elf_section section;
	size_t packed_size, size = 0;

	*ret_work = 0;
	if (elf_sections_find(source, name, 1, &section) < 1)
		return -ENOENT;
	int r = elf_section_read(source, &section, MAX_PACKED, &packed, &packed_size);

	if (r < 0)
		return r;
	r = inflate_section(&packed, packed_size, &bytes, &size);
	*ret_work = size;
	if (r < 0)
		return r;
	ret->file.source = byte_source_memory(bytes.data, size);
	if (elf_image_read(&ret->file.source, &ret->file.image) < 0)
		return -EINVAL;
	ret->bytes = bytes;
	bytes = (struct scratch){0};
	return 0;
}

void debugdata_release(struct debugdata *d)
{
	elf_image_release(&d->file.image);
	scratch_release(&d->bytes);
	*d = (struct debugdata){0};
}
