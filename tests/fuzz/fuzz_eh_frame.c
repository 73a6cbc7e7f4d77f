// SPDX-License-Identifier: Apache-2.0
/*
 * The whole way of hostile call frame information: ELF headers, .eh_frame_hdr, records, instructions, rows.
 * Beside not crashing it must keep what the headers promise, and pages put together must be the whole.
 */
#include <stdlib.h>

#include "base/macros.h"
#include "unwind/rows.h"

#define WHOLE_MAX 65536 /* bytes of code looked at; a fuzzer's time */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_rows(const struct unwind_rows *rows, uint64_t lo, uint64_t hi)
{
	require(rows->count > 0 && rows->list[0].address == lo);
	for (size_t i = 0; i < rows->count; i++) {
		const struct unwind_rule *r = &rows->list[i].rule;

		require(rows->list[i].address < hi);
		require(!i || rows->list[i].address > rows->list[i - 1].address);
		require(!i || memcmp(r, &rows->list[i - 1].rule, sizeof(*r)) != 0);
		require(r->cfa < UNWIND_CFA_COUNT && r->fp < UNWIND_FP_COUNT &&
			r->ra < UNWIND_RA_COUNT);
		require(!r->pad);
		if (r->cfa == UNWIND_CFA_UNSUPPORTED)
			require(r->cfa_reg < UNWIND_UNSUPPORTED_COUNT);
	}
}

static void ask(struct eh_frame *ef, uint64_t address)
{
	struct fde fde;

	if (eh_frame_find(ef, address, &fde) == 0)
		require(fde.start <= address && address < fde.end);
	require(eh_frame_next_start(ef, address) > address);
}

/* Rows of one range, and of the same cut in two. */
static void read_range(struct eh_frame *ef, uint64_t lo, uint64_t hi)
{
	struct unwind_rows rows cleanup_unwind_rows = {0};
	uint64_t middle = lo + (hi - lo) / 2;

	if (lo == hi || unwind_rows_read(ef, lo, hi, &rows) < 0)
		return;
	check_rows(&rows, lo, hi);
	if (middle == lo)
		return;
	if (unwind_rows_read(ef, lo, middle, &rows) == 0)
		check_rows(&rows, lo, middle);
	if (unwind_rows_read(ef, middle, hi, &rows) == 0)
		check_rows(&rows, middle, hi);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct byte_source source = byte_source_memory(data, size);
	struct elf_image image;

	if (elf_image_read(&source, &image) < 0)
		return 0;
	struct eh_frame *ef = eh_frame_new(&source, &image);

	for (size_t i = 0; i < image.segment_count && i < 4; i++) {
		const struct elf_segment *s = &image.segments[i];
		uint64_t len = MIN(s->memory_size, (uint64_t)WHOLE_MAX);

		read_range(ef, s->address, s->address + len);
		for (uint64_t at = 0; at < len; at += 61)
			ask(ef, s->address + at);
	}
	ask(ef, 0);
	ask(ef, image.entry & INT64_MAX);
	eh_frame_free(ef);
	elf_image_release(&image);
	return 0;
}
