// SPDX-License-Identifier: Apache-2.0
#include "unit/unit.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "interp/python_binary.h"
#include "interp/python_eval.h"
#include "symbols/elf_walk.h"

static int read_as(const char *path, uint16_t machine, struct python_binary *ret)
{
	struct elf_image image;
	struct stat st;
	int fd = open(path, O_RDONLY);

	ck_assert_msg(fd >= 0, "%s: run make from the top", path);
	ck_assert_int_eq(fstat(fd, &st), 0);
	struct byte_source source = byte_source_fd(fd, (uint64_t)st.st_size);

	ck_assert_int_eq(elf_image_read(&source, &image), 0);
	image.machine = machine;
	int r = python_binary_read(&source, &image, ret);

	elf_image_release(&image);
	close(fd);
	return r;
}

static int read_binary(const char *path, struct python_binary *ret)
{
	return read_as(path, EM_X86_64, ret);
}

static const char *fixture(const char *name)
{
	static char path[512];

	/* Beside this program, build/san/ has its own. */
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);

	ck_assert_int_gt(len, 0);
	path[len] = '\0';
	snprintf(strrchr(path, '/'), 128, "/fixtures/%s", name);
	return path;
}

START_TEST(a_file_is_recognised_by_what_it_exports)
{
	struct python_binary b;

	ck_assert_int_eq(read_binary(fixture("embedder"), &b), 0);
	ck_assert(b.runtime && b.version && !b.code_type);
	ck_assert_int_eq(read_binary("/proc/self/exe", &b), -ENOENT);
}
END_TEST

/* Its threads' ids are not their thread pointers. */
START_TEST(another_machines_stays_native)
{
	struct python_binary b;

	ck_assert_int_eq(read_as(fixture("embedder"), EM_AARCH64, &b), -ENOENT);
}
END_TEST

/* Whether one of the ranges of b covers r. */
static bool covers(const struct python_binary *b, const struct interp_range *r)
{
	for (size_t i = 0; i < b->range_count; i++)
		if (b->ranges[i].start <= r->start && b->ranges[i].end >= r->end)
			return true;
	return false;
}

START_TEST(parts_without_a_name_are_found)
{
	struct python_binary whole, stripped;

	ck_assert_int_eq(read_binary(fixture("embedder"), &whole), 0);
	ck_assert_int_eq(read_binary(fixture("embedder-stripped"), &stripped), 0);
	ck_assert_uint_eq(whole.range_count, 2);
	ck_assert_uint_eq(stripped.range_count, 2);
	for (size_t i = 0; i < whole.range_count; i++) {
		ck_assert(covers(&stripped, &whole.ranges[i]));
		ck_assert(covers(&whole, &stripped.ranges[i]));
	}
	ck_assert_uint_eq(stripped.runtime, whole.runtime);
}
END_TEST

/* Wherever in the names it stands: they are read by pieces. */
START_TEST(a_name_is_found_in_any_piece)
{
	static char names[100000];
	const struct byte_source source = byte_source_memory(names, sizeof(names));
	const struct elf_symbol_section section = {.strings_size = sizeof(names)};

	ck_assert(!elf_names_contain(&source, &section, "wanted"));
	for (size_t at = 1; at<sizeof(names) - 6; at += at % 32768> 32600 ? 1 : 97) {
		memcpy(names + at, "wanted", 6);
		ck_assert_msg(elf_names_contain(&source, &section, "wanted"), "at %zu", at);
		ck_assert(!elf_names_contain(&source, &section, "wanted!"));
		memset(names + at, 0, 6);
	}
	memcpy(names + sizeof(names) - 6, "wanted", 6);
	ck_assert(elf_names_contain(&source, &section, "wanted"));
	ck_assert(!elf_names_contain(&source,
		&(struct elf_symbol_section){.strings_size = SIZE_MAX}, "wanted"));
}
END_TEST

#define HOSTILE_SIZE  (4 << 20)
#define HOSTILE_COUNT 512
#define HEADER        64 /* where .eh_frame_hdr is, and the entries' descriptions, each 16 bytes */
#define DESCRIPTIONS  (HEADER + 12 + 8 * HOSTILE_COUNT)
#define HONEST        32768
#define PIECES        65536 /* 2 bytes each from one to the next: they reach to the end of the file */
#define FUNCTION      (HOSTILE_SIZE - 65536)
#define FUNCTION_SIZE (2 * 5 * HOSTILE_COUNT + 8)

static void put(uint8_t *file, size_t at, uint32_t word)
{
	memcpy(file + at, &word, sizeof(word));
}

static void put_jump(uint8_t *file, uint32_t at, uint32_t target)
{
	file[at] = 0xe9;
	put(file, at + 1, target - (at + 5));
}

static void put_piece(uint8_t *file, uint32_t i, uint32_t start, uint32_t size)
{
	uint32_t at = DESCRIPTIONS + 16 * i;

	put(file, HEADER + 12 + 8 * i, start - HEADER);
	put(file, HEADER + 16 + 8 * i, at - HEADER);
	put(file, at + 8, start - (at + 8));
	put(file, at + 12, size);
}

/* `count` pieces that overlap, and a function that jumps twice into each; the last one jumps back. */
static void make_hostile(uint8_t *file, uint32_t count)
{
	put(file, HEADER, 0x3b031b01); /* version, encodings */
	put(file, HEADER + 8, count);
	put_piece(file, 0, HONEST, 1 << 20);
	put_jump(file, HONEST + 16, FUNCTION + 5);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t next = (i + 1) % count, start = next ? PIECES + 2 * next : HONEST;

		if (next)
			put_piece(file, next, start, HOSTILE_SIZE - start);
		for (uint32_t jump = 2 * i; jump < 2 * i + 2; jump++)
			put_jump(file, FUNCTION + 5 * jump, start + 1);
	}
}

START_TEST(pieces_that_overlap_are_not_all_read)
{
	struct elf_segment segment = {0, HOSTILE_SIZE, 0, HOSTILE_SIZE, true};
	struct elf_image image = {.machine = EM_X86_64, .segments = &segment, .segment_count = 1};
	struct interp_range function = {FUNCTION, FUNCTION + FUNCTION_SIZE}, found[2];

	image.named[ELF_EH_FRAME_HDR] = (struct elf_area){HEADER, DESCRIPTIONS - HEADER, HEADER};
	/* Of two the last one is reached, of so many no more: 2 GiB are not read for it. */
	for (uint32_t count = 2; count <= HOSTILE_COUNT; count += HOSTILE_COUNT - 2) {
		uint8_t *file = calloc(1, HOSTILE_SIZE);
		struct byte_source source = byte_source_memory(file, HOSTILE_SIZE);

		make_hostile(file, count);
		ck_assert_uint_eq(python_eval_parts(&source, &image, &function, found, 2),
			count == 2);
		free(file);
	}
}
END_TEST

UNIT_MAIN("python_binary", a_name_is_found_in_any_piece, a_file_is_recognised_by_what_it_exports,
	another_machines_stays_native, parts_without_a_name_are_found,
	pieces_that_overlap_are_not_all_read)
