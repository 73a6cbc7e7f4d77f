// SPDX-License-Identifier: Apache-2.0
/*
 * The records of .eh_frame or .debug_frame, one at a time, wherever they are: what eh_frame.c, which finds
 * them, is made of.
 */
#ifndef SYMBOLS_FRAME_RECORDS_H
#define SYMBOLS_FRAME_RECORDS_H

#include "base/scratch.h"
#include "symbols/eh_frame.h"

#define RECORDS_WINDOW 16384 /* bytes read at once; a page of code has 1 to 3 KiB */
#define RECORDS_CIES   8 /* kept; the most that a file of a whole Debian has are 199 */

/* DWARF exception header encodings (LSB 5.0, 10.5.1). */
enum {
	DW_EH_PE_ABSPTR = 0x00,
	DW_EH_PE_ULEB128 = 0x01,
	DW_EH_PE_UDATA2 = 0x02,
	DW_EH_PE_UDATA4 = 0x03,
	DW_EH_PE_UDATA8 = 0x04,
	DW_EH_PE_SIGNED = 0x08,
	DW_EH_PE_SLEB128 = 0x09,
	DW_EH_PE_SDATA2 = 0x0a,
	DW_EH_PE_SDATA4 = 0x0b,
	DW_EH_PE_SDATA8 = 0x0c,
	DW_EH_PE_FORMAT = 0x0f,
	DW_EH_PE_PCREL = 0x10,
	DW_EH_PE_DATAREL = 0x30,
	DW_EH_PE_BASE = 0x70,
	DW_EH_PE_OMIT = 0xff,
};

struct frame_records {
	const struct byte_source *source;
	const struct elf_image *image;
	enum eh_frame_kind kind;
	struct elf_area section;
	uint64_t datarel; /* what such pointers are relative to; 0: nothing known */

	struct cie cies[RECORDS_CIES];
	size_t next_cie; /* to be replaced */

	uint64_t work; /* bytes that were read or looked at since the beginning */
	uint64_t window_at;
	size_t window_len;
	struct scratch big; /* a record larger than the window */
	uint8_t window[RECORDS_WINDOW];
};

void frame_records_init(struct frame_records *fr, const struct byte_source *source,
	const struct elf_image *image);
void frame_records_release(struct frame_records *fr);

/*
 * The FDE at `offset` of the section: 0, also for one that covers nothing; -ENODATA at an end mark; -EINVAL
 * where it is a CIE, damaged, or of a kind that is not understood. *ret_next, in all cases: the offset of the
 * next record, UINT64_MAX where that cannot be told.
 */
int frame_records_fde(struct frame_records *fr, uint64_t offset, struct fde *ret,
	uint64_t *ret_next) MUST_CHECK;
/* eh_frame_pointer() */
size_t frame_records_pointer(const struct frame_records *fr, uint8_t encoding, const uint8_t *bytes,
	size_t len, uint64_t address, uint64_t *ret);

#endif
