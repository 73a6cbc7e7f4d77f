// SPDX-License-Identifier: Apache-2.0
#include "symbols/eh_frame.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/frame_file.h"
#include "symbols/dso_files.h"
#include "unit.h"

static struct frame_file f;

static void setup(void)
{
	ff_init(&f, EM_X86_64);
}

static void teardown(void)
{
	ff_release(&f);
}

/* The range of the FDE at an offset from the code's start, "" where there is none. */
static const char *found(uint64_t offset)
{
	static char text[64];
	struct fde fde;

	if (eh_frame_find(f.ef, FF_TEXT + offset, &fde) < 0)
		return "";
	snprintf(text, sizeof(text), "%llx-%llx", (unsigned long long)fde.start - FF_TEXT,
		(unsigned long long)fde.end - FF_TEXT);
	return text;
}

static uint64_t add(uint64_t cie, uint64_t start, uint64_t end)
{
	return ff_add_fde(&f, cie, FF_TEXT + start, FF_TEXT + end, "", 0);
}

START_TEST(pointers_of_all_encodings)
{
	static const uint8_t bytes[8] = {0xf0, 0x80, 0x01, 0x80, 0x12, 0x34, 0x56, 0x81};
	const uint64_t at = 0x1000, datarel_refused = 0;
	const struct {
		uint8_t encoding;
		size_t len;
		uint64_t value;
	} cases[] = {
		{0x00, 8, 0x81563412800180f0}, {0x01, 3, 0x4070}, /* uleb128 f0 80 01 */
		{0x02, 2, 0x80f0}, {0x03, 4, 0x800180f0}, {0x04, 8, 0x81563412800180f0},
		{0x08, 8, 0x81563412800180f0}, {0x09, 3, 0x4070}, {0x0a, 2, 0xffffffffffff80f0},
		{0x0b, 4, 0xffffffff800180f0}, {0x0c, 8, 0x81563412800180f0},
		{0x10, 8, 0x81563412800190f0}, {0x12, 2, 0x90f0}, {0x1b, 4, 0xffffffff800190f0},
		{0x13, 4, 0x800190f0}, {0x05, 0, 0}, /* no such format */
		{0x0f, 0, 0}, {0x20, 0, 0}, /* relative to the text, data, function; aligned */
		{0x3b, 0, datarel_refused}, {0x40, 0, 0}, {0x50, 0, 0}, {0x9b, 0, 0}, /* indirect */
		{0xff, 0, 0}, /* omitted */
	};

	ff_add_usual_cie(&f);
	ck_assert_int_eq(ff_open(&f), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t value = 0;
		size_t len =
			eh_frame_pointer(f.ef, cases[i].encoding, bytes, sizeof(bytes), at, &value);

		ck_assert_msg(len == cases[i].len && value == cases[i].value,
			"encoding %02x: %zu %llx", cases[i].encoding, len,
			(unsigned long long)value);
		if (len)
			ck_assert_uint_eq(eh_frame_pointer(f.ef, cases[i].encoding, bytes, len - 1,
						  at, &value),
				0);
	}
	f.image.is_64 = false; /* four bytes, and addresses wrap */
	uint64_t value = 0;

	ck_assert_uint_eq(eh_frame_pointer(f.ef, 0x00, bytes, 8, at, &value), 4);
	ck_assert_uint_eq(value, 0x800180f0);
	ck_assert_uint_eq(eh_frame_pointer(f.ef, 0x1b, bytes, 8, 0x90000000, &value), 4);
	ck_assert_uint_eq(value, 0x100180f0);
}
END_TEST

START_TEST(ranges_end_where_they_say)
{
	uint64_t cie = ff_add_usual_cie(&f);

	add(cie, 0x10, 0x20);
	add(cie, 0x20, 0x30);
	add(cie, 0x100, 0x101);
	ck_assert_int_eq(ff_open(&f), 0);
	ck_assert_str_eq(found(0xf), "");
	ck_assert_str_eq(found(0x10), "10-20");
	ck_assert_str_eq(found(0x1f), "10-20");
	ck_assert_str_eq(found(0x20), "20-30");
	ck_assert_str_eq(found(0x30), "");
	ck_assert_str_eq(found(0x100), "100-101");
	ck_assert_str_eq(found(0x101), "");
	ck_assert_uint_eq(eh_frame_next_start(f.ef, 0), FF_TEXT + 0x10);
	ck_assert_uint_eq(eh_frame_next_start(f.ef, FF_TEXT + 0x10), FF_TEXT + 0x20);
	ck_assert_uint_eq(eh_frame_next_start(f.ef, FF_TEXT + 0x2f), FF_TEXT + 0x100);
	ck_assert_uint_eq(eh_frame_next_start(f.ef, FF_TEXT + 0x100), UINT64_MAX);
}
END_TEST

START_TEST(fdes_in_any_order_empty_and_nested)
{
	uint64_t cie = ff_add_usual_cie(&f);

	add(cie, 0x80, 0x90);
	add(cie, 0x10, 0x70); /* holds two others */
	add(cie, 0x40, 0x48);
	add(cie, 0x30, 0x38);
	add(cie, 0x60, 0x60);
	add(cie, 0x100000, 0x100010); /* not in the code */
	ck_assert_int_eq(ff_open(&f), 0);
	ck_assert(eh_frame_is_scanned(f.ef));
	ck_assert_str_eq(found(0x2f), "10-70");
	ck_assert_str_eq(found(0x30), "30-38");
	ck_assert_str_eq(found(0x38), "10-70");
	ck_assert_str_eq(found(0x47), "40-48");
	ck_assert_str_eq(found(0x48), "10-70");
	ck_assert_str_eq(found(0x60), "10-70");
	ck_assert_str_eq(found(0x70), "");
	ck_assert_str_eq(found(0x80), "80-90");
	ck_assert_str_eq(found(0x100000), "");
}
END_TEST

/* Four FDEs and what .eh_frame_hdr says of them. */
static void open_with_table(const uint64_t order[4], uint64_t shift, size_t count)
{
	uint64_t cie = ff_add_usual_cie(&f), entries[4][2], fdes[4];

	for (size_t i = 0; i < 4; i++)
		fdes[i] = add(cie, i * 0x20, i * 0x20 + 0x18);
	for (size_t i = 0; i < 4; i++) {
		entries[i][0] = FF_TEXT + order[i] * 0x20 + shift;
		entries[i][1] = fdes[order[i]];
	}
	ff_add_hdr(&f, (const uint64_t(*)[2])entries, count);
	ck_assert_int_eq(ff_open(&f), 0);
}

static void expect_all_four(void)
{
	ck_assert_str_eq(found(0), "0-18");
	ck_assert_str_eq(found(0x17), "0-18");
	ck_assert_str_eq(found(0x18), "");
	ck_assert_str_eq(found(0x20), "20-38");
	ck_assert_str_eq(found(0x40), "40-58");
	ck_assert_str_eq(found(0x77), "60-78");
	ck_assert_str_eq(found(0x78), "");
}

START_TEST(the_table_is_used)
{
	open_with_table((uint64_t[]){0, 1, 2, 3}, 0, 4);
	expect_all_four();
	ck_assert(!eh_frame_is_scanned(f.ef));
}
END_TEST

START_TEST(the_table_alone_leads_to_the_records)
{
	f.no_sections = true;
	open_with_table((uint64_t[]){0, 1, 2, 3}, 0, 4);
	ck_assert_uint_eq(f.image.named[ELF_EH_FRAME].size, 0);
	expect_all_four();
	ck_assert(!eh_frame_is_scanned(f.ef));
}
END_TEST

START_TEST(an_unsorted_table_is_not_believed)
{
	open_with_table((uint64_t[]){3, 1, 0, 2}, 0, 4);
	expect_all_four();
	ck_assert(eh_frame_is_scanned(f.ef));
}
END_TEST

START_TEST(a_table_with_other_starts_is_not_believed)
{
	open_with_table((uint64_t[]){0, 1, 2, 3}, 4, 4);
	expect_all_four();
	ck_assert(eh_frame_is_scanned(f.ef));
}
END_TEST

START_TEST(a_table_larger_than_its_section_is_not_believed)
{
	uint32_t count = UINT32_MAX;

	open_with_table((uint64_t[]){0, 1, 2, 3}, 0, 4);
	ff_close(&f);
	memcpy(f.bytes.buf + FF_HDR - FF_BASE + 8, &count, 4);
	ck_assert_int_eq(ff_open(&f), 0);
	ck_assert(eh_frame_is_scanned(f.ef));
	expect_all_four();
}
END_TEST

START_TEST(a_table_that_leads_nowhere_is_not_believed)
{
	uint32_t far = 0x7fffffff;

	open_with_table((uint64_t[]){0, 1, 2, 3}, 0, 4);
	ff_close(&f);
	for (size_t i = 0; i < 4; i++)
		memcpy(f.bytes.buf + FF_HDR - FF_BASE + 16 + i * 8, &far, 4);
	ck_assert_int_eq(ff_open(&f), 0);
	expect_all_four();
	ck_assert(eh_frame_is_scanned(f.ef));
}
END_TEST

/* One FDE of such a CIE: found, or refused. */
static bool accepts(const struct ff_cie *c, uint8_t encoding, struct fde *ret)
{
	ff_release(&f);
	setup();
	uint64_t cie = ff_add_cie(&f, c);

	ff_add_fde_as(&f, cie, encoding, c->augmentation[0] == 'z',
		(uint64_t[]){FF_TEXT + 0x10, FF_TEXT + 0x20}, "\x41", 1);
	ck_assert_int_eq(ff_open(&f), 0);
	if (eh_frame_find(f.ef, FF_TEXT + 0x18, ret) < 0)
		return false;
	ck_assert_uint_eq(ret->len, 1);
	ck_assert_uint_eq(ret->instructions[0], 0x41);
	return true;
}

START_TEST(cies_of_all_versions_and_augmentations)
{
	struct ff_cie c = {.code_align = 1, .ra = 16, .program = "\x90\x01", .len = 2};
	struct fde fde;
	static const uint8_t good[] = {1, 3, 4}, bad[] = {0, 2, 5, 255};

	for (size_t i = 0; i < sizeof(good); i++) {
		c.version = good[i];
		c.augmentation = "";
		ck_assert(accepts(&c, FF_UDATA8, &fde));
		ck_assert_uint_eq(fde.cie->ra_column, 16);
		ck_assert_int_eq(fde.cie->data_align, -8);
		ck_assert_uint_eq(fde.cie->initial_len, 2);
		c.augmentation = "zR";
		c.data = "\x1b";
		c.data_len = 1;
		ck_assert(accepts(&c, FF_PCREL_SDATA4, &fde));
		ck_assert(!fde.cie->is_signal_frame);
	}
	for (size_t i = 0; i < sizeof(bad); i++) {
		c.version = bad[i];
		ck_assert(!accepts(&c, FF_PCREL_SDATA4, &fde));
	}
	c.version = 1;
	c.augmentation = "zPLRS";
	c.data = "\x9b\x11\x22\x33\x44\x1b\x1b";
	c.data_len = 7;
	ck_assert(accepts(&c, FF_PCREL_SDATA4, &fde));
	ck_assert(fde.cie->is_signal_frame);
	c.augmentation = "zRB";
	c.data = "\x1b";
	c.data_len = 1;
	ck_assert(accepts(&c, FF_PCREL_SDATA4, &fde));
	c.augmentation = "zRQ"; /* nobody knows Q */
	ck_assert(!accepts(&c, FF_PCREL_SDATA4, &fde));
	c.augmentation = "R";
	ck_assert(!accepts(&c, FF_PCREL_SDATA4, &fde));
	c.augmentation = "zPR"; /* the data ends too early */
	c.data = "\x9b\x11\x22";
	c.data_len = 3;
	ck_assert(!accepts(&c, FF_PCREL_SDATA4, &fde));
	c.augmentation = "eh";
	ck_assert(accepts(&c, FF_UDATA8, &fde));
}
END_TEST

START_TEST(debug_frame_of_both_widths)
{
	struct ff_cie c = {.version = 4,
		.augmentation = "",
		.code_align = 1,
		.ra = 16,
		.program = "",
		.len = 0};

	for (int wide = 0; wide <= 1; wide++) {
		ff_release(&f);
		setup();
		f.debug = true;
		f.wide = wide;
		put(&f.records, 0, 4); /* a terminator is no end */
		uint64_t cie = ff_add_cie(&f, &c);

		ff_add_fde_as(&f, cie, FF_UDATA8, false, (uint64_t[]){FF_TEXT, FF_TEXT + 8}, "", 0);
		ck_assert_int_eq(ff_open(&f), 0);
		ck_assert_int_eq(eh_frame_kind(f.ef), EH_FRAME_DEBUG);
		ck_assert_str_eq(found(7), "0-8");
		ck_assert_str_eq(found(8), "");
	}
}
END_TEST

START_TEST(eh_frame_with_long_lengths)
{
	f.wide = true;
	uint64_t cie = ff_add_usual_cie(&f);

	add(cie, 0, 8);
	ck_assert_int_eq(ff_open(&f), 0);
	ck_assert_str_eq(found(0), "0-8");
}
END_TEST

START_TEST(a_record_larger_than_the_window)
{
	struct strbuf program cleanup_strbuf = STRBUF_INIT;
	struct fde fde;

	ff_pad(&program, 60000);
	uint64_t cie = ff_add_usual_cie(&f);

	ff_add_fde(&f, cie, FF_TEXT, FF_TEXT + 8, program.buf, program.len);
	add(cie, 8, 16);
	ck_assert_int_eq(ff_open(&f), 0);
	ck_assert_int_eq(eh_frame_find(f.ef, FF_TEXT, &fde), 0);
	ck_assert_uint_eq(fde.len, 60000);
	ck_assert_str_eq(found(8), "8-10");
}
END_TEST

START_TEST(a_file_without_tables_finds_nothing)
{
	ck_assert_int_eq(ff_open(&f), 0);
	ck_assert_int_eq(eh_frame_kind(f.ef), EH_FRAME_NONE);
	ck_assert_str_eq(found(0), "");
	ck_assert_uint_eq(eh_frame_next_start(f.ef, 0), UINT64_MAX);
}
END_TEST

/* As the files of a module, within the work of a round. */
START_TEST(reading_all_records_counts_as_work)
{
	struct dso_files_budget budget;
	struct file_identity identity = {0};
	struct dso_files files;
	uint64_t cie = ff_add_usual_cie(&f);

	for (size_t i = 0; i < 100; i++)
		add(cie, i * 16, i * 16 + 16);
	ck_assert_int_eq(ff_open(&f), 0);
	ck_assert_uint_ge(eh_frame_scan_work(f.ef), f.records.len);
	dso_files_budget_init(&budget, -1);
	dso_files_init(&files, &budget, &identity);
	files.memory = (const uint8_t *)f.bytes.buf;
	files.memory_size = f.bytes.len;
	ck_assert_int_eq(dso_files_read(&files), 0);
	struct name_files names = dso_files_names(&files);
	uint64_t left = budget.work_left;

	for (int i = 0; i < 2; i++)
		ck_assert_ptr_nonnull(names.eh_frame(names.owner));
	ck_assert_uint_eq(budget.work_left, left - eh_frame_scan_work(f.ef));
	dso_files_drop(&files);
	budget.work_left = 0;
	ck_assert_ptr_null(names.eh_frame(names.owner));
	dso_files_release(&files);
	dso_files_budget_release(&budget);
}
END_TEST

/* What is behind the records, up to 4 TiB, is a hole. */
static void open_as_sparse_file(uint64_t section_size)
{
	int fd = memfd_create("sparse", MFD_CLOEXEC);

	ck_assert_int_eq(ff_open(&f), 0);
	ck_assert_int_ge(fd, 0);
	size_t len = FF_EH - FF_BASE + f.records.len;

	ck_assert_int_eq(write(fd, f.bytes.buf, len), (ssize_t)len);
	ck_assert_int_eq(ftruncate(fd, INT64_C(1) << 42), 0);
	eh_frame_free(f.ef);
	f.source = byte_source_fd(fd, UINT64_C(1) << 42);
	f.image.named[ELF_EH_FRAME].size = section_size;
	f.ef = eh_frame_new(&f.source, &f.image);
}

START_TEST(a_hole_of_terabytes_ends_soon)
{
	uint64_t cie = ff_add_usual_cie(&f);

	add(cie, 0x10, 0x20);
	open_as_sparse_file(UINT64_C(1) << 41);
	ck_assert(eh_frame_is_scanned(f.ef));
	ck_assert_str_eq(found(0x10), "10-20");
	ck_assert_str_eq(found(0x20), "");
	close(f.source.fd);
}
END_TEST

/* Half a megabyte each, and nothing of it is a CIE; all are read anew for each record that names them. */
START_TEST(large_records_are_not_read_over_and_over)
{
	uint64_t large = ff_begin_record(&f);

	ff_pad(&f.records, 1 << 19);
	f.records.buf[f.records.len - 1] = 1;
	ff_end_record(&f, large);
	for (size_t i = 0; i < 40000; i++)
		add(large, 0x10, 0x20);
	add(ff_add_usual_cie(&f), 0x30, 0x40);
	ck_assert_int_eq(ff_open(&f), 0); /* 20 GB come before the last one */
	ck_assert_str_eq(found(0x30), "");
}
END_TEST

/* Each byte of tables and records, with each of these in its place. */
START_TEST(damage_is_survived)
{
	static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff};

	open_with_table((uint64_t[]){0, 1, 2, 3}, 0, 4);
	for (size_t at = FF_HDR - FF_BASE; at < FF_EH - FF_BASE + f.records.len; at++) {
		if (at == FF_HDR - FF_BASE + f.hdr.len)
			at = FF_EH - FF_BASE;
		char was = f.bytes.buf[at];

		for (size_t i = 0; i < sizeof(values); i++) {
			ff_close(&f);
			f.bytes.buf[at] = (char)values[i];
			ck_assert_int_eq(ff_open(&f), 0);
			for (uint64_t offset = 0; offset < 0x80; offset += 4) {
				struct fde fde;
				uint64_t address = FF_TEXT + offset;

				if (eh_frame_find(f.ef, address, &fde) == 0)
					ck_assert(fde.start <= address && address < fde.end);
				ck_assert_uint_gt(eh_frame_next_start(f.ef, address), address);
			}
		}
		f.bytes.buf[at] = was;
	}
}
END_TEST

START_TEST(cut_files_are_survived)
{
	open_with_table((uint64_t[]){0, 1, 2, 3}, 0, 4);
	size_t whole = f.bytes.len;

	for (size_t len = FF_HDR - FF_BASE; len < whole; len++) {
		ff_close(&f);
		f.bytes.len = len;
		ck_assert_int_eq(ff_open(&f), 0);
		found(0x30);
		eh_frame_next_start(f.ef, FF_TEXT);
	}
}
END_TEST

UNIT_MAIN_FIXTURE("eh_frame", setup, teardown, pointers_of_all_encodings, ranges_end_where_they_say,
	fdes_in_any_order_empty_and_nested, the_table_is_used, the_table_alone_leads_to_the_records,
	an_unsorted_table_is_not_believed, a_table_with_other_starts_is_not_believed,
	a_table_larger_than_its_section_is_not_believed, a_table_that_leads_nowhere_is_not_believed,
	cies_of_all_versions_and_augmentations, debug_frame_of_both_widths,
	eh_frame_with_long_lengths, a_record_larger_than_the_window,
	a_file_without_tables_finds_nothing, a_hole_of_terabytes_ends_soon,
	large_records_are_not_read_over_and_over, reading_all_records_counts_as_work,
	damage_is_survived, cut_files_are_survived)
