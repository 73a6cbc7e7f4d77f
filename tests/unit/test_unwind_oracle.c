// SPDX-License-Identifier: Apache-2.0
/*
 * Unwind rows of this machine's own programs and libraries, and of its vDSO, against libdw. ORACLE_FILES says
 * how many files, evenly picked; make check-unwind-all takes all there are.
 */
#include <glob.h>
#include <sys/auxv.h>

#include "lib/frame_file.h"
#include "lib/row_oracle.h"
#include "unit.h"

/* The sanitizers take some ten times as long. */
#if defined(__SANITIZE_ADDRESS__)
#define FILES 8
#else
#define FILES 60
#endif
#define VDSO_SIZE 8192

START_TEST(rows_equal_libdws)
{
	const char *setting = getenv("ORACLE_FILES");
	size_t want = setting ? strtoul(setting, NULL, 10) : FILES;
	struct row_counts counts = {0};
	glob_t files = {0};

	elf_version(EV_CURRENT);
	glob("/usr/bin/*", 0, NULL, &files);
	glob("/usr/sbin/*", GLOB_APPEND, NULL, &files);
	glob("/usr/lib/*-linux-gnu/*.so*", GLOB_APPEND, NULL, &files);
	size_t step = files.gl_pathc / (want ? want : 1);

	for (size_t i = 0; i < files.gl_pathc; i += step ? step : 1)
		check_file(files.gl_pathv[i], &counts, false);
	globfree(&files);
	check_file("/lib/x86_64-linux-gnu/libc.so.6", &counts, false);
	ck_assert_uint_eq(counts.differences, 0);
	ck_assert_uint_gt(counts.files, want / 4);
	ck_assert_uint_gt(counts.rows, counts.files * 100);
}
END_TEST

START_TEST(rows_of_the_vdso_equal_libdws)
{
	char *at = (char *)getauxval(AT_SYSINFO_EHDR);
	struct byte_source source = byte_source_memory(at, VDSO_SIZE);
	struct row_counts counts = {0};
	struct elf_image image;

	ck_assert_ptr_nonnull(at);
	ck_assert_int_eq(elf_image_read(&source, &image), 0);
	elf_version(EV_CURRENT);
	Elf *elf = elf_memory(at, VDSO_SIZE);
	struct eh_frame *ef = eh_frame_new(&source, &image);
	struct row_oracle o = {.path = "vdso",
		.ef = ef,
		.machine = machine_of(image.machine),
		.cfi = dwarf_getcfi_elf(elf),
		.counts = &counts};

	ck_assert_int_eq(eh_frame_kind(ef), EH_FRAME_LOADED);
	ck_assert_int_eq(check_rows(&o), 0);
	ck_assert_uint_eq(counts.differences, 0);
	ck_assert_uint_gt(counts.rows, 10);
	dwarf_cfi_end(o.cfi);
	elf_end(elf);
	eh_frame_free(ef);
	elf_image_release(&image);
}
END_TEST

static uint64_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *state >> 33;
}

/*
 * One instruction that compilers and people write, with random operands. Once a CFA was an expression, no
 * DW_CFA_def_cfa_offset and _register: DWARF forbids them then, and libdw lets them pass.
 */
static void put_random_instruction(struct strbuf *p, const struct machine *m, bool *had_expression,
	uint64_t *state)
{
	uint64_t ra = m->elf_machine == EM_X86_64 ? 16 : 30;
	uint64_t reg = (uint64_t[]){m->fp, m->sp, ra, m->fp, ra, 3, 10}[next_random(state) % 7];
	uint64_t base = (uint64_t[]){m->fp, m->sp, m->sp, 10, 40}[next_random(state) % 5];
	uint64_t n = next_random(state) % 64, offset = next_random(state) % 4000;
	static const uint8_t one_operand[] = {0x06, 0x07, 0x08};
	static const uint8_t two_operands[] = {0x05, 0x11, 0x14, 0x15, 0x2f, 0x09};

	switch (next_random(state) % 16) {
	case 0:
	case 1:
	case 2:
	case 3:
		put(p, 0x40 | n % 8, 1);
		break;
	case 4:
		put(p, 2 | n << 8, 2); /* advance_loc1 */
		break;
	case 5:
	case 6:
		put(p, 0x80 | reg, 1);
		put_leb(p, n);
		break;
	case 7:
		put(p, 0xc0 | reg, 1);
		break;
	case 8:
	case 9:
		put(p, n & 1 ? 0x0c : 0x12, 1); /* def_cfa, and _sf */
		put_leb(p, base);
		put_leb(p, n & 1 ? offset : n);
		break;
	case 10:
		put(p, *had_expression ? 0x2e : 0x0e, 1);
		put_leb(p, offset);
		break;
	case 11:
		put(p, *had_expression ? 0x2e : 0x0d, 1);
		put_leb(p, base);
		break;
	case 12:
		put(p, 0x0a + (n & 1), 1); /* remember, restore */
		break;
	case 13:
		put(p, one_operand[n % sizeof(one_operand)], 1);
		put_leb(p, reg);
		break;
	case 14:
		put(p, two_operands[n % sizeof(two_operands)], 1);
		put_leb(p, reg);
		put_leb(p, offset % 50);
		break;
	default: /* def_cfa_expression or expression: breg n [deref] [plus_uconst] */
		put(p, n & 1 ? 0x0f : 0x10, 1);
		*had_expression |= n & 1;
		if (!(n & 1))
			put_leb(p, reg);
		put(p, (uint64_t)(2 + (n >> 1 & 1) + (n >> 2 & 1) * 2), 1);
		put(p, 0x70 + base % 32, 1);
		put(p, offset & 0x7f, 1);
		if (n >> 1 & 1)
			put(p, 0x06, 1);
		if (n >> 2 & 1)
			put(p, 0x23 | (offset >> 7 & 0x7f) << 8, 2);
	}
}

static void check_random_file(uint16_t machine, uint64_t seed, struct row_counts *counts)
{
	struct strbuf program cleanup_strbuf = STRBUF_INIT;
	struct frame_file f;
	uint64_t state = seed;

	ff_init(&f, machine);
	uint64_t cie = ff_add_usual_cie(&f);

	for (uint64_t i = 0; i < 16; i++) {
		bool had_expression = false;

		strbuf_reset(&program);
		for (uint64_t k = next_random(&state) % 24; k; k--)
			put_random_instruction(&program, machine_of(machine), &had_expression,
				&state);
		ff_add_fde(&f, cie, FF_TEXT + i * 0x80, FF_TEXT + i * 0x80 + 0x70, program.buf,
			program.len);
	}
	ck_assert_int_eq(ff_open(&f), 0);
	Elf *elf = elf_memory(f.bytes.buf, f.bytes.len);
	struct row_oracle o = {.path = "random",
		.ef = f.ef,
		.machine = machine_of(machine),
		.cfi = dwarf_getcfi_elf(elf),
		.counts = counts};

	ck_assert_ptr_nonnull(o.cfi);
	ck_assert_int_eq(check_rows(&o), 0);
	ck_assert_msg(counts->differences == 0, "seed %llu, machine %u", (unsigned long long)seed,
		machine);
	dwarf_cfi_end(o.cfi);
	elf_end(elf);
	ff_release(&f);
}

START_TEST(rows_of_random_instructions_equal_libdws)
{
	struct row_counts counts = {0};

	elf_version(EV_CURRENT);
	for (uint64_t seed = 1; seed <= 500; seed++) {
		check_random_file(EM_X86_64, seed, &counts);
		check_random_file(EM_AARCH64, seed, &counts);
	}
	ck_assert_uint_gt(counts.rows, 50000);
}
END_TEST

UNIT_MAIN("unwind_oracle", rows_of_random_instructions_equal_libdws, rows_equal_libdws,
	rows_of_the_vdso_equal_libdws)
