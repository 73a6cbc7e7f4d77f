// SPDX-License-Identifier: Apache-2.0
/*
 * Names of this machine's own programs and libraries against readelf. The oracle knows nothing of tables:
 * it looks at every symbol for every address. ORACLE_FILES says how many files, evenly picked.
 *
 * What it demands of an address: where functions with a size cover it, one of those with the greatest
 * start, and of those the largest; where none does, no name, unless a symbol without a size or type
 * lies before it and nothing in between.
 */
#include <ctype.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "symbols/name_source.h"
#include "unit.h"

#define FILES     50
#define ADDRESSES 300 /* per file */

struct known {
	uint64_t start, end;
	char *name;
	bool sized_function;
};

struct oracle {
	struct known *list;
	size_t count, capacity;
};

static void oracle_release(struct oracle *o)
{
	for (size_t i = 0; i < o->count; i++)
		free(o->list[i].name);
	free(o->list);
}

/* "   Num:    Value          Size Type    Bind   Vis      Ndx Name" */
static void take_line(struct oracle *o, const char *line)
{
	char size[32], type[32], index[32], name[8192];
	unsigned long long value;

	if (sscanf(line, " %*d: %llx %31s %31s %*s %*s %31s %8191s", &value, size, type, index,
		    name) != 5)
		return;
	bool function = !strcmp(type, "FUNC") || !strcmp(type, "IFUNC");

	if ((!function && strcmp(type, "NOTYPE") != 0) || !isdigit((unsigned char)index[0]))
		return;
	name[strcspn(name, "@")] = '\0'; /* the version of a dynamic symbol */
	uint64_t bytes = strtoull(size, NULL, 0);

	if (o->count == o->capacity) {
		o->capacity = grow_capacity(o->capacity, o->count + 1);
		o->list = xreallocarray(o->list, o->capacity, sizeof(o->list[0]));
	}
	o->list[o->count++] = (struct known){.start = value,
		.end = value + bytes,
		.name = xstrdup(name),
		.sized_function = function && bytes};
}

static void oracle_read(struct oracle *o, const char *path)
{
	char *command cleanup_free = xasprintf("LC_ALL=C readelf -sW '%s' 2>/dev/null", path);
	FILE *f = popen(command, "r");
	char *line cleanup_free = NULL;
	size_t room = 0;

	ck_assert_ptr_nonnull(f);
	while (getline(&line, &room, f) > 0)
		take_line(o, line);
	pclose(f);
}

static const struct known *covering(const struct oracle *o, uint64_t address)
{
	const struct known *best = NULL;

	for (size_t i = 0; i < o->count; i++) {
		const struct known *k = &o->list[i];

		if (!k->sized_function || address < k->start || address >= k->end)
			continue;
		if (!best || k->start > best->start ||
			(k->start == best->start && k->end > best->end))
			best = k;
	}
	return best;
}

/* Whether `name` may stand for an address that no sized function covers. */
static bool loosely_right(const struct oracle *o, uint64_t address, const char *name)
{
	uint64_t nearest = 0;
	bool found = false;

	for (size_t i = 0; i < o->count; i++)
		if (o->list[i].start <= address && o->list[i].start >= nearest)
			nearest = o->list[i].start;
	for (size_t i = 0; i < o->count; i++) {
		const struct known *k = &o->list[i];

		found |= k->start == nearest && !k->sized_function && !strcmp(k->name, name);
		if (k->sized_function && k->start <= address && k->end > nearest)
			return false; /* the symbol lies in a function that ended */
	}
	return found;
}

static bool right(const struct oracle *o, uint64_t address, const char *name)
{
	const struct known *k = covering(o, address);

	if (!k)
		return !*name || loosely_right(o, address, name);
	for (size_t i = 0; i < o->count; i++)
		if (o->list[i].sized_function && o->list[i].start == k->start &&
			o->list[i].end == k->end && !strcmp(o->list[i].name, name))
			return true;
	return false;
}

struct subject {
	struct elf_file file;
	struct symbol_table *table;
};

static void name_at(const struct subject *s, uint64_t address, struct strbuf *out)
{
	const struct name_files files = {.main = &s->file};
	struct symbol_match match;
	enum name_origin origin;

	strbuf_reset(out);
	if (symbol_table_find(s->table, address, &match) &&
		elf_symbols_source.name(&files, &match, out, &origin) < 0)
		strbuf_reset(out);
}

static uint64_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *state >> 16;
}

/* Returns how many addresses were named. */
static size_t compare(const struct subject *s, const struct oracle *o, const char *path)
{
	const struct elf_segment *code = elf_image_code_segment(&s->file.image);
	struct strbuf name cleanup_strbuf = STRBUF_INIT;
	uint64_t state = 42;
	size_t named = 0;

	for (int i = 0; i < ADDRESSES && code && code->memory_size; i++) {
		uint64_t address = code->address + next_random(&state) % code->memory_size;

		if (o->count && i % 3) { /* the edges of a symbol */
			const struct known *k = &o->list[next_random(&state) % o->count];

			address = (uint64_t[]){k->start, k->end - 1, k->end,
				k->start - 1}[next_random(&state) % 4];
		}
		if (address < code->address || address - code->address >= code->memory_size)
			continue;
		name_at(s, address, &name);
		named += name.len > 0;
		ck_assert_msg(right(o, address, name.buf), "%s 0x%llx: '%s', readelf: '%s'", path,
			(unsigned long long)address, name.buf,
			covering(o, address) ? covering(o, address)->name : "");
	}
	return named;
}

static size_t check_file(const char *path)
{
	int fd cleanup_close = open(path, O_RDONLY | O_CLOEXEC);
	struct symbol_builder builder cleanup_symbol_builder = {0};
	struct subject s = {0};
	struct oracle o = {0};
	struct stat st;
	uint64_t digest;

	if (fd < 0 || fstat(fd, &st) < 0)
		return 0;
	s.file.source = byte_source_fd(fd, (uint64_t)st.st_size);
	if (elf_image_read(&s.file.source, &s.file.image) < 0)
		return 0; /* a script */
	ck_assert_int_eq(elf_symbols_source.read(&(struct name_files){.main = &s.file}, &builder,
				 &digest),
		0);
	s.table = symbol_builder_finish(&builder);
	oracle_read(&o, path);
	size_t named = compare(&s, &o, path);

	oracle_release(&o);
	symbol_table_free(s.table);
	elf_image_release(&s.file.image);
	return named;
}

START_TEST(names_equal_readelfs)
{
	const char *setting = getenv("ORACLE_FILES");
	size_t want = setting ? strtoul(setting, NULL, 10) : FILES, named = 0, checked = 0;
	glob_t files = {0};

	ck_assert_int_eq(system("readelf --version >/dev/null"), 0);
	glob("/usr/bin/*", 0, NULL, &files);
	glob("/usr/sbin/*", GLOB_APPEND, NULL, &files);
	glob("/usr/lib/*-linux-gnu/*.so*", GLOB_APPEND, NULL, &files);
	glob("/usr/lib/jvm/*/lib/server/libjvm.so", GLOB_APPEND, NULL, &files);
	size_t step = files.gl_pathc / (want ? want : 1);

	for (size_t i = 0; i < files.gl_pathc; i += step ? step : 1, checked++)
		named += check_file(files.gl_pathv[i]);
	ck_assert_uint_gt(checked, 0);
	ck_assert_uint_gt(named, checked);
	globfree(&files);
}
END_TEST

UNIT_MAIN("elf_oracle", names_equal_readelfs)
