// SPDX-License-Identifier: Apache-2.0
/* Source lines: programs compiled with each version of DWARF, packed and damaged. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "symbols/elf_section.h"
#include "symbols/line_table.h"
#include "temp_dir.h"
#include "unit.h"

#define ENOUGH (64 << 20)

static const char source_text[] = "int twice(int x);\n"
				  "int first(int x);\n"
				  "#include \"inner/part.h\"\n"
				  "int first(int x)\n"
				  "{\n"
				  "\treturn twice(x)\n"
				  "\t\t+ 1;\n"
				  "}\n"
				  "int main(void) { return first(3); }\n";
static const char part_text[] = "int twice(int x)\n{\n\treturn 2 * x;\n}\n";

struct program {
	int fd;
	struct elf_file file;
};

static void open_program(struct program *p, const struct temp_dir *dir, const char *name)
{
	struct stat st;

	p->fd = openat(dir->fd, name, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(p->fd, 0);
	ck_assert_int_eq(fstat(p->fd, &st), 0);
	p->file.source = byte_source_fd(p->fd, (uint64_t)st.st_size);
	ck_assert_int_eq(elf_image_read(&p->file.source, &p->file.image), 0);
}

static void close_program(struct program *p)
{
	elf_image_release(&p->file.image);
	close(p->fd);
}

static void compile(const struct temp_dir *dir, const char *flags)
{
	char *inner cleanup_free = xasprintf("mkdir -p %s/inner", dir->path);
	char *command cleanup_free =
		xasprintf("cd %s && cc -O0 -no-pie %s -o program source.c && nm program > nm",
			dir->path, flags);

	ck_assert_int_eq(system(inner), 0);
	temp_dir_write(dir, "source.c", source_text, sizeof(source_text) - 1);
	temp_dir_write(dir, "inner/part.h", part_text, sizeof(part_text) - 1);
	ck_assert_msg(system(command) == 0, "%s", command);
}

static uint64_t address_of(const struct temp_dir *dir, const char *name)
{
	char *path cleanup_free = xasprintf("%s/nm", dir->path);
	FILE *f cleanup_fclose = fopen(path, "re");
	char line[512], found[256];
	unsigned long long address;

	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%llx %*c %255s", &address, found) == 2 && !strcmp(found, name))
			return address;
	ck_abort_msg("%s", name);
	return 0;
}

static void check_place(const struct line_table *t, uint64_t address, const char *file,
	uint32_t line)
{
	struct strbuf path cleanup_strbuf = STRBUF_INIT;
	struct source_line found;

	ck_assert(line_table_find(t, address, &path, &found));
	ck_assert_uint_eq(found.line, line);
	size_t len = strlen(file);

	ck_assert_msg(path.len >= len && !strcmp(path.buf + path.len - len, file), "%s", path.buf);
}

static void check_version(const char *flags)
{
	struct strbuf path cleanup_strbuf = STRBUF_INIT;
	struct source_line found;
	struct program p = {0};
	struct temp_dir dir;
	struct line_table *t;

	temp_dir_init(&dir);
	compile(&dir, flags);
	open_program(&p, &dir, "program");
	ck_assert_msg(line_table_new(&p.file, ENOUGH, &t) == 0, "%s", flags);
	check_place(t, address_of(&dir, "twice"), "inner/part.h", 2);
	check_place(t, address_of(&dir, "first"), "source.c", 5);
	check_place(t, address_of(&dir, "first") + 1, "source.c", 5);
	check_place(t, address_of(&dir, "main"), "source.c", 9);
	ck_assert(!line_table_find(t, 0, &path, &found));
	ck_assert(!line_table_find(t, address_of(&dir, "_start"), &path, &found));
	ck_assert(!line_table_find(t, UINT64_MAX, &path, &found));
	line_table_free(t);
	close_program(&p);
	temp_dir_release(&dir);
}

START_TEST(lines_of_each_version_of_dwarf_are_read)
{
	static const char *const flags[] = {"-gdwarf-2 -gstrict-dwarf", "-gdwarf-3 -gstrict-dwarf",
		"-gdwarf-4", "-gdwarf-5", "-gdwarf-5 -gz=zlib", "-gdwarf-4 -ffunction-sections",
		"-gdwarf64 -gdwarf-5"};

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		check_version(flags[i]);
}
END_TEST

START_TEST(dwarf_5_has_whole_paths)
{
	struct strbuf path cleanup_strbuf = STRBUF_INIT;
	struct source_line found;
	struct program p = {0};
	struct temp_dir dir;
	struct line_table *t;

	temp_dir_init(&dir);
	compile(&dir, "-gdwarf-5");
	open_program(&p, &dir, "program");
	ck_assert_int_eq(line_table_new(&p.file, ENOUGH, &t), 0);
	ck_assert(line_table_find(t, address_of(&dir, "twice"), &path, &found));
	char *want cleanup_free = xasprintf("%s/inner/part.h", dir.path);

	ck_assert_str_eq(path.buf, want);
	line_table_free(t);
	ck_assert_int_eq(line_table_new(&p.file, 100, &t), -E2BIG);
	close_program(&p);
	compile(&dir, "-g0");
	open_program(&p, &dir, "program");
	ck_assert_int_eq(line_table_new(&p.file, ENOUGH, &t), -ENOENT);
	close_program(&p);
	temp_dir_release(&dir);
}
END_TEST

/* Each byte of the section may be anything: no crash, and no answer out of proportion, is what is asked. */
START_TEST(damaged_programs_do_no_harm)
{
	static const char *const names[] = {".debug_line"};
	struct strbuf bytes cleanup_strbuf = STRBUF_INIT;
	struct elf_section section;
	struct program p = {0};
	struct temp_dir dir;

	temp_dir_init(&dir);
	compile(&dir, "-gdwarf-5");
	open_program(&p, &dir, "program");
	ck_assert_int_eq(elf_sections_find(&p.file.source, names, 1, &section), 1);
	ck_assert_int_eq(file_read_fd(p.fd, 1 << 20, &bytes), 0);
	struct elf_file damaged = {.source = byte_source_memory(bytes.buf, bytes.len),
		.image = p.file.image};
	uint64_t address = address_of(&dir, "first");

	for (size_t i = 0; i < 2 * section.size; i++) {
		char *at = bytes.buf + section.offset + i / 2, saved = *at;
		struct strbuf path cleanup_strbuf = STRBUF_INIT;
		struct source_line found;
		struct line_table *t;

		*at = (char)(i % 2 ? 0xff : saved + 1);
		if (line_table_new(&damaged, ENOUGH, &t) == 0) {
			line_table_find(t, address, &path, &found);
			ck_assert_uint_le(path.len, bytes.len);
			line_table_free(t);
		}
		*at = saved;
	}
	close_program(&p);
	temp_dir_release(&dir);
}
END_TEST

/* A hundred thousand files whose names are one string of 8 MB; one has a name. */
static const char many_files[] =
	".globl _start\n.text\n_start: nop\nnop\nnop\nnop\n"
	".section .debug_line,\"\",%progbits\n"
	".4byte unit_end - unit\nunit: .2byte 5\n.byte 8, 0\n.4byte program - header\n"
	"header: .byte 1, 1, 1, -5, 14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1\n"
	".byte 1, 1, 0x1f, 1\n.4byte 8000000\n" /* the directory */
	".byte 1, 1, 0x1f\n.uleb128 100000\n.4byte 0, 8000003\n.fill 99998, 4, 0\n"
	"program: .byte 0, 9, 2\n.8byte _start\n.byte 1, 2, 4, 0, 1, 1\nunit_end:\n"
	".section .debug_line_str,\"\",%progbits\n"
	".fill 8000000, 1, 0x61\n.asciz \"/d\"\n.asciz \"good.c\"\n";

START_TEST(long_names_of_many_files_cost_little)
{
	struct strbuf path cleanup_strbuf = STRBUF_INIT;
	struct source_line found;
	struct program p = {0};
	struct temp_dir dir;
	struct line_table *t;
	struct timespec before, after;

	temp_dir_init(&dir);
	temp_dir_write(&dir, "many.s", many_files, sizeof(many_files) - 1);
	char *command cleanup_free = xasprintf(
		"cd %s && cc -nostdlib -static -no-pie -o program many.s && nm program > nm",
		dir.path);

	ck_assert_int_eq(system(command), 0);
	open_program(&p, &dir, "program");
	ck_assert_int_eq(line_table_new(&p.file, ENOUGH, &t), 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	ck_assert(line_table_find(t, address_of(&dir, "_start"), &path, &found));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	ck_assert_str_eq(path.buf, "/d/good.c");
	ck_assert_uint_gt(found.work, 400000);
	ck_assert_int_lt(after.tv_sec - before.tv_sec, 3); /* a ms; it was a minute */
	line_table_free(t);
	close_program(&p);
	temp_dir_release(&dir);
}
END_TEST

UNIT_MAIN("line_table", lines_of_each_version_of_dwarf_are_read, dwarf_5_has_whole_paths,
	damaged_programs_do_no_harm, long_names_of_many_files_cost_little)
