// SPDX-License-Identifier: Apache-2.0
/*
 * A compiler that splits a function jumps from one part to the other and back:
 *
 *	_PyEval_EvalFrameDefault:  ...  je  cold+0x30        cold: (no symbol)  ...  jmp eval+0x1c4
 *
 * and it may put nearly everything into the part without a name (GCC does so with Debian's and Alpine's
 * CPythons: a stub of 1 KiB and 55 KiB of "cold" code). So, without decoding instructions:
 * each byte of the function that could begin a direct jump is taken for one, and where it leads to is counted by
 * the entries of .eh_frame_hdr, which tell where pieces of code begin. Chance hits are spread thin, and a tail
 * call goes to the beginning of a function. A piece counts that is jumped into its middle and jumps back.
 */
#include "interp/python_eval.h"

#include <elf.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/scratch.h"

#define MAX_CODE    (4u << 20) /* of one part; without optimisation the whole has 200 KiB */
#define MAX_ALL     (16u << 20) /* of all parts: made-up ones overlap */
#define MAX_JUMPS   65536 /* out of the function: real ones and chance hits are some thousands */
#define MAX_ENTRIES (4u << 20) /* Chrome has 700,000 */
#define MAX_PIECES  512 /* candidates: chance hits are some hundreds */
#define JUMP_SIZE   6 /* 0f 8x and four bytes of distance; e9 has five bytes */

/* Of .eh_frame_hdr (Linux Standard Base, 10.6.2), all distances being from its own address. */
#define HEADER_VERSION 1
#define COUNT_U32      0x03 /* DW_EH_PE_udata4 */
#define TABLE_S32      0x3b /* DW_EH_PE_datarel | DW_EH_PE_sdata4 */

struct entry {
	int32_t start, description;
};

struct header {
	uint8_t version, pointer_encoding, count_encoding, table_encoding;
	uint32_t pointer, count;
};

/* The beginning of an entry of .eh_frame, where addresses are distances from themselves, as they are with GCC. */
struct description {
	uint32_t length, back;
	int32_t start;
	uint32_t size;
};

struct pieces {
	const struct byte_source *source;
	const struct elf_image *image;
	uint64_t base; /* what the starts are counted from */
	const struct entry *entries;
	size_t entry_count;
	struct piece {
		size_t entry;
		unsigned inside, all; /* jumps to its middle, to it at all */
	} list[MAX_PIECES];
	size_t count;
	size_t left; /* bytes of code that may still be read */
};

static uint64_t start_of(const struct pieces *p, size_t entry)
{
	return p->base + (uint64_t)(int64_t)p->entries[entry].start;
}

/* As its description says; 0 where that is of another kind. */
static uint64_t end_of(const struct pieces *p, size_t entry)
{
	uint64_t at = p->base + (uint64_t)(int64_t)p->entries[entry].description, offset, left;
	uint64_t start = start_of(p, entry);
	struct description d;

	if (!elf_image_offset(p->image, at, &offset, &left) ||
		byte_source_read(p->source, offset, &d, sizeof(d)) < 0 ||
		at + offsetof(struct description, start) + (uint64_t)(int64_t)d.start != start)
		return 0;
	return start + d.size;
}

/* The last entry that starts at or before the address; entry_count: none. */
static size_t entry_at(const struct pieces *p, uint64_t address)
{
	int64_t distance = (int64_t)(address - p->base);
	size_t lo = 0, hi = p->entry_count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (p->entries[mid].start <= distance)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo ? lo - 1 : p->entry_count;
}

static void count_jump(struct pieces *p, uint64_t target)
{
	size_t entry = entry_at(p, target), i = 0;

	if (entry == p->entry_count)
		return;
	while (i < p->count && p->list[i].entry != entry)
		i++;
	if (i == MAX_PIECES)
		return;
	if (i == p->count)
		p->list[p->count++] = (struct piece){.entry = entry};
	p->list[i].all++;
	if (target != start_of(p, entry))
		p->list[i].inside++;
}

static bool in_range(const struct interp_range *r, uint64_t address)
{
	return address >= r->start && address < r->end;
}

/* The bytes of the code there, for free(); NULL where the file has them not, or too many were read before. */
static uint8_t *read_code(struct pieces *p, const struct interp_range *range)
{
	size_t size = (size_t)(range->end - range->start);

	uint64_t offset, left;

	if (size > MAX_CODE || size > p->left ||
		!elf_image_offset(p->image, range->start, &offset, &left) || size > left)
		return NULL;
	p->left -= size;
	uint8_t *code = xmalloc(size + JUMP_SIZE);

	if (byte_source_read(p->source, offset, code, size) == 0)
		return code;
	free(code);
	return NULL;
}

/* The target of the jump at code[i], if one begins there. */
static bool jump_at(const uint8_t *code, size_t i, uint64_t address, uint64_t *ret)
{
	size_t opcode = code[i] == 0xe9                           ? 1
		: code[i] == 0x0f && (code[i + 1] & 0xf0) == 0x80 ? 2
								  : 0;
	int32_t distance;

	if (!opcode)
		return false;
	memcpy(&distance, code + i + opcode, sizeof(distance));
	*ret = address + i + opcode + sizeof(distance) + (uint64_t)(int64_t)distance;
	return true;
}

static void count_jumps_out(struct pieces *p, const struct interp_range *function)
{
	uint8_t *code cleanup_free = read_code(p, function);
	size_t size = (size_t)(function->end - function->start), jumps = 0;
	uint64_t target;

	for (size_t i = 0; code && i + JUMP_SIZE <= size && jumps < MAX_JUMPS; i++)
		if (jump_at(code, i, function->start, &target) && !in_range(function, target)) {
			count_jump(p, target);
			jumps++;
		}
}

static bool jumps_back(struct pieces *p, const struct interp_range *piece,
	const struct interp_range *function)
{
	uint8_t *code cleanup_free = read_code(p, piece);
	size_t size = (size_t)(piece->end - piece->start);
	uint64_t target;

	for (size_t i = 0; code && i + JUMP_SIZE <= size; i++)
		if (jump_at(code, i, piece->start, &target) && in_range(function, target) &&
			target != function->start)
			return true;
	return false;
}

/* The table of the header, in entries; 0 where it is not of the usual kind. */
static size_t read_entries(const struct byte_source *source, const struct elf_area *header,
	struct scratch *entries)
{
	struct header h;

	if (!header->size || byte_source_read(source, header->offset, &h, sizeof(h)) < 0 ||
		h.version != HEADER_VERSION || h.count_encoding != COUNT_U32 ||
		h.table_encoding != TABLE_S32 || h.count > MAX_ENTRIES ||
		h.count > source->size / sizeof(struct entry))
		return 0;
	scratch_grow(entries, h.count * sizeof(struct entry));
	if (byte_source_read(source, header->offset + sizeof(h), entries->data,
		    h.count * sizeof(struct entry)) < 0)
		return 0;
	return h.count;
}

size_t python_eval_parts(const struct byte_source *source, const struct elf_image *image,
	const struct interp_range *function, struct interp_range *ret, size_t capacity)
{
	struct scratch entries cleanup_scratch = {0};
	struct pieces *p cleanup_free = xcalloc(1, sizeof(*p));
	size_t count = 0;

	p->source = source;
	p->image = image;
	p->left = MAX_ALL;
	p->base = image->named[ELF_EH_FRAME_HDR].address;
	if (image->machine != EM_X86_64 || !elf_image_code_segment(image))
		return 0;
	p->entry_count = read_entries(source, &image->named[ELF_EH_FRAME_HDR], &entries);
	p->entries = entries.data;
	if (p->entry_count)
		count_jumps_out(p, function);
	for (size_t i = 0; i < p->count && count < capacity; i++) {
		const struct piece *piece = &p->list[i];
		struct interp_range range = {start_of(p, piece->entry), end_of(p, piece->entry)};

		if (piece->inside && piece->all > 1 && range.start < range.end &&
			jumps_back(p, &range, function))
			ret[count++] = range;
	}
	return count;
}
