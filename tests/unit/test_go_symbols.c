// SPDX-License-Identifier: Apache-2.0
/*
 * .gopclntab: made-up tables of all layouts, and, where Go is installed, programs built in several ways
 * whose functions `go tool nm` lists. GO_TOOLCHAINS="go1.16.15 go1.20.14" adds other versions of Go, which
 * the go command fetches.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "lib/go_file.h"
#include "symbols/name_source.h"
#include "temp_dir.h"
#include "unit.h"

static struct symbol_table *read_table(const struct name_files *files)
{
	struct symbol_builder builder cleanup_symbol_builder = {0};
	uint64_t digest = 0;

	ck_assert_int_eq(go_symbols_source.read(files, &builder, &digest), 0);
	return symbol_builder_finish(&builder);
}

/* Valid until the next call. */
static const char *name_in(const struct name_files *files, const struct symbol_table *table,
	uint64_t address)
{
	static char result[8192];
	struct strbuf name cleanup_strbuf = STRBUF_INIT;
	enum name_origin origin = NAME_NONE;
	struct symbol_match match;

	if (!symbol_table_find(table, address, &match))
		return "";
	if (go_symbols_source.name(files, &match, &name, &origin) < 0)
		return "";
	ck_assert_int_eq(origin, NAME_GO);
	ck_assert_uint_lt(name.len, sizeof(result));
	memcpy(result, name.buf, name.len + 1);
	return result;
}

/* The name at TEXT + offset. */
static const char *name_at(const struct image *f, uint64_t offset)
{
	struct elf_file file = {.source = byte_source_memory(f, sizeof(*f))};
	const struct name_files files = {.main = &file};

	ck_assert_int_eq(elf_image_read(&file.source, &file.image), 0);
	struct symbol_table *table = read_table(&files);
	const char *name = name_in(&files, table, TEXT + offset);

	symbol_table_free(table);
	elf_image_release(&file.image);
	return name;
}

static void check_names(const struct image *f)
{
	ck_assert_str_eq(name_at(f, 0xf), "");
	ck_assert_str_eq(name_at(f, 0x10), "main.a");
	ck_assert_str_eq(name_at(f, 0x8f), "main.a");
	ck_assert_str_eq(name_at(f, 0x90), "main.b");
	ck_assert_str_eq(name_at(f, 0x10f), "main.c");
	ck_assert_str_eq(name_at(f, 0x110), "");
}

START_TEST(tables_of_all_layouts_are_read)
{
	static const uint32_t magics[] = {0xfffffffb, 0xfffffffa, 0xfffffff0, 0xfffffff1};
	struct image f;

	for (size_t i = 0; i < ARRAY_SIZE(magics); i++) {
		make_image(&f, true);
		make_table(&f, magics[i], i < 2 ? TEXT : 0, TEXT);
		check_names(&f);
		make_image(&f, false); /* no section and no note: not searched */
		make_table(&f, magics[i], i < 2 ? TEXT : 0, TEXT);
		ck_assert_str_eq(name_at(&f, 0x10), "");
	}
}
END_TEST

START_TEST(without_a_text_start_moduledata_has_it)
{
	struct image f;

	make_image(&f, true);
	make_table(&f, 0xfffffff1, 0, 0);
	ck_assert_str_eq(name_at(&f, 0x10), "");
	f.module[0] = TABLE;
	f.module[20] = TEXT + 0x10;
	f.module[21] = TEXT + 0x110;
	f.module[22] = TEXT;
	check_names(&f);
	f.module[21]++;
	ck_assert_str_eq(name_at(&f, 0x10), "");
}
END_TEST

START_TEST(tables_that_lie_are_refused)
{
	struct image good, f;

	make_image(&good, true);
	make_table(&good, 0xfffffff1, 0, TEXT);
	check_names(&good);
	static const struct {
		size_t offset;
		uint64_t value;
	} lies[] = {
		{8, UINT64_MAX},
		{8, 1 << 30},
		{8, 0},
		{8, 200},
		{24, 0x100000},
		{24, TEXT + 0x200},
		{32, UINT64_MAX},
		{32, 1 << 20},
		{64, UINT64_MAX},
		{64, 511},
		{FUNCS + 4, 0xffffffff},
		{FUNCS + 24, 0xffffffff},
	};

	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		f = good;
		put(f.table + lies[i].offset, lies[i].value, lies[i].offset < FUNCS ? 8 : 4);
		ck_assert_str_eq(name_at(&f, 0x95), "");
	}
	/* Any byte of the table may be anything. */
	for (size_t i = 0; i < sizeof(f.table); i++) {
		f = good;
		f.table[i] ^= 0xff;
		name_at(&f, 0x95);
	}
}
END_TEST

/* A file whose data go on behind the image. */
static struct image *longer_image(size_t size)
{
	struct image *f = xcalloc(1, size);

	make_image(f, true);
	f->programs[1].p_filesz = f->programs[1].p_memsz = size;
	return f;
}

static int read_symbols(const struct image *f, size_t size, size_t *ret_count)
{
	struct symbol_builder builder cleanup_symbol_builder = {0};
	struct elf_file file = {.source = byte_source_memory(f, size)};
	const struct name_files files = {.main = &file};
	uint64_t digest = 0;

	ck_assert_int_eq(elf_image_read(&file.source, &file.image), 0);
	int r = go_symbols_source.read(&files, &builder, &digest);

	*ret_count = builder.count;
	elf_image_release(&file.image);
	return r;
}

/* The table comes behind so many headers with nothing behind them. */
static size_t found_behind(size_t count)
{
	enum { STRIDE = 80 };
	size_t size = sizeof(struct image) + count * STRIDE + 512, found = 0;
	struct image *f cleanup_free = longer_image(size);
	uint8_t *at = (uint8_t *)(f + 1);

	make_table(f, 0xfffffff1, 0, TEXT);
	memcpy((uint8_t *)f + size - 512, f->table, 512);
	for (size_t i = 0; i < count; i++, at += STRIDE) {
		memcpy(at, f->table, STRIDE);
		put(at + 64, 72, 8); /* the table: one function, which is nowhere */
		put(at + 72, UINT64_MAX, 8);
	}
	memset(f->table, 0, sizeof(f->table));
	ck_assert_int_eq(read_symbols(f, size, &found), 0);
	return found;
}

START_TEST(a_search_ends_after_many_headers)
{
	ck_assert_uint_eq(found_behind(0), 3);
	ck_assert_uint_eq(found_behind(60), 3);
	ck_assert_uint_eq(found_behind(70), 0);
}
END_TEST

/* Each function is far from the one before. */
START_TEST(functions_all_over_the_place_are_read_for_a_while)
{
	enum { COUNT = 40000, FAR = 128 << 10 };
	size_t functab = COUNT * 8 + 8, size = sizeof(struct image) + functab + 2 * FAR, found;
	struct image *f cleanup_free = longer_image(size);
	uint8_t *pairs = (uint8_t *)(f + 1), *funcs = pairs + functab;

	make_table(f, 0xfffffff1, 0, TEXT);
	put(f->table + 8, COUNT, 8);
	put(f->table + 64, (uint64_t)(pairs - f->table), 8);
	for (uint64_t i = 0; i <= COUNT; i++) {
		put(pairs + i * 8, i < COUNT ? 0x10 : 0x110, 4);
		if (i < COUNT)
			put(pairs + i * 8 + 4, functab + i % 2 * FAR, 4);
	}
	put(funcs, 0x10, 4);
	put(funcs + FAR, 0x10, 4);
	ck_assert_int_eq(read_symbols(f, size, &found), -EFBIG);
}
END_TEST

START_TEST(a_part_of_two_segments_is_searched_once)
{
	struct image f;

	make_image(&f, true);
	make_table(&f, 0xfffffff1, 0, TEXT);
	f.programs[0].p_flags = PF_R; /* more than the file has, and where nothing is */
	f.programs[0].p_offset = UINT64_MAX - 16;
	f.programs[0].p_filesz = 8;
	f.programs[0].p_vaddr = DATA * 2;
	ck_assert_str_eq(name_at(&f, 0x10), "");
	make_image(&f, true);
	make_table(&f, 0xfffffff1, 0, TEXT);
	f.programs[1].p_filesz = UINT64_C(1) << 40;
	f.programs[1].p_memsz = UINT64_C(1) << 40;
	check_names(&f);
}
END_TEST

static bool shell(const char *fmt, ...) PRINTF_LIKE(1, 2);

static bool shell(const char *fmt, ...)
{
	char command[4096];
	va_list args;

	va_start(args, fmt);
	vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	return system(command) == 0;
}

static const char program[] =
	"package main\n"
	"import (\"fmt\"; \"os\"; \"sort\")\n"
	"type pair struct{ a, b int }\n"
	"//go:noinline\n"
	"func (p *pair) sum() int { return p.a + p.b }\n"
	"func main() { f := func(x int) int { return x + len(os.Args) }\n"
	"s := []int{f(3), f(1)}; sort.Ints(s); fmt.Println(s, (&pair{1, 2}).sum()) }\n";
static const char cgo_program[] = "package main\n"
				  "// static int twice(int x) { return 2 * x; }\n"
				  "import \"C\"\n"
				  "import \"fmt\"\n"
				  "func main() { fmt.Println(C.twice(4)) }\n";

struct built {
	int fd;
	struct elf_file file;
	struct symbol_table *table;
};

static void open_built(struct built *b, const struct temp_dir *dir, const char *name)
{
	struct stat st;
	const struct name_files files = {.main = &b->file};

	b->fd = openat(dir->fd, name, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(b->fd, 0);
	ck_assert_int_eq(fstat(b->fd, &st), 0);
	b->file.source = byte_source_fd(b->fd, (uint64_t)st.st_size);
	ck_assert_int_eq(elf_image_read(&b->file.source, &b->file.image), 0);
	b->table = read_table(&files);
	ck_assert_ptr_nonnull(b->table);
}

static void close_built(struct built *b)
{
	symbol_table_free(b->table);
	elf_image_release(&b->file.image);
	close(b->fd);
}

/*
 * Only the linker's symbols tell a function's ABIs apart and write the middle dot as a dot; of a name with type
 * arguments the table has "[...]".
 */
static bool same_name(const char *table_name, char *theirs)
{
	char ours[4096] = "";
	size_t len = 0;

	for (const char *p = table_name; *p && len + 1 < sizeof(ours); p++)
		if (strncmp(p, "\u00b7", 2) == 0)
			p++, ours[len++] = '.';
		else
			ours[len++] = *p;
	char *abi = strstr(theirs, ".abi");

	if (abi && (!strcmp(abi, ".abi0") || !strcmp(abi, ".abiinternal")))
		*abi = '\0';
	const char *bracket = strchr(theirs, '['), *dots = strstr(ours, "[...]");

	if (!bracket || !dots)
		return strcmp(ours, theirs) == 0;
	return strncmp(ours, theirs, (size_t)(bracket - theirs)) == 0;
}

struct nm_line {
	unsigned long long address;
	char name[4096];
};

/* "  4a2b60 T main.main" */
static bool next_function(FILE *f, struct nm_line *ret)
{
	char line[8192], type;

	while (fgets(line, sizeof(line), f))
		if (sscanf(line, " %llx %c %4095[^\n]", &ret->address, &type, ret->name) == 3 &&
			(type == 'T' || type == 't'))
			return true;
	return false;
}

/* Where the Go code is: C's functions before and behind it are in no table of Go. */
static void find_borders(FILE *f, uint64_t *ret_start, uint64_t *ret_end)
{
	struct nm_line line;

	while (next_function(f, &line)) {
		if (!strcmp(line.name, "runtime.text"))
			*ret_start = line.address;
		if (!strcmp(line.name, "runtime.etext"))
			*ret_end = line.address;
	}
	rewind(f);
}

/* With what `go tool nm` said of the program before it was stripped. */
static size_t compare(const struct temp_dir *dir, const char *name)
{
	struct built b = {0};
	const struct name_files files = {.main = &b.file};
	char *path cleanup_free = xasprintf("%s/nm", dir->path);
	FILE *f cleanup_fclose = fopen(path, "re");
	uint64_t start = 0, end = 0;
	struct nm_line line;
	size_t count = 0;

	ck_assert_ptr_nonnull(f);
	open_built(&b, dir, name);
	find_borders(f, &start, &end);
	while (next_function(f, &line)) {
		if (line.address < start || line.address >= end ||
			!strcmp(line.name, "runtime.text"))
			continue;
		const char *ours = name_in(&files, b.table, line.address);

		ck_assert_msg(same_name(ours, line.name), "%s %llx: '%s', go tool nm: '%s'", name,
			line.address, ours, line.name);
		count++;
	}
	close_built(&b);
	return count;
}

/* Builds one program, with all symbols, stripped, and without section headers. */
static void check_build(const struct temp_dir *dir, const char *toolchain, const char *flags,
	const char *source)
{
	ck_assert_msg(
		shell("cd %s && env GOENV=off GOFLAGS= GO111MODULE=off GOTOOLCHAIN=%s go build %s -o full %s "
		      "&& env GOENV=off GOFLAGS= GOTOOLCHAIN=%s go tool nm full > nm && cp full stripped && "
		      "strip -s stripped && cp stripped bare && "
		      "printf '\\0\\0\\0\\0\\0\\0\\0\\0' | dd of=bare bs=1 seek=40 conv=notrunc status=none",
			dir->path, toolchain, flags, source, toolchain),
		"go build %s %s", flags, source);
	size_t full = compare(dir, "full"), stripped = compare(dir, "stripped"),
	       bare = compare(dir, "bare");

	ck_assert_uint_gt(full, 1000);
	ck_assert_uint_eq(full, stripped);
	ck_assert_uint_eq(full, bare);
}

static void check_builds(const char *flags, const char *source)
{
	const char *toolchains = getenv("GO_TOOLCHAINS");
	char *list cleanup_free = xstrdup(toolchains ? toolchains : "local");
	struct temp_dir dir;

	if (!shell("command -v go >/dev/null")) {
		fprintf(stderr, "SKIPPED go%s %s: there is no go\n", flags, source);
		return;
	}
	temp_dir_init(&dir);
	temp_dir_write(&dir, "plain.go", program, sizeof(program) - 1);
	temp_dir_write(&dir, "with_c.go", cgo_program, sizeof(cgo_program) - 1);
	for (char *at = list, *t; (t = strtok_r(at, " ", &at));)
		check_build(&dir, t, flags, source);
	temp_dir_release(&dir);
}

START_TEST(functions_are_those_of_go_tool_nm)
{
	check_builds("", "plain.go");
}
END_TEST

START_TEST(functions_of_a_pie_are_those_of_go_tool_nm)
{
	check_builds("-buildmode=pie", "plain.go");
}
END_TEST

/* As distributions build: the C linker makes the file, and C code comes first. */
START_TEST(functions_beside_c_are_those_of_go_tool_nm)
{
	check_builds("-buildmode=pie -ldflags='-linkmode=external'", "with_c.go");
}
END_TEST

START_TEST(functions_of_a_static_pie_are_those_of_go_tool_nm)
{
	check_builds("-buildmode=pie -ldflags='-linkmode=external -extldflags=-static-pie'",
		"plain.go");
}
END_TEST

UNIT_MAIN("go_symbols", tables_of_all_layouts_are_read, without_a_text_start_moduledata_has_it,
	tables_that_lie_are_refused, a_search_ends_after_many_headers,
	functions_all_over_the_place_are_read_for_a_while, a_part_of_two_segments_is_searched_once,
	functions_are_those_of_go_tool_nm, functions_of_a_pie_are_those_of_go_tool_nm,
	functions_beside_c_are_those_of_go_tool_nm,
	functions_of_a_static_pie_are_those_of_go_tool_nm)
