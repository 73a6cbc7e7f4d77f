// SPDX-License-Identifier: Apache-2.0
/*
 * Names of this machine's programs and libraries, with their debug files, against eu-addr2line (elfutils).
 * ORACLE_FILES and ORACLE_ADDRESSES say how many files and how many addresses of each.
 *
 * What may differ, and why:
 * - an alias: several symbols of one function; the start, and so the offset, must be the same;
 * - beyond: elfutils lets a symbol without a size reach to the next one, however far, and out of its section;
 *   there we show what begins nearer (an FDE), or nothing between sections and UNSIZED_MAX away;
 * - ours only: sources that elfutils does not read (.gopclntab, PLT entries).
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "symbols/elf_image.h"
#include "symbols/file_names.h"
#include "temp_dir.h"
#include "unit.h"

#define FILES       200
#define ADDRESSES   50
/* No function without a size reaches that far in elf_symbols.c. */
#define UNSIZED_MAX 16384

struct chosen {
	uint64_t address;
	bool in_section; /* with code, not between two */
};

struct counts {
	size_t files, addresses, equal, unnamed, aliases, beyond, ours_only, lines, gaps;
};

struct theirs {
	char name[8192];
	uint64_t offset;
	bool named;
	char file[8192 + 32]; /* its last component */
	unsigned line; /* 0: not known */
};

static uint64_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *state >> 16;
}

/* "main+0x10", or "()+0x1234" where there is none; then a line with file and line. */
static bool read_answer(FILE *f, struct theirs *ret)
{
	char line[8192 + 32];
	unsigned long long offset = 0;

	if (!fgets(line, sizeof(line), f))
		return false;
	line[strcspn(line, "\n")] = '\0';
	char *plus = strrchr(line, '+');

	if (plus && sscanf(plus, "+%llx", &offset) == 1)
		*plus = '\0';
	ret->offset = offset;
	ret->named = *line && strcmp(line, "()") != 0 && strcmp(line, "??") != 0;
	snprintf(ret->name, sizeof(ret->name), "%.*s", (int)strcspn(line, "@"), line);
	if (!fgets(line, sizeof(line), f))
		return false;
	char *colon = strchr(line, ':');

	ret->line = colon ? (unsigned)strtoul(colon + 1, NULL, 10) : 0;
	line[strcspn(line, ":")] = '\0';
	const char *slash = strrchr(line, '/');

	snprintf(ret->file, sizeof(ret->file), "%s", slash ? slash + 1 : line);
	return true;
}

/* For what the compiler's start-up files leave between two units elfutils takes the unit before: a gap. */
static bool same_line(const struct file_name *ours, const struct theirs *theirs, struct counts *c)
{
	if (!ours->file) {
		c->gaps += theirs->line != 0;
		return true;
	}
	c->lines++;
	const char *slash = strrchr(ours->file, '/');

	return ours->line == theirs->line &&
		strcmp(slash ? slash + 1 : ours->file, theirs->file) == 0;
}

/* Whether the answer is right, and of which kind. */
static bool judge(const struct file_name *ours, const struct theirs *theirs, bool in_section,
	struct counts *c)
{
	bool own = ours->origin == NAME_GO || ours->origin == NAME_PLT;

	if (!theirs->named) {
		*(own ? &c->ours_only : &c->unnamed) += 1;
		return own || !name_is_real(ours->origin);
	}
	if (!name_is_real(ours->origin) || own) {
		/* Nearer to the address than theirs is, or theirs is too far to be meant. */
		c->beyond++;
		return (ours->function && ours->offset < theirs->offset) ||
			theirs->offset >= UNSIZED_MAX || !in_section;
	}
	bool equal = strcmp(ours->function, theirs->name) == 0;

	*(equal ? &c->equal : &c->aliases) += 1;
	return ours->offset == theirs->offset;
}

static void compare(const char *path, struct file_names *names, const struct chosen *chosen,
	size_t count, struct counts *c)
{
	char *command cleanup_free =
		xasprintf("eu-addr2line -S -e '%s' < addresses 2>/dev/null", path);
	FILE *f = popen(command, "r");
	struct theirs theirs;

	ck_assert_ptr_nonnull(f);
	for (size_t i = 0; i < count; i++) {
		struct file_name ours;

		ck_assert_msg(read_answer(f, &theirs), "%s: eu-addr2line ends early", path);
		file_names_find(names, chosen[i].address, &ours);
		ck_assert_msg(judge(&ours, &theirs, chosen[i].in_section, c),
			"%s 0x%llx: '%s'+0x%llx (%s), eu-addr2line: '%s'+0x%llx", path,
			(unsigned long long)chosen[i].address, ours.function ? ours.function : "",
			(unsigned long long)ours.offset, name_origin_text(ours.origin), theirs.name,
			(unsigned long long)theirs.offset);
		ck_assert_msg(same_line(&ours, &theirs, c), "%s 0x%llx: %s:%u, eu-addr2line: %s:%u",
			path, (unsigned long long)chosen[i].address, ours.file ? ours.file : "",
			ours.line, theirs.file, theirs.line);
		c->addresses++;
	}
	pclose(f);
}

static bool is_in_section(const struct elf_image *image, uint64_t address)
{
	for (size_t i = 0; i < image->code_count; i++)
		if (address >= image->code[i].start && address < image->code[i].end)
			return true;
	return false;
}

/* Addresses of the code, also written to a file for eu-addr2line. */
static size_t choose(const char *path, struct chosen *ret, size_t want)
{
	int fd cleanup_close = open(path, O_RDONLY | O_CLOEXEC);
	struct strbuf text cleanup_strbuf = STRBUF_INIT;
	struct elf_image image;
	uint64_t state = 42;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	struct byte_source source = byte_source_fd(fd, (uint64_t)st.st_size);

	if (elf_image_read(&source, &image) < 0)
		return 0; /* a script */
	const struct elf_segment *code = elf_image_code_segment(&image);
	size_t count = code && code->memory_size ? want : 0;

	for (size_t i = 0; i < count; i++) {
		uint64_t address = code->address + next_random(&state) % code->memory_size;

		ret[i] = (struct chosen){address, is_in_section(&image, address)};
		strbuf_addf(&text, "0x%llx\n", (unsigned long long)address);
	}
	elf_image_release(&image);
	ck_assert_int_eq(file_replace("addresses", text.buf, text.len), 0);
	return count;
}

static void check_file(const char *path, size_t want, const struct file_root *root,
	struct counts *c)
{
	struct chosen *chosen cleanup_free = xcalloc(want, sizeof(*chosen));
	size_t count = choose(path, chosen, want);
	char *real cleanup_free = realpath(path, NULL);
	struct file_names *names;

	if (!count || !real)
		return;
	ck_assert_int_eq(file_names_new(open(path, O_RDONLY | O_CLOEXEC),
				 &(struct file_names_options){.root = root, .path = real}, &names),
		0);
	compare(path, names, chosen, count, c);
	file_names_free(names);
	c->files++;
}

static size_t setting(const char *name, size_t or)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 10) : or ;
}

START_TEST(names_equal_those_of_elfutils)
{
	size_t want = setting("ORACLE_FILES", FILES), each = setting("ORACLE_ADDRESSES", ADDRESSES);
	struct file_root root cleanup_file_root = {.fd = -1};
	struct counts c = {0};
	struct temp_dir dir;
	glob_t files = {0};

	if (system("eu-addr2line --version >/dev/null 2>&1") != 0) {
		fprintf(stderr, "SKIPPED names_equal_those_of_elfutils: no eu-addr2line\n");
		return;
	}
	temp_dir_init(&dir);
	ck_assert_int_eq(chdir(dir.path), 0);
	ck_assert_int_eq(file_root_of_directory("/", &root), 0);
	glob("/usr/lib/*-linux-gnu/*.so*", 0, NULL, &files);
	glob("/usr/bin/*", GLOB_APPEND, NULL, &files);
	glob("/usr/sbin/*", GLOB_APPEND, NULL, &files);
	/* Evenly picked; half of the programs are scripts and links. */
	size_t step = files.gl_pathc / (want ? 2 * want : 1);

	for (size_t i = 0; i < files.gl_pathc && c.files < want; i += step ? step : 1)
		check_file(files.gl_pathv[i], each, &root, &c);
	globfree(&files);
	printf("%zu addresses of %zu files: %zu equal, %zu unnamed by both, %zu aliases, "
	       "%zu beyond a symbol, %zu ours only; %zu lines, %zu in gaps\n",
		c.addresses, c.files, c.equal, c.unnamed, c.aliases, c.beyond, c.ours_only, c.lines,
		c.gaps);
	ck_assert_uint_gt(c.equal, 0);
	ck_assert_uint_ge(c.lines, 20 * c.gaps);
	ck_assert_uint_ge(c.equal, 10 * (c.aliases + c.beyond));
	temp_dir_release(&dir);
}
END_TEST

UNIT_MAIN("name_oracle", names_equal_those_of_elfutils)
