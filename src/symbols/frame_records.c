// SPDX-License-Identifier: Apache-2.0
/*
 * Records are read through a window, that is, a piece of the section that was read at once, since the next one
 * wanted is mostly a neighbour. CIEs are kept, because nearly all FDEs refer to the same few.
 *
 * A pointer is encoded as its CIE's augmentation says: low half-byte the format, high one what it is relative
 * to. In programs on x86-64 and arm64 it is four bytes relative to its own place. What is relative to things
 * that only the loader knows is refused, and so is a CIE with letters that nobody knows.
 */
#include "symbols/frame_records.h"

#include "base/cursor.h"

#define WINDOW_BEFORE 4096 /* bytes of the window before the record that is wanted */
#define MAX_RECORD    (1u << 20) /* the longest of a whole Debian, 2.4 million FDEs, has 21 KB */

struct record {
	uint64_t next; /* offset of the next record */
	uint64_t id, id_offset;
	struct cursor body; /* after the id */
	uint64_t body_offset; /* in the section */
};

/* `len` bytes of the section, until the next call; NULL where they are not there. */
static const uint8_t *section_bytes(struct frame_records *fr, uint64_t offset, size_t len)
{
	if (offset > fr->section.size || len > fr->section.size - offset)
		return NULL;
	fr->work += len;
	if (offset >= fr->window_at && offset - fr->window_at <= fr->window_len &&
		len <= fr->window_len - (size_t)(offset - fr->window_at))
		return fr->window + (offset - fr->window_at);
	if (len > RECORDS_WINDOW - WINDOW_BEFORE) {
		scratch_grow(&fr->big, len);
		return byte_source_read(fr->source, fr->section.offset + offset, fr->big.data,
			       len) < 0
			? NULL
			: fr->big.data;
	}
	uint64_t at = offset - MIN(offset, (uint64_t)WINDOW_BEFORE), size = fr->section.size;
	size_t n = (size_t)MIN(size - at, (uint64_t)RECORDS_WINDOW);

	fr->window_len = 0;
	fr->work += n;
	if (offset - at + len > n ||
		byte_source_read(fr->source, fr->section.offset + at, fr->window, n) < 0)
		return NULL;
	fr->window_at = at;
	fr->window_len = n;
	return fr->window + (offset - at);
}

/* 0; -ENODATA at the end of the list, with ret->next behind it; -EINVAL. */
static int read_record(struct frame_records *fr, uint64_t offset, struct record *ret)
{
	const uint8_t *bytes = section_bytes(fr, offset, 4);
	struct cursor c = cursor_over(bytes, bytes ? 4 : 0);
	uint64_t len = cursor_u32(&c);
	size_t width = 4;

	if (!bytes)
		return -EINVAL;
	ret->next = offset + 4;
	if (!len)
		return -ENODATA;
	if (len == UINT32_MAX) {
		bytes = section_bytes(fr, offset + 4, 8);
		c = cursor_over(bytes, bytes ? 8 : 0);
		len = cursor_u64(&c);
		width = 8;
		ret->next += 8;
	}
	/* .eh_frame's ids are 4 bytes always. */
	size_t id_width = fr->kind == EH_FRAME_DEBUG ? width : 4;

	if (len < id_width || len > MAX_RECORD)
		return -EINVAL;
	ret->id_offset = ret->next;
	bytes = section_bytes(fr, ret->next, (size_t)len);
	if (!bytes)
		return -EINVAL;
	ret->next += len;
	ret->body = cursor_over(bytes, (size_t)len);
	ret->id = id_width == 8 ? cursor_u64(&ret->body) : cursor_u32(&ret->body);
	ret->body_offset = ret->id_offset + id_width;
	if (fr->kind == EH_FRAME_DEBUG && id_width == 4 && ret->id == UINT32_MAX)
		ret->id = UINT64_MAX;
	return 0;
}

static bool is_cie(const struct frame_records *fr, const struct record *r)
{
	return r->id == (fr->kind == EH_FRAME_DEBUG ? UINT64_MAX : 0);
}

static uint64_t read_format(struct cursor *c, uint8_t format, bool is_64)
{
	switch (format) {
	case DW_EH_PE_ABSPTR:
		return is_64 ? cursor_u64(c) : cursor_u32(c);
	case DW_EH_PE_SIGNED:
		return is_64 ? cursor_u64(c) : (uint64_t)(int32_t)cursor_u32(c);
	case DW_EH_PE_ULEB128:
		return cursor_uleb128(c);
	case DW_EH_PE_SLEB128:
		return (uint64_t)cursor_sleb128(c);
	case DW_EH_PE_UDATA2:
		return cursor_u16(c);
	case DW_EH_PE_SDATA2:
		return (uint64_t)(int16_t)cursor_u16(c);
	case DW_EH_PE_UDATA4:
		return cursor_u32(c);
	case DW_EH_PE_SDATA4:
		return (uint64_t)(int32_t)cursor_u32(c);
	case DW_EH_PE_UDATA8:
	case DW_EH_PE_SDATA8:
		return cursor_u64(c);
	default:
		c->failed = true;
		return 0;
	}
}

size_t frame_records_pointer(const struct frame_records *fr, uint8_t encoding, const uint8_t *bytes,
	size_t len, uint64_t address, uint64_t *ret)
{
	struct cursor c = cursor_over(bytes, len);
	uint64_t value = read_format(&c, encoding & DW_EH_PE_FORMAT, fr->image->is_64);

	switch (encoding & ~DW_EH_PE_FORMAT) {
	case 0:
		break;
	case DW_EH_PE_PCREL:
		value += address;
		break;
	case DW_EH_PE_DATAREL:
		if (!fr->datarel)
			return 0;
		value += fr->datarel;
		break;
	default: /* indirect and relative to what only the loader knows */
		return 0;
	}
	if (c.failed)
		return 0;
	*ret = fr->image->is_64 ? value : (uint32_t)value;
	return len - c.left;
}

/* The data of "z..." augmentations. */
static bool read_augmentation(const struct frame_records *fr, const char *letters, struct cursor *c,
	struct cie *cie)
{
	uint64_t len = cursor_uleb128(c);
	const uint8_t *data = len <= c->left ? cursor_take(c, (size_t)len) : NULL;
	struct cursor d = cursor_over(data, data ? (size_t)len : 0);
	uint8_t encoding;

	for (; *letters && data; letters++)
		switch (*letters) {
		case 'R':
			cie->pointer_encoding = cursor_u8(&d);
			break;
		case 'L': /* of the language's own data */
			cursor_u8(&d);
			break;
		case 'P': /* the language's handler of exceptions */
			encoding = cursor_u8(&d);
			if (encoding != DW_EH_PE_OMIT)
				read_format(&d, encoding & DW_EH_PE_FORMAT, fr->image->is_64);
			break;
		case 'S':
			cie->is_signal_frame = true;
			break;
		case 'B': /* arm64: return addresses are signed with key B */
		case 'G': /* arm64: the stack is tagged */
			break;
		default:
			return false;
		}
	cie->has_augmentation = true;
	return data && !d.failed;
}

/* What .eh_frame's pointers are where no augmentation says otherwise, and .debug_frame's always. */
static bool read_address_size(const struct frame_records *fr, uint8_t version, struct cursor *c,
	struct cie *cie)
{
	uint8_t size = fr->image->is_64 ? 8 : 4, segment = 0;

	if (version == 4) {
		size = cursor_u8(c);
		segment = cursor_u8(c);
	}
	cie->pointer_encoding = size == 8 ? DW_EH_PE_UDATA8 : DW_EH_PE_UDATA4;
	return !segment && (size == 4 || size == 8);
}

static bool read_cie(struct frame_records *fr, uint64_t offset, struct cie *ret)
{
	struct record r;

	if (read_record(fr, offset, &r) < 0 || !is_cie(fr, &r))
		return false;
	struct cursor c = r.body;
	uint8_t version = cursor_u8(&c);
	const char *letters = (const char *)c.next;
	const uint8_t *end = memchr(c.next, '\0', c.left);

	*ret = (struct cie){.offset = offset};
	if ((version != 1 && version != 3 && version != 4) || !end)
		return false;
	cursor_take(&c, (size_t)(end - c.next) + 1);
	if (strcmp(letters, "eh") == 0) /* gcc 2 */
		read_format(&c, DW_EH_PE_ABSPTR, fr->image->is_64);
	if (!read_address_size(fr, version, &c, ret))
		return false;
	ret->code_align = cursor_uleb128(&c);
	ret->data_align = cursor_sleb128(&c);
	ret->ra_column = version == 1 ? cursor_u8(&c) : cursor_uleb128(&c);
	if (letters[0] == 'z') {
		if (!read_augmentation(fr, letters + 1, &c, ret))
			return false;
	} else if (letters[0] && strcmp(letters, "eh") != 0) {
		return false;
	}
	if (c.failed || c.left > CIE_INITIAL_MAX - 1)
		return false;
	ret->initial_len = (uint8_t)c.left;
	memcpy(ret->initial, c.next, c.left);
	return true;
}

static const struct cie *get_cie(struct frame_records *fr, uint64_t offset)
{
	for (size_t i = 0; i < RECORDS_CIES; i++)
		if (fr->cies[i].offset == offset)
			return &fr->cies[i];
	struct cie *cie = &fr->cies[fr->next_cie];

	if (!read_cie(fr, offset, cie)) {
		cie->offset = UINT64_MAX;
		return NULL;
	}
	fr->next_cie = (fr->next_cie + 1) % RECORDS_CIES;
	return cie;
}

/* 0, also for one that covers nothing; -ENODATA and -EINVAL as read_record(). *ret_next also then. */
int frame_records_fde(struct frame_records *fr, uint64_t offset, struct fde *ret,
	uint64_t *ret_next)
{
	struct record r = {0};
	uint64_t size = 0;
	int err = read_record(fr, offset, &r);

	*ret_next = err == -EINVAL ? UINT64_MAX : r.next;
	if (err < 0)
		return err;
	uint64_t cie_offset = fr->kind == EH_FRAME_DEBUG ? r.id : r.id_offset - r.id;
	const struct cie *cie =
		is_cie(fr, &r) || cie_offset == UINT64_MAX ? NULL : get_cie(fr, cie_offset);

	/* Again: reading the CIE may have moved the window. */
	if (!cie || read_record(fr, offset, &r) < 0)
		return -EINVAL;
	struct cursor c = r.body;
	size_t n = frame_records_pointer(fr, cie->pointer_encoding, c.next, c.left,
		fr->section.address + r.body_offset, &ret->start);

	cursor_take(&c, n);
	size_t m = frame_records_pointer(fr, cie->pointer_encoding & DW_EH_PE_FORMAT, c.next,
		c.left, 0, &size);

	cursor_take(&c, m);
	if (!n || !m || size > UINT64_MAX - ret->start)
		return -EINVAL;
	if (cie->has_augmentation) {
		uint64_t len = cursor_uleb128(&c);

		if (len > c.left)
			return -EINVAL;
		cursor_take(&c, (size_t)len);
	}
	ret->end = ret->start + size;
	ret->offset = offset;
	ret->cie = cie;
	ret->instructions = c.next;
	ret->len = c.left;
	ret->instructions_address =
		fr->section.address + r.body_offset + (uint64_t)(c.next - r.body.next);
	return c.failed ? -EINVAL : 0;
}

void frame_records_init(struct frame_records *fr, const struct byte_source *source,
	const struct elf_image *image)
{
	*fr = (struct frame_records){.source = source, .image = image};
	for (size_t i = 0; i < RECORDS_CIES; i++)
		fr->cies[i].offset = UINT64_MAX;
}

void frame_records_release(struct frame_records *fr)
{
	scratch_release(&fr->big);
}
