// SPDX-License-Identifier: Apache-2.0
/* Files that mapping events named: what one root may have of the room for them. */
#include <stdio.h>
#include <string.h>

#include "symbols/known_files.h"
#include "unit.h"

enum { MANY = 6000 };

static struct known_file *kept[MANY];

static struct known_file *get(struct known_files *files, uint64_t root, uint64_t inode,
	const char *path)
{
	struct map_entry entry = {.dev_major = 8, .inode = inode, .path = path};

	return known_file_get(files, &entry, 0, &(struct root_id){1 + root % 5, root, 7});
}

static size_t take_many(struct known_files *files, const char *path)
{
	size_t count = 0;

	for (size_t i = 0; i < MANY; i++)
		count += (kept[i] = get(files, 1, i + 1, path)) != NULL;
	return count;
}

static void give_back(struct known_files *files)
{
	for (size_t i = 0; i < MANY; i++)
		if (kept[i])
			known_file_unref(files, kept[i]);
}

START_TEST(a_root_leaves_room_for_others)
{
	struct known_files files;
	struct known_file *other;
	char path[4000];

	known_files_init(&files, NULL);
	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	for (int i = 0; i < 2; i++) {
		size_t count = take_many(&files, i ? path : "/usr/lib/libc.so.6");

		ck_assert_uint_gt(count, i ? 100 : 1500);
		ck_assert_uint_le(count, MANY / 2);
		ck_assert_uint_eq(files.refused, MANY - count);
		for (uint64_t k = 0; k < 100; k++) {
			other = get(&files, 2, k + 1, "/usr/lib/libc.so.6");
			ck_assert_ptr_nonnull(other);
			known_file_unref(&files, other);
		}
		give_back(&files);
		files.refused = 0;
		for (int round = 0; round < 4; round++)
			known_files_end_round(&files);
		ck_assert_uint_eq(files.files.count, 0);
		ck_assert_uint_eq(files.roots.count, 0);
		ck_assert_uint_eq(files.bytes, 0);
	}
	known_files_release(&files);
}
END_TEST

/* Each directory of a container may be the root of a process. */
START_TEST(roots_of_one_container_leave_room_for_others)
{
	struct map_entry entry = {.dev_major = 8, .inode = 1, .path = "/program"};
	struct known_files files;
	size_t count = 0;

	known_files_init(&files, NULL);
	for (uint64_t i = 0; i < MANY; i++) {
		kept[i] = get(&files, i + 1, 1, "/program");
		count += kept[i] != NULL;
	}
	ck_assert_uint_gt(count, 3000);
	ck_assert_uint_lt(count, 5000);
	struct known_file *other = known_file_get(&files, &entry, 0, &(struct root_id){2, 1, 8});

	ck_assert_ptr_nonnull(other);
	known_file_unref(&files, other);
	give_back(&files);
	for (int round = 0; round < 4; round++)
		known_files_end_round(&files);
	ck_assert_uint_eq(files.roots.count, 0);
	known_files_release(&files);
}
END_TEST

/* Programs that come and go. */
START_TEST(a_roots_new_files_take_the_room_of_its_unused_ones)
{
	struct known_files files;
	struct known_file *other;

	known_files_init(&files, NULL);
	other = get(&files, 2, 1, "/bin/true");
	known_file_unref(&files, other);
	for (uint64_t i = 0; i < 3 * MANY; i++) {
		struct known_file *file = get(&files, 1, i + 1, "/bin/true");

		ck_assert_ptr_nonnull(file);
		known_file_unref(&files, file);
	}
	ck_assert_uint_eq(files.refused, 0);
	ck_assert_uint_lt(files.files.count, MANY / 2);
	ck_assert_ptr_eq(get(&files, 2, 1, "/bin/true"), other);
	known_file_unref(&files, other);
	known_files_release(&files);
}
END_TEST

/* Of processes that come and go, each with a root of its own. */
START_TEST(new_roots_take_the_room_of_the_containers_unused_files)
{
	struct known_files files;

	known_files_init(&files, NULL);
	for (uint64_t i = 0; i < 2 * MANY; i++) {
		struct known_file *file = get(&files, i + 1, 1, "/bin/true");

		ck_assert_ptr_nonnull(file);
		known_file_unref(&files, file);
	}
	ck_assert_uint_lt(files.files.count, 5000);
	known_files_release(&files);
}
END_TEST

UNIT_MAIN("known_files", a_root_leaves_room_for_others,
	roots_of_one_container_leave_room_for_others,
	a_roots_new_files_take_the_room_of_its_unused_ones,
	new_roots_take_the_room_of_the_containers_unused_files)
