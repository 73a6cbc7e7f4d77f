// SPDX-License-Identifier: Apache-2.0
/*
 * .eh_frame is a list of records. A CIE holds what many functions have in common, an FDE belongs to one
 * function and refers back to its CIE:
 *
 *	CIE | length | 0 | version, augmentation "zR", alignments, encoding | instructions |
 *	FDE | length | distance to its CIE | start | size | instructions |
 *	...
 *
 * The linker adds .eh_frame_hdr, a table of (start, FDE) sorted by start, so that one FDE is found without
 * reading the rest:
 *
 *	| version 1, encodings | -> .eh_frame | count | (start, FDE) (start, FDE) ... |
 *
 * A look-up reads single entries of the table while there are many left, then a block of it, and then the
 * FDE, through windows that the next look-up nearby finds filled. The table is a hint: every step must keep
 * the order, and the FDE must begin where its entry says. Where one lies, or where there is no table (static
 * programs of gcc, .debug_frame), all records are read once into an index of ours, 8 bytes each.
 */
#include "symbols/eh_frame.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "symbols/frame_records.h"

#define TABLE_BLOCK 512 /* entries of .eh_frame_hdr read at once */
#define MAX_FDES    (1u << 20) /* in an index of ours: 8 MiB; Firefox has 274,000 */
/*
 * A whole section is read with these bounds; what lies beyond has no tables. A program of 1 GiB has 1.5 million
 * records in 90 MB, and they are looked at twice.
 */
#define MAX_RECORDS (2u << 20)
#define MAX_WORK    (UINT64_C(512) << 20)
/* FDEs before the nearest that are tried; of the 2.4 million of a whole Debian none overlap. */
#define LOOK_BACK   4

struct entry {
	uint64_t start;
	uint64_t fde; /* offset in the section */
};

/* An entry of our own index. */
struct packed_entry {
	uint32_t start; /* above `base` */
	uint32_t fde;
};

struct eh_frame {
	struct frame_records records;
	bool section_sized; /* the section's size is known, not just where it must end */

	size_t count; /* of entries of whichever index is used */
	size_t hint; /* the last answer of upper() */
	uint64_t table; /* file offset of the entries of .eh_frame_hdr */
	uint64_t table_address; /* what they are relative to */
	size_t block, block_len; /* which of them are in block_entries */
	int32_t block_entries[TABLE_BLOCK][2];

	bool scanned; /* packed is the index */
	uint64_t scan_work;
	struct scratch packed;
	uint64_t base;
};

/* The index made of the records themselves. */

static int compare_packed(const void *a, const void *b)
{
	const struct packed_entry *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->fde < y->fde ? -1 : x->fde > y->fde;
}

static uint64_t lowest_code(const struct elf_image *image)
{
	uint64_t lowest = UINT64_MAX;

	for (size_t i = 0; i < image->segment_count; i++)
		if (image->segments[i].executable)
			lowest = MIN(lowest, image->segments[i].address);
	return lowest;
}

static void pack(struct eh_frame *ef, const struct fde *fde)
{
	/* Linkers leave the records of code they threw away, with odd addresses. */
	if (fde->start == fde->end || !elf_image_is_code(ef->records.image, fde->start) ||
		fde->start - ef->base > UINT32_MAX || fde->offset > UINT32_MAX)
		return;
	if ((ef->count + 1) * sizeof(struct packed_entry) > ef->packed.size)
		scratch_grow(&ef->packed,
			grow_capacity(ef->count, ef->count + 1) * sizeof(struct packed_entry));
	((struct packed_entry *)ef->packed.data)[ef->count++] =
		(struct packed_entry){(uint32_t)(fde->start - ef->base), (uint32_t)fde->offset};
}

static void scan(struct eh_frame *ef)
{
	uint64_t next = 0, before = ef->records.work;
	bool sorted = true;
	size_t seen = 0;

	ef->scanned = true;
	ef->count = ef->hint = 0;
	ef->base = lowest_code(ef->records.image);
	for (uint64_t offset = 0; offset < ef->records.section.size && ef->count < MAX_FDES &&
		seen++ < MAX_RECORDS && ef->records.work - before < MAX_WORK;
		offset = next) {
		struct fde fde;
		int r = frame_records_fde(&ef->records, offset, &fde, &next);

		if (r == 0)
			pack(ef, &fde);
		else if (next == UINT64_MAX || (r == -ENODATA && !ef->section_sized))
			break;
	}
	ef->scan_work = ef->records.work - before;
	struct packed_entry *list = ef->packed.data;

	for (size_t i = 1; i < ef->count && sorted; i++)
		sorted = compare_packed(&list[i - 1], &list[i]) < 0;
	if (!sorted)
		qsort(list, ef->count, sizeof(*list), compare_packed);
}

/* Look-ups, in either index. */

static int load_block(struct eh_frame *ef, size_t first)
{
	size_t n = MIN(ef->count - first, (size_t)TABLE_BLOCK);

	ef->block_len = 0;
	int r = byte_source_read(ef->records.source, ef->table + first * 8, ef->block_entries,
		n * 8);

	if (r < 0)
		return r;
	ef->block = first;
	ef->block_len = n;
	return 0;
}

/* `near`: its neighbours will be asked for as well. */
static int get_entry(struct eh_frame *ef, size_t i, bool near, struct entry *ret)
{
	int32_t single[2];
	const int32_t *e = single;

	if (ef->scanned) {
		const struct packed_entry *p = (const struct packed_entry *)ef->packed.data + i;

		*ret = (struct entry){ef->base + p->start, p->fde};
		return 0;
	}
	if (near && (i < ef->block || i - ef->block >= ef->block_len) &&
		load_block(ef, i - MIN(i, (size_t)TABLE_BLOCK / 4)) < 0)
		return -EINVAL;
	if (i >= ef->block && i - ef->block < ef->block_len)
		e = ef->block_entries[i - ef->block];
	else if (byte_source_read(ef->records.source, ef->table + i * 8, single, sizeof(single)) <
		0)
		return -EINVAL;
	uint64_t mask = ef->records.image->is_64 ? UINT64_MAX : UINT32_MAX;

	ret->start = (ef->table_address + (uint64_t)(int64_t)e[0]) & mask;
	ret->fde = ((ef->table_address + (uint64_t)(int64_t)e[1]) & mask) -
		ef->records.section.address;
	return 0;
}

/* Whether `address` lies between entries i - 1 and i; neither need be read for it. */
static bool is_upper(struct eh_frame *ef, size_t i, uint64_t address)
{
	struct entry before = {0}, after = {.start = UINT64_MAX};

	if (i > ef->count)
		return false;
	if (!ef->scanned &&
		((i && (i - 1 < ef->block || i - 1 - ef->block >= ef->block_len)) ||
			(i < ef->count && (i < ef->block || i - ef->block >= ef->block_len))))
		return false;
	return (!i || get_entry(ef, i - 1, true, &before) == 0) &&
		(i == ef->count || get_entry(ef, i, true, &after) == 0) &&
		before.start <= address && address < after.start;
}

/* How many entries start at or before `address`. 0, -EINVAL. */
static int upper(struct eh_frame *ef, uint64_t address, size_t *ret)
{
	size_t lo = 0, hi = ef->count;
	uint64_t lowest = 0, highest = UINT64_MAX;

	/* The same one, the next, or back from a look at the next. */
	for (size_t i = ef->hint - MIN(ef->hint, (size_t)1), end = ef->hint + 1; i <= end; i++)
		if (is_upper(ef, i, address)) {
			*ret = ef->hint = i;
			return 0;
		}
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		struct entry e;

		if (get_entry(ef, mid, hi - lo <= TABLE_BLOCK / 4, &e) < 0 || e.start < lowest ||
			e.start > highest)
			return -EINVAL;
		if (e.start <= address) {
			lo = mid + 1;
			lowest = e.start;
		} else {
			hi = mid;
			highest = e.start;
		}
	}
	*ret = ef->hint = lo;
	return 0;
}

/* The FDE of entry i. -EINVAL where it is not what the entry says. */
static int open_entry(struct eh_frame *ef, size_t i, struct fde *ret)
{
	struct entry e;
	uint64_t next;

	if (get_entry(ef, i, true, &e) < 0 ||
		frame_records_fde(&ef->records, e.fde, ret, &next) < 0 || ret->start != e.start)
		return -EINVAL;
	return 0;
}

static int find(struct eh_frame *ef, uint64_t address, struct fde *ret)
{
	size_t i = 0, tries = 0;
	int r = upper(ef, address, &i);

	for (; r == 0 && tries < i && tries < LOOK_BACK; tries++) {
		r = open_entry(ef, i - 1 - tries, ret);
		if (r < 0 || ret->start > address)
			return -EINVAL;
		if (address < ret->end)
			return 0;
	}
	/* A gap, if the table tells the truth about its other end. */
	if (r == 0 && i < ef->count && (open_entry(ef, i, ret) < 0 || ret->start <= address))
		r = -EINVAL;
	return r < 0 ? r : -ENOENT;
}

int eh_frame_find(struct eh_frame *ef, uint64_t address, struct fde *ret)
{
	int r = find(ef, address, ret);

	if (r == -EINVAL && !ef->scanned) {
		scan(ef);
		r = find(ef, address, ret);
	}
	return r < 0 ? -ENOENT : 0;
}

uint64_t eh_frame_next_start(struct eh_frame *ef, uint64_t address)
{
	struct entry e;
	size_t i = 0;

	if (upper(ef, address, &i) < 0) {
		scan(ef);
		if (upper(ef, address, &i) < 0)
			return UINT64_MAX;
	}
	while (i < ef->count && get_entry(ef, i, true, &e) == 0) {
		if (e.start > address)
			return e.start;
		i++; /* unsorted: find() will see */
	}
	return UINT64_MAX;
}

/* Opening. */

/* Where .eh_frame is: the section of that name if it is at that address, else all that follows there. */
static bool place_section(struct eh_frame *ef, uint64_t address)
{
	const struct elf_area *named = &ef->records.image->named[ELF_EH_FRAME];
	uint64_t left = 0;

	if (named->size && named->address == address) {
		ef->records.section = *named;
		ef->section_sized = true;
		return true;
	}
	ef->records.section.address = address;
	if (!elf_image_offset(ef->records.image, address, &ef->records.section.offset, &left))
		return false;
	ef->records.section.size = left;
	return true;
}

/* Whether there is a header that leads to the records; its table, if any, becomes the index. */
static bool read_hdr(struct eh_frame *ef)
{
	const struct elf_area *hdr = &ef->records.image->named[ELF_EH_FRAME_HDR];
	uint8_t bytes[4 + 16];
	size_t len = (size_t)MIN(hdr->size, (uint64_t)sizeof(bytes));
	uint64_t pointer = 0, count = 0;

	if (len < 8 || byte_source_read(ef->records.source, hdr->offset, bytes, len) < 0 ||
		bytes[0] != 1)
		return false;
	ef->table_address = ef->records.datarel = hdr->address;
	size_t n = frame_records_pointer(&ef->records, bytes[1], bytes + 4, len - 4,
		hdr->address + 4, &pointer);

	if (!n || !place_section(ef, pointer))
		return false;
	size_t m = frame_records_pointer(&ef->records, bytes[2], bytes + 4 + n, len - 4 - n,
		hdr->address + 4 + n, &count);

	ef->scanned = !m || bytes[3] != (DW_EH_PE_DATAREL | DW_EH_PE_SDATA4) ||
		count > (hdr->size - 4 - n - m) / 8;
	if (!ef->scanned) {
		ef->table = hdr->offset + 4 + n + m;
		ef->count = (size_t)count;
	}
	return true;
}

struct eh_frame *eh_frame_new(const struct byte_source *source, const struct elf_image *image)
{
	struct eh_frame *ef = xcalloc(1, sizeof(*ef));

	frame_records_init(&ef->records, source, image);
	ef->records.kind = EH_FRAME_LOADED;
	bool has_hdr = read_hdr(ef);

	ef->records.datarel = 0; /* in FDEs it means the global offset table */
	if (!has_hdr) {
		ef->records.section = image->named[ELF_EH_FRAME];
		if (!ef->records.section.size) {
			ef->records.section = image->named[ELF_DEBUG_FRAME];
			ef->records.kind =
				ef->records.section.size ? EH_FRAME_DEBUG : EH_FRAME_NONE;
		}
		ef->scanned = ef->section_sized = true;
	}
	struct elf_area *section = &ef->records.section;
	uint64_t in_file = source->size - MIN(source->size, section->offset);

	section->size = MIN(section->size, in_file);
	if (ef->scanned)
		scan(ef);
	return ef;
}

void eh_frame_free(struct eh_frame *ef)
{
	if (!ef)
		return;
	scratch_release(&ef->packed);
	frame_records_release(&ef->records);
	free(ef);
}

enum eh_frame_kind eh_frame_kind(const struct eh_frame *ef)
{
	return ef->records.kind;
}

bool eh_frame_is_scanned(const struct eh_frame *ef)
{
	return ef->scanned;
}

uint64_t eh_frame_scan_work(const struct eh_frame *ef)
{
	return ef->scan_work;
}

const struct elf_image *eh_frame_image(const struct eh_frame *ef)
{
	return ef->records.image;
}

const struct byte_source *eh_frame_source(const struct eh_frame *ef)
{
	return ef->records.source;
}

size_t eh_frame_pointer(const struct eh_frame *ef, uint8_t encoding, const uint8_t *bytes,
	size_t len, uint64_t address, uint64_t *ret)
{
	return frame_records_pointer(&ef->records, encoding, bytes, len, address, ret);
}
