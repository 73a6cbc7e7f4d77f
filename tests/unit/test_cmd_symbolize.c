// SPDX-License-Identifier: Apache-2.0
/* dockprof symbolize as a person meets it: arguments in, text out. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "commands.h"
#include "program.h"
#include "temp_dir.h"
#include "unit.h"

#define CAPTURED_MAX  (1 << 20)
#define MAX_ARGUMENTS 8

static struct strbuf out = {.buf = strbuf_empty}, errors = {.buf = strbuf_empty};

static void take(int memory, struct strbuf *ret)
{
	strbuf_reset(ret);
	ck_assert_int_eq((int)lseek(memory, 0, SEEK_SET), 0);
	ck_assert_int_eq(file_read_fd(memory, CAPTURED_MAX, ret), 0);
	close(memory);
}

/* Runs the command with its words, which blanks separate; its output is in `out` and `errors`. */
static int run(const char *line, const char *input)
{
	char *words cleanup_free = xstrdup(line), *next = words;
	char *argv[MAX_ARGUMENTS + 2] = {(char[]){"symbolize"}};
	int argc = 1;
	int saved[] = {dup(0), dup(1), dup(2)};
	int memory[] = {memfd_create("in", 0), memfd_create("out", 0), memfd_create("errors", 0)};

	for (char *word; argc <= MAX_ARGUMENTS && (word = strtok_r(next, " ", &next));)
		argv[argc++] = word;
	ck_assert_int_eq(file_write_all(memory[0], input, strlen(input)), 0);
	lseek(memory[0], 0, SEEK_SET);
	fflush(NULL);
	for (int i = 0; i < 3; i++)
		dup2(memory[i], i);
	rewind(stdin);
	int status = cmd_symbolize(argc, argv);

	fflush(NULL);
	for (int i = 0; i < 3; i++) {
		dup2(saved[i], i);
		close(saved[i]);
	}
	close(memory[0]);
	take(memory[1], &out);
	take(memory[2], &errors);
	return status;
}

/* The address that nm(1) shows. */
static uint64_t address_of(const char *path, const char *name)
{
	char *command cleanup_free = xasprintf("nm %s | sed -n 's/ . %s$//p'", path, name);
	FILE *f = popen(command, "r");
	unsigned long long address = 0;

	ck_assert_int_eq(fscanf(f, "%llx", &address), 1);
	pclose(f);
	return address;
}

START_TEST(addresses_are_named_with_their_source)
{
	char *path cleanup_free = fixture_path("static");
	uint64_t address = address_of(path, "fixture_local");
	char *line cleanup_free = xasprintf("%s %llx 0x%llx 10", path, (unsigned long long)address,
		(unsigned long long)address + 2);
	char *want cleanup_free = xasprintf("0x%-12llx fixture_local+0x0  (symtab)\n"
					    "0x%-12llx fixture_local+0x2  (symtab)\n"
					    "0x10           -  (not in the code)\n",
		(unsigned long long)address, (unsigned long long)address + 2);

	ck_assert_int_eq(run(line, ""), 0);
	ck_assert_str_eq(out.buf, want);
}
END_TEST

START_TEST(json_has_the_same_and_input_comes_in_lines)
{
	char *path cleanup_free = fixture_path("static");
	uint64_t address = address_of(path, "fixture_exported");
	char *line cleanup_free = xasprintf("--json %s", path);
	char *input cleanup_free = xasprintf("0x%llx\n\n  10\n", (unsigned long long)address + 1);
	char *want cleanup_free = xasprintf(
		"[{\"address\": \"0x%llx\", \"function\": \"fixture_exported\", \"offset\": 1, "
		"\"source\": \"symtab\"},\n{\"address\": \"0x10\", \"missing\": \"no mapping\"}]\n",
		(unsigned long long)address + 1);

	ck_assert_int_eq(run(line, input), 0);
	ck_assert_str_eq(out.buf, want);
	ck_assert_int_eq(run(line, ""), 0);
	ck_assert_str_eq(out.buf, "[]\n");
}
END_TEST

/* A file in a container: its debug file is there, not here. */
START_TEST(debug_files_are_looked_for_beneath_the_root)
{
	char *path cleanup_free = fixture_path("no-build-id");
	uint64_t address = address_of(path, "fixture_local");
	struct temp_dir dir;

	temp_dir_init(&dir);
	char *make cleanup_free = xasprintf(
		"cd %s && mkdir -p usr/bin usr/lib/debug/usr/bin && cp %s usr/bin/program && "
		"objcopy --only-keep-debug usr/bin/program program.debug && strip -s usr/bin/program && "
		"objcopy --add-gnu-debuglink=program.debug usr/bin/program && "
		"cp program.debug usr/lib/debug/usr/bin && "
		"ln -s /usr/bin/program inside && ln -s %s outside",
		dir.path, path, path);
	ck_assert_int_eq(system(make), 0);
	char *pseudo cleanup_free =
		xasprintf("%s/usr/bin/program %llx", dir.path, (unsigned long long)address);
	char *real cleanup_free =
		xasprintf("--root=%s /usr/bin/program %llx", dir.path, (unsigned long long)address);
	char *inside cleanup_free =
		xasprintf("--root=%s inside %llx", dir.path, (unsigned long long)address);
	char *outside cleanup_free = xasprintf("--root=%s outside 10", dir.path);

	ck_assert_int_eq(run(pseudo, ""), 0);
	ck_assert_ptr_nonnull(strstr(out.buf, "program!sub_"));
	ck_assert_ptr_nonnull(strstr(out.buf, "(pseudo: stripped)"));
	ck_assert_int_eq(run(real, ""), 0);
	ck_assert_ptr_nonnull(strstr(out.buf, " fixture_local+0x0  (debug file)\n"));
	ck_assert_int_eq(run(inside, ""), 0);
	ck_assert_int_eq(run(outside, ""), 1);
	temp_dir_release(&dir);
}
END_TEST

START_TEST(mistakes_are_told)
{
	char *path cleanup_free = fixture_path("static");
	char *no_address cleanup_free = xasprintf("%s main", path);
	char *no_mode cleanup_free = xasprintf("--demangle=some %s 10", path);

	ck_assert_int_eq(run("", ""), 2);
	ck_assert_ptr_nonnull(strstr(errors.buf, "which file?"));
	ck_assert_int_eq(run("/no/such/file 10", ""), 1);
	ck_assert_str_eq(errors.buf, "dockprof: /no/such/file: No such file or directory\n");
	ck_assert_int_eq(run("/etc/passwd 10", ""), 1);
	ck_assert_ptr_nonnull(strstr(errors.buf, "not an ELF file"));
	ck_assert_int_eq(run("/tmp 10", ""), 1);
	ck_assert_int_eq(run("--root=/no/such/dir /bin/sh 10", ""), 1);
	ck_assert_ptr_nonnull(strstr(errors.buf, "/no/such/dir"));
	ck_assert_int_eq(run(no_address, ""), 2);
	ck_assert_str_eq(errors.buf, "dockprof: \"main\" is no address; write it as 0x1190\n");
	ck_assert_int_eq(run(no_mode, ""), 2);
}
END_TEST

UNIT_MAIN("cmd_symbolize", addresses_are_named_with_their_source,
	json_has_the_same_and_input_comes_in_lines, debug_files_are_looked_for_beneath_the_root,
	mistakes_are_told)
