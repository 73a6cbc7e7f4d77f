// SPDX-License-Identifier: Apache-2.0
#include "unwind/rows.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/macros.h"
#include "lib/frame_file.h"
#include "unit.h"

static struct frame_file f;
static struct unwind_rows rows;

static void setup(void)
{
	ff_init(&f, EM_X86_64);
}

static void teardown(void)
{
	ff_release(&f);
	unwind_rows_release(&rows);
}

static void start_again(uint16_t machine)
{
	ff_release(&f);
	ff_init(&f, machine);
}

/* A rule in few characters: "sp+16 fp@-16 ra@-8". */
static const char *text_of(const struct unwind_rule *r)
{
	static char text[96];
	static const char *const cfa[UNWIND_CFA_COUNT] = {[UNWIND_CFA_NONE] = "none",
		[UNWIND_CFA_SP] = "sp",
		[UNWIND_CFA_FP] = "fp",
		[UNWIND_CFA_SP_DEREF] = "*sp",
		[UNWIND_CFA_FP_DEREF] = "*fp",
		[UNWIND_CFA_REG] = "r",
		[UNWIND_CFA_REG_DEREF] = "*r",
		[UNWIND_CFA_PLT] = "plt",
		[UNWIND_CFA_SIGNAL] = "signal",
		[UNWIND_CFA_END] = "end",
		[UNWIND_CFA_UNSUPPORTED] = "unsupported"};
	static const char *const fp[UNWIND_FP_COUNT] = {"", " fp@", " fp@fp", " fp@sp", " fp?"};
	int n = snprintf(text, sizeof(text), "%s", cfa[r->cfa]);

	if (r->cfa_reg || r->cfa == UNWIND_CFA_UNSUPPORTED)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%u", r->cfa_reg);
	if (r->cfa_offset)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%+d", r->cfa_offset);
	if (r->cfa_add)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%+d", r->cfa_add);
	n += snprintf(text + n, sizeof(text) - (size_t)n, "%s", fp[r->fp]);
	if (r->fp_offset)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%+d", r->fp_offset);
	if (r->ra == UNWIND_RA_REG)
		snprintf(text + n, sizeof(text) - (size_t)n, " ra=r%u", r->ra_reg);
	else if (r->ra_offset && r->ra_offset != -8)
		snprintf(text + n, sizeof(text) - (size_t)n, " ra@%+d", r->ra_offset);
	return text;
}

static void read_rows(uint64_t lo, uint64_t hi)
{
	ck_assert_int_eq(unwind_rows_read(f.ef, FF_TEXT + lo, FF_TEXT + hi, &rows), 0);
	ck_assert_uint_gt(rows.count, 0);
	ck_assert_uint_eq(rows.list[0].address, FF_TEXT + lo);
	for (size_t i = 1; i < rows.count; i++) {
		ck_assert_uint_gt(rows.list[i].address, rows.list[i - 1].address);
		ck_assert_int_ne(memcmp(&rows.list[i].rule, &rows.list[i - 1].rule,
					 sizeof(struct unwind_rule)),
			0);
	}
}

/* The rows of the code's first bytes: "0 none, 10 sp+8, 20 none". */
static const char *rows_text(uint64_t lo, uint64_t hi)
{
	static struct strbuf out = {.buf = strbuf_empty};

	read_rows(lo, hi);
	strbuf_reset(&out);
	for (size_t i = 0; i < rows.count; i++)
		strbuf_addf(&out, "%s%llx %s", i ? ", " : "",
			(unsigned long long)rows.list[i].address - FF_TEXT,
			text_of(&rows.list[i].rule));
	return out.buf;
}

/* The rows of one function, 0 to 0x20, with these instructions. */
static const char *rows_of(const char *program, size_t len)
{
	ff_add_fde(&f, ff_add_usual_cie(&f), FF_TEXT, FF_TEXT + 0x20, program, len);
	ck_assert_int_eq(ff_open(&f), 0);
	return rows_text(0, 0x20);
}

struct program {
	const char *bytes;
	size_t len;
	const char *rows;
};
#define P(b) (b), sizeof(b) - 1

/* push %rbp; mov %rsp,%rbp; ...; leave; ret */
#define FRAME "\x41\x0e\x10\x86\x02\x43\x0d\x06"

static const struct program x86_programs[] = {
	{P(""), "0 sp+8"},
	{P(FRAME "\x4a\x0c\x07\x08"), "0 sp+8, 1 sp+16 fp@-16, 4 fp+16 fp@-16, e sp+8 fp@-16"},
	{P("\x02\x04\x0e\x10"), "0 sp+8, 4 sp+16"}, /* advance_loc1 */
	{P("\x03\x04\0\x0e\x10"), "0 sp+8, 4 sp+16"},
	{P("\x04\x04\0\0\0\x0e\x10"), "0 sp+8, 4 sp+16"},
	{P("\x1d\x04\0\0\0\0\0\0\0\x0e\x10"), "0 sp+8, 4 sp+16"},
	{P("\x41\x42\x43\x0e\x10"), "0 sp+8, 6 sp+16"},
	{P("\x41\x0e\x10\x41\x0e\x10\x41\x0e\x08"), "0 sp+8, 1 sp+16, 3 sp+8"}, /* merged */
	{P("\x40\x0e\x10"), "0 sp+16"}, /* advance by nothing */
	{P("\x7f\x0e\x10"), "0 sp+8"}, /* behind the end */
	{P("\x04\xff\xff\xff\xff\x0e\x10"), "0 sp+8"},
	{P("\x05\x06\x02"), "0 sp+8 fp@-16"}, /* offset_extended */
	{P("\x86\x02\x41\xc6"), "0 sp+8 fp@-16, 1 sp+8"}, /* restore */
	{P("\x86\x02\x41\x06\x06"), "0 sp+8 fp@-16, 1 sp+8"},
	{P("\x07\x06"), "0 sp+8 fp?"}, /* undefined */
	{P("\x07\x10"), "0 end"},
	{P("\x86\x02\x08\x06"), "0 sp+8"}, /* same_value */
	{P("\x09\x10\x05"), "0 sp+8 ra=r5"}, /* register: vfork */
	{P("\x09\x10\x11"), "0 unsupported6"},
	{P("\x09\x06\x0b"), "0 sp+8 fp?"},
	{P("\x09\x06\x06"), "0 sp+8"},
	{P("\x0a\x0e\x20\x86\x02\x41\x0b"), "0 sp+32 fp@-16, 1 sp+8"}, /* remember, restore */
	{P("\x0a\x0a\x0e\x20\x41\x0b\x0e\x10\x41\x0b"), "0 sp+32, 1 sp+16, 2 sp+8"},
	{P("\x0c\x06\x10"), "0 fp+16"}, /* def_cfa */
	{P("\x0c\x0a\x00"), "0 r10"},
	{P("\x0c\x11\x00"), "0 unsupported3"},
	{P("\x0d\x06"), "0 fp+8"},
	{P("\x0c\x07\xff\xff\xff\xff\x0f"), "0 unsupported4"},
	{P("\x11\x06\x7f"), "0 sp+8 fp@+8"}, /* offset_extended_sf */
	{P("\x12\x07\x7e"), "0 sp+16"}, /* def_cfa_sf */
	{P("\x13\x7e"), "0 sp+16"},
	{P("\x14\x06\x02"), "0 sp+8 fp?"}, /* val_offset */
	{P("\x14\x07\x00"), "0 sp+8"}, /* the stack pointer is the CFA: nothing new */
	{P("\x14\x07\x01"), "0 unsupported7"},
	{P("\x15\x07\x00"), "0 sp+8"},
	{P("\x87\x01"), "0 unsupported7"},
	{P("\x2e\x10"), "0 sp+8"}, /* GNU_args_size */
	{P("\x2f\x06\x02"), "0 sp+8 fp@+16"}, /* GNU_negative_offset_extended */
	{P("\x90\x02"), "0 sp+8 ra@-16"},
	{P("\x05\x10\x80\x80\x01"), "0 unsupported6"}, /* too far for a row */
	{P("\x08\x10"), "0 unsupported6"},
	{P("\x8c\x03\x0e\x18"), "0 sp+24"}, /* another register */
	/* Expressions. */
	{P("\x0f\x03\x76\x78\x06"), "0 *fp-8"}, /* DRAP: *(rbp - 8) */
	{P("\x0f\x06\x77\x80\x02\x06\x23\x08"), "0 *sp+256+8"},
	{P("\x0f\x06\x77\x80\x02\x06\x38\x22"), "0 *sp+256+8"}, /* lit8, plus */
	{P("\x0f\x06\x77\x80\x02\x06\x38\x1c"), "0 *sp+256-8"}, /* lit8, minus */
	{P("\x0f\x05\x38\x77\x10\x06\x22"), "0 *sp+16+8"}, /* 8 + *(sp + 16) */
	{P("\x0f\x02\x77\x10"), "0 sp+16"},
	{P("\x0f\x03\x92\x0a\x10"), "0 r10+16"}, /* bregx */
	{P("\x0f\x04\x7a\x10\x06\x96"), "0 *r10+16"}, /* nop */
	{P("\x0f\x04\x77\x10\x06\x06"), "0 unsupported2"}, /* **(sp + 16) */
	{P("\x0f\x04\x77\x10\x71\x00"), "0 unsupported2"}, /* leaves two values */
	{P("\x0f\x01\x22"), "0 unsupported2"},
	{P("\x0f\x01\x30"), "0 unsupported2"}, /* a constant */
	{P("\x0f\0"), "0 unsupported2"},
	{P("\x0f\x06\x77\x80\x02\x0a\xff\x7f\x22"), "0 unsupported0"}, /* longer than it says */
	{P("\x0f\x05\x77\x00\x0a\xff\x7f"), "0 unsupported2"},
	{P("\x0f\x06\x77\x00\x0a\xff\x7f\x22"), "0 sp+32767"}, /* const2u */
	{P("\x0f\x0b\x77\x08\x80\0\x3f\x1a\x3b\x2a\x33\x24\x22"), "0 plt+11"},
	{P("\x0f\x0b\x77\x08\x80\0\x3f\x1a\x3a\x2a\x33\x24\x22"), "0 plt+10"},
	{P("\x0f\x0b\x77\x10\x80\0\x3f\x1a\x3a\x2a\x33\x24\x22"), "0 unsupported2"},
	{P("\x0c\x06\x10\x10\x06\x02\x76\x00"), "0 fp+16 fp@fp"}, /* rbp at rbp + 0 */
	{P("\x10\x06\x02\x77\x08"), "0 sp+8 fp@sp+8"},
	{P("\x0c\x0a\x00\x10\x06\x02\x7a\x70"), "0 r10 fp@-16"}, /* counted from the CFA */
	{P("\x10\x06\x02\x7b\x00"), "0 sp+8 fp?"},
	{P("\x16\x06\x02\x76\x00"), "0 sp+8 fp?"}, /* val_expression */
	{P("\x10\x10\x02\x77\x00"), "0 sp+8"}, /* the return address at sp */
	{P("\x10\x10\x02\x76\x00"), "0 unsupported5"},
	{P("\x16\x10\x02\x77\x00"), "0 unsupported5"},
	{P("\x0f\x02\x77\x10\x41\x0e\x10"), "0 sp+16, 1 unsupported0"}, /* no offset to change */
	{P("\x0f\x02\x77\x10\x41\x0d\x06"), "0 sp+16, 1 unsupported0"},
	/* Damage. */
	{P("\x41\x0e\x10\x41\x3f"), "0 sp+8, 1 sp+16, 2 unsupported0"}, /* unknown */
	{P("\x41\x0e"), "0 sp+8, 1 unsupported0"}, /* cut */
	{P("\x0e\x80"), "0 unsupported0"},
	{P("\x41\x0b"), "0 sp+8, 1 unsupported0"}, /* nothing to restore */
	{P("\x2d"), "0 unsupported0"}, /* arm64's */
	{P("\x0a\x0a\x0a\x0a\x0a\x0a\x0a\x0a\x41\x0a"), "0 sp+8, 1 unsupported1"},
};

START_TEST(every_instruction_of_x86)
{
	for (size_t i = 0; i < ARRAY_SIZE(x86_programs); i++) {
		const struct program *p = &x86_programs[i];
		const char *got;

		start_again(EM_X86_64);
		got = rows_of(p->bytes, p->len);
		ck_assert_msg(strcmp(got, p->rows) == 0, "program %zu: %s, want %s", i, got,
			p->rows);
	}
}
END_TEST

static const struct program arm64_programs[] = {
	{P(""), "0 sp ra=r30"},
	/* stp x29, x30, [sp, -32]!; mov x29, sp; ldp */
	{P("\x41\x0e\x20\x9d\x04\x9e\x03\x41\x0d\x1d\x44\xdd\xde\x0c\x1f\0"),
		"0 sp ra=r30, 4 sp+32 fp@-32 ra@-24, 8 fp+32 fp@-32 ra@-24, 18 sp ra=r30"},
	{P("\x41\x2d\x42\x2d"), "0 sp ra=r30"}, /* signed meanwhile */
	{P("\x41\x2c"), "0 sp ra=r30"},
	{P("\x07\x1e"), "0 end"},
	{P("\x09\x1e\x09"), "0 sp ra=r9"},
	{P("\x09\x1e\x40"), "0 unsupported6"},
	{P("\x08\x1e"), "0 sp ra=r30"},
};

START_TEST(every_instruction_of_arm64)
{
	for (size_t i = 0; i < ARRAY_SIZE(arm64_programs); i++) {
		const struct program *p = &arm64_programs[i];
		const char *got;

		start_again(EM_AARCH64);
		got = rows_of(p->bytes, p->len);
		ck_assert_msg(strcmp(got, p->rows) == 0, "program %zu: %s, want %s", i, got,
			p->rows);
	}
}
END_TEST

START_TEST(set_loc_moves_forward_only)
{
	struct strbuf p cleanup_strbuf = STRBUF_INIT;
	uint64_t cie = ff_add_usual_cie(&f);
	/* Instructions follow length, CIE, start, size, length of augmentation. */
	uint64_t operand = FF_EH + f.records.len + 17 + 1;

	put(&p, 0x01, 1);
	put(&p, FF_TEXT + 8 - operand, 4);
	strbuf_add(&p, "\x0e\x10\x01", 3);
	put(&p, FF_TEXT + 4 - (operand + 7), 4);
	ff_add_fde(&f, cie, FF_TEXT, FF_TEXT + 0x20, p.buf, p.len);
	ck_assert_int_eq(ff_open(&f), 0);
	ck_assert_str_eq(rows_text(0, 0x20), "0 sp+8, 8 unsupported0");
}
END_TEST

START_TEST(other_machines_are_refused)
{
	start_again(EM_RISCV);
	ff_add_usual_cie(&f);
	ck_assert_int_eq(ff_open(&f), 0);
	ck_assert_int_eq(unwind_rows_read(f.ef, FF_TEXT, FF_TEXT + 1, &rows), -ENOTSUP);
}
END_TEST

START_TEST(pieces_put_together_are_the_whole)
{
	uint64_t cie = ff_add_usual_cie(&f);

	ff_add_fde(&f, cie, FF_TEXT + 0x40, FF_TEXT + 0x60, FRAME, 8);
	ff_add_fde(&f, cie, FF_TEXT + 0x48, FF_TEXT + 0x50, "\x41\x0e\x30", 3); /* nested */
	ff_add_fde(&f, cie, FF_TEXT + 0x10, FF_TEXT + 0x30, "\x41\x0e\x10\x50\x0e\x18", 6);
	ff_add_fde(&f, cie, FF_TEXT + 0x20, FF_TEXT + 0x20, "\x0e\x40", 2); /* empty */
	ff_add_fde(&f, cie, FF_TEXT + 0x60, FF_TEXT + 0x70, "", 0);
	ck_assert_int_eq(ff_open(&f), 0);
	ck_assert_str_eq(rows_text(0, 0x80),
		"0 none, 10 sp+8, 11 sp+16, 21 sp+24, 30 none, 40 sp+8, 41 sp+16 fp@-16, 44 fp+16 fp@-16, "
		"48 sp+8, 49 sp+48, 50 fp+16 fp@-16, 60 sp+8, 70 none");
	struct unwind_rows whole = rows;

	rows = (struct unwind_rows){0};
	for (uint64_t step = 1; step <= 0x20; step++)
		for (uint64_t lo = 0; lo < 0x80; lo += step) {
			size_t k = 0;

			read_rows(lo, lo + step);
			for (size_t i = 0; i < rows.count; i++) {
				while (k + 1 < whole.count &&
					whole.list[k + 1].address <= rows.list[i].address)
					k++;
				ck_assert_mem_eq(&whole.list[k].rule, &rows.list[i].rule,
					sizeof(struct unwind_rule));
			}
		}
	unwind_rows_release(&whole);
}
END_TEST

/* "zRS", and the CFA *(sp + 160): struct ucontext is where the handler's frame was. */
static const char *signal_rows(const char *program, size_t len)
{
	struct ff_cie c = {.version = 1,
		.augmentation = "zRS",
		.data = "\x1b",
		.data_len = 1,
		.code_align = 1,
		.ra = 16,
		.program = "",
		.len = 0};

	start_again(EM_X86_64);
	ff_add_fde(&f, ff_add_cie(&f, &c), FF_TEXT + 0xf, FF_TEXT + 0x19, program, len);
	ck_assert_int_eq(ff_open(&f), 0);
	return rows_text(0, 0x20);
}

START_TEST(signal_frames_are_the_kernels)
{
	ck_assert_str_eq(signal_rows(P("\x0f\x04\x77\xa0\x01\x06\x10\x10\x03\x77\xa8\x01")),
		"0 none, f signal, 19 none");
	ck_assert_str_eq(signal_rows(P("\x0f\x04\x77\xa8\x01\x06\x10\x10\x03\x77\xb0\x01")),
		"0 none, f signal+8, 19 none");
	ck_assert_str_eq(signal_rows(P("\x0f\x04\x77\xa0\x01\x06\x10\x10\x03\x77\xb0\x01")),
		"0 none, f unsupported8, 19 none"); /* the return address is elsewhere */
	ck_assert_str_eq(signal_rows(P("\x0f\x04\x77\xa0\x01\x06\x90\x01")),
		"0 none, f unsupported8, 19 none");
	ck_assert_str_eq(signal_rows(P("\x0f\x03\x77\xa0\x01\x10\x10\x03\x77\xa8\x01")),
		"0 none, f unsupported8, 19 none"); /* in struct ucontext, not what is there */
	ck_assert_str_eq(signal_rows(P("\x0c\x07\x08\x90\x01")), "0 none, f unsupported8, 19 none");
	ck_assert_str_eq(signal_rows(P("\x0f\x03\x76\x00\x06\x90\x01")),
		"0 none, f unsupported8, 19 none");
}
END_TEST

static const uint8_t musl_clone[] = {0x31, 0xc0, 0xb0, 0x38, 0x49, 0x89, 0xfb, 0x48, 0x89, 0xd7,
	0x4c, 0x89, 0xc2, 0x4d, 0x89, 0xc8, 0x4c, 0x8b, 0x54, 0x24, 0x08, 0x4d, 0x89, 0xd9, 0x48,
	0x83, 0xe6, 0xf0, 0x48, 0x83, 0xee, 0x08, 0x48, 0x89, 0x0e, 0x0f, 0x05, 0x85, 0xc0, 0x75,
	0x0f, 0x31, 0xed, 0x5f, 0x41, 0xff, 0xd1, 0x89, 0xc7, 0x31, 0xc0, 0xb0, 0x3c, 0x0f, 0x05,
	0xf4, 0xc3};

START_TEST(known_code_of_x86)
{
	static const uint8_t sigreturn[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
	static const uint8_t exit_main[] = {0xff, 0xd3, 0x89, 0xc7, 0xe8, 1, 2, 3, 4};
	static const uint8_t exit_thread[] = {0xff, 0x13, 0x48, 0x89, 0xc7, 0xe8, 1, 2, 3, 4};

	f.entry = FF_TEXT + 0x800;
	memcpy(f.text + 0x100, musl_clone, sizeof(musl_clone));
	memcpy(f.text + 0x200, sigreturn, sizeof(sigreturn));
	memcpy(f.text + 0x301, sigreturn + 2, 7); /* not the instruction with %eax */
	memcpy(f.text + 0x400, exit_main, sizeof(exit_main));
	memcpy(f.text + 0x500, exit_thread, sizeof(exit_thread));
	memcpy(f.text + 0x602, exit_main + 2, 7); /* not after a call */
	memcpy(f.text + 0x800, "\x48\x31\xed", 3);
	ck_assert_int_eq(ff_open(&f), 0);
	ck_assert_str_eq(rows_text(0, 0xf00),
		"0 none, 100 sp+8, 129 end, 138 sp+8, 139 none, 1ff signal, 209 none, 401 end, 409 none, "
		"501 end, 50a none, 800 end, 860 none");
	/* The same where a range begins or ends within. */
	ck_assert_str_eq(rows_text(0x130, 0x139), "130 end, 138 sp+8");
	ck_assert_str_eq(rows_text(0x204, 0x206), "204 signal");
	ck_assert_str_eq(rows_text(0x1ff, 0x200), "1ff signal");
	ck_assert_str_eq(rows_text(0x404, 0x405), "404 end");
}
END_TEST

START_TEST(calls_of_main_are_known_only_where_no_fde_is_for_the_entry)
{
	static const uint8_t exit_main[] = {0xff, 0xd3, 0x89, 0xc7, 0xe8, 1, 2, 3, 4};

	f.entry = FF_TEXT + 0x800;
	memcpy(f.text + 0x400, exit_main, sizeof(exit_main));
	ff_add_fde(&f, ff_add_usual_cie(&f), FF_TEXT + 0x800, FF_TEXT + 0x810, "\x07\x10", 2);
	ck_assert_int_eq(ff_open(&f), 0);
	ck_assert_str_eq(rows_text(0, 0xf00), "0 none, 800 end, 810 none");
}
END_TEST

/* A library: its linker calls the start of its code its entry point. */
START_TEST(entry_points_must_look_like_one)
{
	f.entry = FF_TEXT + 0x800;
	memcpy(f.text + 0x400, "\xff\xd3\x89\xc7\xe8", 5);
	memcpy(f.text + 0x800, "\x55\x48\x89\xe5", 4);
	ck_assert_int_eq(ff_open(&f), 0);
	ck_assert_str_eq(rows_text(0, 0xf00), "0 none");
	ff_close(&f);
	memcpy(f.bytes.buf + FF_TEXT - FF_BASE + 0x800, "\xf3\x0f\x1e\xfa\x31\xed", 6);
	ck_assert_int_eq(ff_open(&f), 0);
	ck_assert_str_eq(rows_text(0, 0xf00), "0 none, 401 end, 409 none, 800 end, 860 none");
}
END_TEST

START_TEST(known_code_of_arm64)
{
	static const uint8_t sigreturn[] = {0x68, 0x11, 0x80, 0xd2, 1, 0, 0, 0xd4};
	static const uint8_t clone_child[] = {0xe1, 0x03, 0xc1, 0xa8, 0x20, 0, 0x3f, 0xd6, 0xa8,
		0x0b, 0x80, 0xd2, 1, 0, 0, 0xd4};

	start_again(EM_AARCH64);
	f.entry = FF_TEXT + 0x280;
	memcpy(f.text + 0x280, "\x1d\x00\x80\xd2", 4);
	memcpy(f.text + 0x100, sigreturn, sizeof(sigreturn));
	memcpy(f.text + 0x200, clone_child, sizeof(clone_child));
	ck_assert_int_eq(ff_open(&f), 0);
	ck_assert_str_eq(rows_text(0, 0x300),
		"0 none, fc signal, 108 none, 200 end, 210 none, 280 end, 2e0 none");
}
END_TEST

/* Also of programs that have another build id than Go's. */
START_TEST(code_made_by_go_is_not_followed)
{
	memcpy(f.text + 0x100, "\x53\x31\xc0\x5b\xc3", 5); /* push, xor, pop, ret */
	ff_add_fde(&f, ff_add_usual_cie(&f), FF_TEXT, FF_TEXT + 0x80, "\x07\x10", 2);
	ck_assert_int_eq(ff_open(&f), 0);
	ck_assert_str_eq(rows_text(0x80, 0xf00),
		"80 none, 100 sp+8, 101 sp+16, 104 sp+8, 105 none");
	f.image.is_go = true;
	ck_assert_ptr_null(f.image.go_build_id);
	ck_assert_str_eq(rows_text(0x80, 0xf00), "80 none");
}
END_TEST

static void check_limit(void)
{
	ck_assert_uint_eq(rows.list[rows.count - 1].rule.cfa, UNWIND_CFA_UNSUPPORTED);
	ck_assert_uint_eq(rows.list[rows.count - 1].rule.cfa_reg, UNWIND_LIMIT);
}

/* Functions one byte apart, each covering all behind it, with many instructions: a file made to be slow. */
START_TEST(work_is_bounded)
{
	struct strbuf program cleanup_strbuf = STRBUF_INIT;
	uint64_t cie = ff_add_usual_cie(&f);

	ff_pad(&program, 50000);
	for (uint64_t i = 0; i < 400; i++)
		ff_add_fde(&f, cie, FF_TEXT + i, FF_TEXT + 0xf00, program.buf, program.len);
	ck_assert_int_eq(ff_open(&f), 0);
	read_rows(0, 0xf00);
	check_limit();
}
END_TEST

/* Gaps of one byte, for each of which all symbols are read. */
START_TEST(work_in_gaps_is_bounded)
{
	uint64_t cie = ff_add_usual_cie(&f);

	memset(f.text, 0x53, sizeof(f.text));
	for (uint64_t i = 0; i < 0xf00; i += 2)
		ff_add_fde(&f, cie, FF_TEXT + i, FF_TEXT + i + 1, "", 0);
	ff_pad(&f.records, (64 << 10) * sizeof(Elf64_Sym));
	ck_assert_int_eq(ff_open(&f), 0);
	f.image.symtab.offset = FF_EH - FF_BASE;
	f.image.symtab.size = f.records.len;
	read_rows(0, 0xf00);
	check_limit();
}
END_TEST

/* They are about no code: what is between them is one gap. */
START_TEST(empty_fdes_cut_nothing)
{
	uint64_t cie = ff_add_usual_cie(&f);

	memcpy(f.text + 0x100, "\x53\x31\xc0\x5b\xc3", 5); /* push, xor, pop, ret */
	ff_add_fde(&f, cie, FF_TEXT, FF_TEXT + 0x80, "\x07\x10", 2);
	for (uint64_t i = 0x80; i < 0xf00; i++)
		ff_add_fde(&f, cie, FF_TEXT + i, FF_TEXT + i, "", 0);
	ck_assert_int_eq(ff_open(&f), 0);
	ck_assert_str_eq(rows_text(0x80, 0xf00),
		"80 none, 100 sp+8, 101 sp+16, 104 sp+8, 105 none");
	ck_assert_str_eq(rows_text(0x102, 0x105), "102 sp+16, 104 sp+8");
}
END_TEST

/* Those of this process so far; 0 where the kernel does not count them. */
static unsigned long reads(void)
{
	FILE *io = fopen("/proc/self/io", "re");
	char line[128];
	unsigned long count = 0;

	while (io && fgets(line, sizeof(line), io))
		if (sscanf(line, "syscr: %lu", &count) == 1)
			break;
	if (io)
		fclose(io);
	return count;
}

/* Of a program whose functions are padded, as all are: this one. */
START_TEST(a_page_takes_few_reads)
{
	int fd cleanup_close = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct elf_image image;
	struct stat st;
	unsigned long pages = 0, before = reads();

	ck_assert_int_eq(fstat(fd, &st), 0);
	struct byte_source source = byte_source_fd(fd, (uint64_t)st.st_size);

	ck_assert_int_eq(elf_image_read(&source, &image), 0);
	struct eh_frame *ef = eh_frame_new(&source, &image);
	const struct elf_segment *code = elf_image_code_segment(&image);

	for (uint64_t at = code->address; at < code->address + code->memory_size;
		at += UNWIND_PAGE_SIZE, pages++)
		ck_assert_int_eq(unwind_rows_read(ef, at, at + UNWIND_PAGE_SIZE, &rows), 0);
	ck_assert_uint_gt(pages, 10);
	ck_assert_uint_lt(reads() - before, 100 + 4 * pages);
	eh_frame_free(ef);
	elf_image_release(&image);
}
END_TEST

UNIT_MAIN_FIXTURE("unwind_rows", setup, teardown, every_instruction_of_x86,
	every_instruction_of_arm64, set_loc_moves_forward_only, other_machines_are_refused,
	pieces_put_together_are_the_whole, signal_frames_are_the_kernels, known_code_of_x86,
	calls_of_main_are_known_only_where_no_fde_is_for_the_entry, entry_points_must_look_like_one,
	known_code_of_arm64, code_made_by_go_is_not_followed, work_is_bounded,
	work_in_gaps_is_bounded, empty_fdes_cut_nothing, a_page_takes_few_reads)
