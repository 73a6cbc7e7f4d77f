// SPDX-License-Identifier: Apache-2.0
/* What one process, and one root, may take of the room for files. */
#include "symbols/dso.h"

#include <sys/mman.h>

#include "base/macros.h"
#include "symbols/process_maps.h"
#include "temp_dir.h"
#include "unit.h"

#define PAGE           4096
#define FILES_MAX      2048 /* of one process */
#define ROOT_FILES_MAX 4096

struct fixture {
	struct dso_cache dsos;
	uint32_t next_module_id;
	int self;
};

static struct fixture f;

static void setup(void)
{
	f = (struct fixture){.next_module_id = 1};
	f.self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(f.self, 0);
	dso_cache_init(&f.dsos,
		&(struct dso_cache_options){.max_bytes = 8 << 20,
			.next_module_id = &f.next_module_id,
			.host_dir = -1});
}

static void teardown(void)
{
	dso_cache_release(&f.dsos);
	close(f.self);
}

static void map(char *at, int fd)
{
	ck_assert(mmap(at, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, 0) == at);
}

/* Maps `count` hard links of one file, one beside the other, up to `end`. */
static void map_links(const struct temp_dir *dir, int from, int count, char *end)
{
	char name[16];

	for (int i = from; i < from + count; i++) {
		snprintf(name, sizeof(name), "%d", i);
		ck_assert_int_eq(linkat(dir->fd, "file", dir->fd, name, 0), 0);
		int fd cleanup_close = openat(dir->fd, name, O_RDONLY | O_CLOEXEC);

		ck_assert_int_ge(fd, 0);
		map(end - (i + 1) * PAGE, fd);
	}
}

static size_t mappings_with_dso(const struct process_maps *maps, uint64_t from, uint64_t to)
{
	size_t count = 0;

	for (size_t i = 0; i < maps->count; i++)
		if (maps->list[i].start >= from && maps->list[i].start < to)
			count += maps->list[i].dso != NULL;
	return count;
}

/* Also where it maps them little by little. */
START_TEST(a_process_has_room_for_some_thousand_files)
{
	struct temp_dir dir;
	struct process_maps maps = {0};
	size_t size = (size_t)3 * FILES_MAX / 2 * PAGE;
	char *memory = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert(memory != MAP_FAILED);
	temp_dir_init(&dir);
	temp_dir_write(&dir, "file", "x", 1);
	for (int i = 0; i < 3; i++) {
		map_links(&dir, i * FILES_MAX / 2, FILES_MAX / 2, memory + size);
		ck_assert_int_eq(process_maps_read(&maps, &f.dsos, f.self), 0);
		dso_cache_end_round(&f.dsos);
	}
	ck_assert_uint_gt(maps.count, 3 * FILES_MAX / 2);
	ck_assert_uint_eq(f.dsos.dsos.count, FILES_MAX + 1); /* and the vDSO */
	process_maps_release(&maps, &f.dsos);
	temp_dir_release(&dir);
	munmap(memory, size);
}
END_TEST

START_TEST(mappings_of_one_file_take_the_room_of_one)
{
	struct temp_dir dir;
	struct process_maps maps = {0};
	int count = 2 * FILES_MAX;
	size_t size = (size_t)2 * (size_t)count * PAGE;
	char *memory = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert(memory != MAP_FAILED);
	temp_dir_init(&dir);
	temp_dir_write(&dir, "file", "x", 1);
	int fd cleanup_close = openat(dir.fd, "file", O_RDONLY | O_CLOEXEC);

	for (int i = 0; i < count; i++)
		map(memory + 2 * i * PAGE, fd);
	ck_assert_int_eq(process_maps_read(&maps, &f.dsos, f.self), 0);
	ck_assert_uint_eq(mappings_with_dso(&maps, (uintptr_t)memory, (uintptr_t)memory + size),
		(size_t)count);
	process_maps_release(&maps, &f.dsos);
	temp_dir_release(&dir);
	munmap(memory, size);
}
END_TEST

START_TEST(a_root_leaves_room_for_the_files_of_others)
{
	static struct dso *dsos[ROOT_FILES_MAX];
	struct map_entry e = {.path = "/no/such/file", .dev_major = 250, .executable = true};

	for (size_t i = 0; i < ROOT_FILES_MAX; i++) {
		e.inode = i + 1;
		dsos[i] = dso_get(&f.dsos, f.self, &e);
		ck_assert_ptr_nonnull(dsos[i]);
	}
	e.inode++;
	ck_assert_ptr_null(dso_get(&f.dsos, f.self, &e));
	struct dso *other = dso_get_absent(&f.dsos, &e, &(struct root_id){0});

	ck_assert_ptr_nonnull(other);
	dso_unref(&f.dsos, other);
	e.inode = 1; /* known ones stay */
	ck_assert_ptr_eq(dso_get(&f.dsos, f.self, &e), dsos[0]);
	dso_unref(&f.dsos, dsos[0]);
	for (size_t i = 0; i < ROOT_FILES_MAX; i++)
		dso_unref(&f.dsos, dsos[i]);
	dso_cache_end_round(&f.dsos);
	ck_assert_uint_eq(f.dsos.roots.count, 0);
	e.inode = ROOT_FILES_MAX + 2;
	ck_assert_ptr_nonnull(other = dso_get(&f.dsos, f.self, &e));
	dso_unref(&f.dsos, other);
}
END_TEST

/* As whoever may change its root has as many as it has directories. */
START_TEST(roots_of_one_container_leave_room_for_the_files_of_others)
{
	static struct dso *dsos[3 * ROOT_FILES_MAX];
	struct map_entry e = {.path = "/no/such/file", .dev_major = 250, .inode = 1};
	struct dso *other;
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(dsos); i++) {
		dsos[i] = dso_get_absent(&f.dsos, &e, &(struct root_id){7 + i % 5, 1 + i, 3});
		count += dsos[i] != NULL;
	}
	ck_assert_uint_eq(count, 2 * ROOT_FILES_MAX);
	ck_assert_ptr_nonnull(other = dso_get_absent(&f.dsos, &e, &(struct root_id){8, 1, 4}));
	dso_unref(&f.dsos, other);
	for (size_t i = 0; i < ARRAY_SIZE(dsos); i++)
		if (dsos[i])
			dso_unref(&f.dsos, dsos[i]);
	dso_cache_end_round(&f.dsos);
	ck_assert_uint_eq(f.dsos.roots.count, 0);
}
END_TEST

UNIT_MAIN_FIXTURE("dso", setup, teardown, a_process_has_room_for_some_thousand_files,
	mappings_of_one_file_take_the_room_of_one, a_root_leaves_room_for_the_files_of_others,
	roots_of_one_container_leave_room_for_the_files_of_others)
