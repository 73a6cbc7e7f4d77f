// SPDX-License-Identifier: Apache-2.0
/* dockprof unwind and dockprof buildid as a person meets them: arguments in, text out. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "commands.h"
#include "lib/frame_file.h"
#include "unit.h"

#define CAPTURED_MAX (16 << 20)

static char path[64];
static struct strbuf out = {.buf = strbuf_empty}, errors = {.buf = strbuf_empty};

static void take(int memory, struct strbuf *ret)
{
	strbuf_reset(ret);
	ck_assert_int_eq((int)lseek(memory, 0, SEEK_SET), 0);
	ck_assert_int_eq(file_read_fd(memory, CAPTURED_MAX, ret), 0);
	close(memory);
}

/* Runs the command with up to two arguments; its output is in `out` and `errors`. */
static int run(int (*command)(int, char **), const char *first, const char *second)
{
	char *a = xstrdup(first ? first : ""), *b = xstrdup(second ? second : "");
	char *argv[] = {(char[]){"command"}, a, b, NULL};
	int saved[] = {dup(1), dup(2)},
	    memory[] = {memfd_create("out", 0), memfd_create("errors", 0)};

	fflush(NULL);
	dup2(memory[0], 1);
	dup2(memory[1], 2);
	int status = command(1 + !!first + !!second, argv);

	fflush(NULL);
	dup2(saved[0], 1);
	dup2(saved[1], 2);
	close(saved[0]);
	close(saved[1]);
	take(memory[0], &out);
	take(memory[1], &errors);
	free(a);
	free(b);
	return status;
}

static void write_file(const void *data, size_t len)
{
	snprintf(path, sizeof(path), "/tmp/dockprof-test-unwind-%d", (int)getpid());
	ck_assert_int_eq(file_replace(path, data, len), 0);
}

static void teardown(void)
{
	if (*path)
		unlink(path);
}

/* One function at 0x401010 that pushes rbp, and one whose CFA cannot be said. */
static void write_subject(void)
{
	struct frame_file f;

	ff_init(&f, EM_X86_64);
	uint64_t cie = ff_add_usual_cie(&f);

	ff_add_fde(&f, cie, FF_TEXT + 0x10, FF_TEXT + 0x20, "\x41\x0e\x10\x86\x02", 5);
	ff_add_fde(&f, cie, FF_TEXT + 0x20, FF_TEXT + 0x30, "\x0f\x01\x22", 3);
	ff_write(&f);
	write_file(f.bytes.buf, f.bytes.len);
	ff_release(&f);
}

START_TEST(all_rows_of_a_file)
{
	write_subject();
	ck_assert_int_eq(run(cmd_unwind, path, NULL), EXIT_OK);
	ck_assert_ptr_nonnull(strstr(out.buf,
		"      0x400000  no rule\n"
		"      0x401010  rsp+8                    same         CFA-8\n"
		"      0x401011  rsp+16                   CFA-16       CFA-8\n"
		"      0x401020  unsupported\n"
		"      0x401030  no rule\n"));
	ck_assert_str_eq(errors.buf, "");
}
END_TEST

START_TEST(all_about_one_address)
{
	write_subject();
	ck_assert_int_eq(run(cmd_unwind, path, "0x401012"), EXIT_OK);
	ck_assert_ptr_nonnull(strstr(out.buf, "function       0x401010 to 0x401020\n"));
	ck_assert_ptr_nonnull(strstr(out.buf, "CIE's program  0c 07 08 90 01\n"));
	ck_assert_ptr_nonnull(strstr(out.buf, "FDE's program  41 0e 10 86 02\n"));
	ck_assert_ptr_nonnull(strstr(out.buf,
		"CFA            rsp+16\n"
		"rbp            CFA-16\n"
		"return address CFA-8\n"));
	ck_assert_int_eq(run(cmd_unwind, path, "401020"), EXIT_OK);
	ck_assert_ptr_nonnull(
		strstr(out.buf, "CFA            unsupported\n               the CFA is"));
	ck_assert_int_eq(run(cmd_unwind, path, "401008"), EXIT_OK);
	ck_assert_ptr_nonnull(strstr(out.buf,
		"function       none: no FDE covers this address; the next one begins at 0x401010\n"));
	ck_assert_ptr_nonnull(strstr(out.buf, "CFA            no rule\n               no table"));
}
END_TEST

/* push %rbx; nop; pop %rbx; ret, behind the FDEs. */
START_TEST(rows_from_the_code_say_so)
{
	struct frame_file f;

	ff_init(&f, EM_X86_64);
	uint64_t cie = ff_add_usual_cie(&f);

	ff_add_fde(&f, cie, FF_TEXT + 0x10, FF_TEXT + 0x20, "\x41\x0e\x10\x86\x02", 5);
	memcpy(f.text + 0x20, "\x53\x90\x5b\xc3", 4);
	ff_write(&f);
	write_file(f.bytes.buf, f.bytes.len);
	ff_release(&f);
	ck_assert_int_eq(run(cmd_unwind, path, NULL), EXIT_OK);
	ck_assert_ptr_nonnull(strstr(out.buf,
		"      0x401011  rsp+16                   CFA-16       CFA-8\n"
		"      0x401020  rsp+8                    same         CFA-8  code\n"
		"      0x401021  rsp+16                   same         CFA-8  code\n"));
	ck_assert_int_eq(run(cmd_unwind, path, "0x401021"), EXIT_OK);
	ck_assert_ptr_nonnull(strstr(out.buf, "CFA            rsp+16\n"));
	ck_assert_ptr_nonnull(strstr(out.buf, "made from the code itself"));
	ck_assert_int_eq(run(cmd_unwind, path, "0x401012"), EXIT_OK);
	ck_assert_ptr_null(strstr(out.buf, "made from the code itself"));
}
END_TEST

START_TEST(mistakes_of_unwind)
{
	write_subject();
	ck_assert_int_eq(run(cmd_unwind, NULL, NULL), EXIT_USAGE);
	ck_assert_int_eq(run(cmd_unwind, path, "12x"), EXIT_USAGE);
	ck_assert_int_eq(run(cmd_unwind, path, "ffffffffffffffffff"), EXIT_USAGE);
	ck_assert_int_eq(run(cmd_unwind, path, "10"), EXIT_FAILED);
	ck_assert_ptr_nonnull(strstr(errors.buf, "not in the code"));
	ck_assert_str_eq(out.buf, "");
	ck_assert_int_eq(run(cmd_unwind, "/nonexistent", NULL), EXIT_FAILED);
	ck_assert_ptr_nonnull(strstr(errors.buf, "/nonexistent: No such file"));
	ck_assert_int_eq(run(cmd_unwind, "/dev/zero", NULL), EXIT_FAILED);
	ck_assert_ptr_nonnull(strstr(errors.buf, "not a regular file"));
	ck_assert_int_eq(run(cmd_unwind, "/etc/passwd", NULL), EXIT_FAILED);
	ck_assert_ptr_nonnull(strstr(errors.buf, "not an ELF file"));
	/* Last, for getopt remembers. */
	ck_assert_int_eq(run(cmd_unwind, path, "-1"), EXIT_USAGE);
}
END_TEST

/* An ELF file with nothing but this note in it. */
static void write_note(const char *name, uint32_t type, const char *text)
{
	struct strbuf b cleanup_strbuf = STRBUF_INIT;
	Elf64_Ehdr e = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_machine = EM_X86_64,
		.e_phoff = sizeof(e),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 1};
	Elf64_Phdr p = {.p_type = PT_NOTE,
		.p_offset = sizeof(e) + sizeof(p),
		.p_filesz = 16 + strlen(text),
		.p_align = 4};

	strbuf_add(&b, &e, sizeof(e));
	strbuf_add(&b, &p, sizeof(p));
	put(&b, 4, 4);
	put(&b, strlen(text), 4);
	put(&b, type, 4);
	strbuf_add(&b, name, 4);
	strbuf_add_str(&b, text);
	write_file(b.buf, b.len);
}

START_TEST(build_ids_of_both_kinds)
{
	write_note("GNU", 3, "\x01\x02\xab\xcd\xef");
	ck_assert_int_eq(run(cmd_buildid, path, NULL), EXIT_OK);
	ck_assert_str_eq(out.buf, "0102abcdef\n");
	write_note("Go\0", 4, "abc/def\x1b[31m");
	ck_assert_int_eq(run(cmd_buildid, path, NULL), EXIT_OK);
	ck_assert_str_eq(out.buf, "abc/def\\x1b[31m\n");
	char *two cleanup_free = xasprintf("abc/def\\x1b[31m  %s\n", path);

	ck_assert_int_eq(run(cmd_buildid, "/etc/passwd", path), EXIT_FAILED);
	ck_assert_str_eq(out.buf, two);
	ck_assert_ptr_nonnull(strstr(errors.buf, "/etc/passwd: not an ELF file"));
	write_note("Xen", 4, "abc");
	ck_assert_int_eq(run(cmd_buildid, path, NULL), EXIT_FAILED);
	ck_assert_ptr_nonnull(strstr(errors.buf, "has no build id"));
	ck_assert_int_eq(run(cmd_buildid, NULL, NULL), EXIT_USAGE);
}
END_TEST

UNIT_MAIN_FIXTURE("cmd_unwind", NULL, teardown, all_rows_of_a_file, all_about_one_address,
	rows_from_the_code_say_so, mistakes_of_unwind, build_ids_of_both_kinds)
