// SPDX-License-Identifier: Apache-2.0
/*
 * The call frame information of an ELF file: which function (FDE) an address belongs to, and the bytes
 * that say how to unwind it. From .eh_frame (Linux Standard Base 5.0, 10.6) or, where a file has only
 * that, .debug_frame (DWARF 5, 6.4.1). What the bytes mean is src/unwind/'s business.
 *
 * An address belongs to the FDE with the greatest start at or before it that covers it. A look-up reads a few KiB of the file, however large.
 */
#ifndef SYMBOLS_EH_FRAME_H
#define SYMBOLS_EH_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "symbols/byte_source.h"
#include "symbols/elf_image.h"

#define CIE_INITIAL_MAX 256 /* bytes of instructions; the longest of a whole Debian has 39 */

/* What FDEs have in common. */
struct cie {
	uint64_t offset; /* in its section; UINT64_MAX: none */
	uint64_t code_align;
	int64_t data_align;
	uint64_t ra_column;
	uint8_t pointer_encoding; /* DW_EH_PE_*, of addresses in the FDE and in DW_CFA_set_loc */
	bool has_augmentation; /* FDEs have augmentation data before their instructions */
	bool is_signal_frame; /* 'S': the return address is that of the interrupted instruction */
	uint8_t initial_len;
	uint8_t initial[CIE_INITIAL_MAX];
};

/* The pointers are good until the next call for the same eh_frame. */
struct fde {
	uint64_t start, end; /* code: start <= address < end */
	uint64_t offset; /* of the record in its section */
	const struct cie *cie;
	const uint8_t *instructions;
	size_t len;
	uint64_t instructions_address; /* where they are loaded */
};

enum eh_frame_kind {
	EH_FRAME_NONE, /* no tables at all */
	EH_FRAME_LOADED, /* .eh_frame */
	EH_FRAME_DEBUG, /* .debug_frame */
};

struct eh_frame;

/*
 * Looks at the headers of the tables only. A file without tables gives an object that finds nothing.
 * Source and image are borrowed and must live as long; what is read may change under us, for the worse
 * only. Some 25 KiB; 8 bytes per FDE more for files whose .eh_frame_hdr is missing or wrong.
 */
struct eh_frame *eh_frame_new(const struct byte_source *source, const struct elf_image *image);
void eh_frame_free(struct eh_frame *ef);

enum eh_frame_kind eh_frame_kind(const struct eh_frame *ef);
/* Whether look-ups go by an index made of the records themselves, not by .eh_frame_hdr. */
bool eh_frame_is_scanned(const struct eh_frame *ef);
/* The bytes that making it took, 0 where there is none. It may be made by a look-up. */
uint64_t eh_frame_scan_work(const struct eh_frame *ef);
const struct elf_image *eh_frame_image(const struct eh_frame *ef);
const struct byte_source *eh_frame_source(const struct eh_frame *ef);

/* The FDE that `address` belongs to: 0, -ENOENT. */
int eh_frame_find(struct eh_frame *ef, uint64_t address, struct fde *ret) MUST_CHECK;
/* The first start of an FDE above `address`, UINT64_MAX where there is none. */
uint64_t eh_frame_next_start(struct eh_frame *ef, uint64_t address);

/*
 * Reads an encoded pointer (DW_EH_PE_*) at bytes[0] of `len`, which is loaded at `address`. Returns how
 * many bytes it took, 0 where it is damaged or of a kind that cannot be told from the file.
 */
size_t eh_frame_pointer(const struct eh_frame *ef, uint8_t encoding, const uint8_t *bytes,
	size_t len, uint64_t address, uint64_t *ret);

#endif
