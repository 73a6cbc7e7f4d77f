// SPDX-License-Identifier: Apache-2.0
/* Entries of procedure linkage tables against objdump, on programs of this machine. */
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "symbols/name_source.h"
#include "unit.h"

struct subject {
	int fd;
	struct elf_file file;
	struct symbol_table *table;
};

static bool open_subject(struct subject *s, const char *path)
{
	struct symbol_builder builder cleanup_symbol_builder = {0};
	const struct name_files files = {.main = &s->file};
	uint64_t digest;
	struct stat st;

	s->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (s->fd < 0 || fstat(s->fd, &st) < 0)
		return false;
	s->file.source = byte_source_fd(s->fd, (uint64_t)st.st_size);
	ck_assert_int_eq(elf_image_read(&s->file.source, &s->file.image), 0);
	ck_assert_int_eq(plt_source.read(&files, &builder, &digest), 0);
	s->table = symbol_builder_finish(&builder);
	return true;
}

static void close_subject(struct subject *s)
{
	symbol_table_free(s->table);
	elf_image_release(&s->file.image);
	close(s->fd);
}

static void name_at(const struct subject *s, uint64_t address, struct strbuf *out)
{
	const struct name_files files = {.main = &s->file};
	enum name_origin origin = NAME_NONE;
	struct symbol_match match;

	strbuf_reset(out);
	if (symbol_table_find(s->table, address, &match) &&
		plt_source.name(&files, &match, out, &origin) == 0)
		ck_assert_int_eq(origin, NAME_PLT);
}

/* Returns how many entries there were. */
static size_t compare(const char *path)
{
	struct strbuf name cleanup_strbuf = STRBUF_INIT;
	char *command cleanup_free =
		xasprintf("LC_ALL=C objdump -d -j .plt -j .plt.sec -j .plt.got "
			  "'%s' 2>/dev/null",
			path);
	struct subject s = {0};
	char line[8192], theirs[4096];
	unsigned long long address;
	size_t count = 0;

	if (!open_subject(&s, path))
		return 0;
	FILE *f = popen(command, "r");

	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx <%4095[^>]>:", &address, theirs) != 2)
			continue;
		size_t len = strlen(theirs);

		/* Of what has no name objdump says how far it is from what has one. */
		if (len < 5 || strcmp(theirs + len - 4, "@plt") != 0 || theirs[0] == '*')
			continue;
		for (int i = 0; i < 2; i++) { /* both ends of an entry of 8 bytes at least */
			name_at(&s, address + (uint64_t)i * 7, &name);
			ck_assert_msg(!strcmp(name.buf, theirs), "%s %llx: '%s', objdump: '%s'",
				path, address, name.buf, theirs);
		}
		count++;
	}
	pclose(f);
	close_subject(&s);
	return count;
}

START_TEST(entries_are_those_of_objdump)
{
	static const char *const paths[] = {"/bin/bash", "/usr/bin/git", "/usr/bin/perl",
		"/usr/bin/python3", "/usr/bin/objdump", "/usr/bin/gdb", "/usr/bin/curl",
		"/lib/x86_64-linux-gnu/libcrypto.so.3", "/lib/x86_64-linux-gnu/libstdc++.so.6",
		"/lib/x86_64-linux-gnu/libc.so.6"};
	char self[PATH_MAX] = "";
	size_t count = 0;

	ck_assert_int_gt(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
	ck_assert_int_eq(system("objdump --version >/dev/null"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		count += compare(paths[i]);
	char *ibt cleanup_free = xasprintf("%s/fixtures/ibt-plt", dirname(self));

	ck_assert_uint_gt(compare(ibt), 3);
	ck_assert_uint_gt(count, 100);
}
END_TEST

UNIT_MAIN("plt", entries_are_those_of_objdump)
