// SPDX-License-Identifier: Apache-2.0
/* Stripped programs whose names are elsewhere: in separate debug files and in .gnu_debugdata. */
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "named.h"
#include "symbols/debugdata.h"
#include "symbols/dso.h"
#include "symbols/dso_files.h"
#include "temp_dir.h"
#include "unit.h"

static void shell(const char *fmt, ...) PRINTF_LIKE(1, 2);

static void shell(const char *fmt, ...)
{
	char command[2048];
	va_list args;

	va_start(args, fmt);
	vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	ck_assert_msg(system(command) == 0, "%s", command);
}

/* In `dir`: "program", stripped, and "program.debug", which has its symbols. */
static void split(const struct temp_dir *dir, const char *fixture)
{
	char *path cleanup_free = fixture_path(fixture);

	shell("cd %s && cp %s program && objcopy --only-keep-debug program program.debug && "
	      "strip -s program && objcopy --add-gnu-debuglink=program.debug program",
		dir->path, path);
}

/* Where the debug file is looked for by build id. */
static char *build_id_path(const struct temp_dir *dir)
{
	char *command cleanup_free =
		xasprintf("LC_ALL=C readelf -n %s/program | sed -n 's/.*Build ID: //p'", dir->path);
	FILE *f = popen(command, "r");
	char id[128] = "";

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%127s", id), 1);
	pclose(f);
	return xasprintf("usr/lib/debug/.build-id/%.2s/%s.debug", id, id + 2);
}

/* Names the local function of the program with a symbolizer of its own. */
static enum name_origin ask(const struct temp_dir *dir, const char *root)
{
	char *path cleanup_free = root ? xstrdup("/program") : xasprintf("%s/program", dir->path);
	struct symbolizer *s = new_symbolizer(8 << 20);
	struct program p = start_in(root, path, NULL);
	struct frame frame = name(s, &p, p.local + 1);
	enum name_origin origin = frame.origin;

	if (name_is_real(origin))
		ck_assert_str_eq(text_of(frame), "fixture_local");
	else
		ck_assert_int_eq(frame.missing, MISSING_STRIPPED);
	stop(&p);
	symbolizer_free(s);
	return origin;
}

static bool is_named(const struct temp_dir *dir, const char *root)
{
	enum name_origin origin = ask(dir, root);

	ck_assert(origin == NAME_DEBUG_FILE || !name_is_real(origin));
	return origin == NAME_DEBUG_FILE;
}

START_TEST(a_link_is_followed_beside_the_program)
{
	struct temp_dir dir;

	temp_dir_init(&dir);
	split(&dir, "no-build-id");
	ck_assert(is_named(&dir, NULL));
	shell("cd %s && mkdir .debug && mv program.debug .debug", dir.path);
	ck_assert(is_named(&dir, NULL));
	shell("cd %s && mv .debug elsewhere", dir.path);
	ck_assert(!is_named(&dir, NULL));
	temp_dir_release(&dir);
}
END_TEST

START_TEST(a_debug_file_with_another_crc_or_build_id_is_refused)
{
	struct temp_dir dir;

	temp_dir_init(&dir);
	split(&dir, "no-build-id");
	shell("cd %s && echo >> program.debug", dir.path);
	ck_assert(!is_named(&dir, NULL));
	split(&dir, "static");
	ck_assert(is_named(&dir, NULL));
	shell("cd %s && echo >> program.debug", dir.path);
	ck_assert(!is_named(&dir, NULL));
	/* The right CRC of a file of another build. */
	split(&dir, "other");
	shell("cd %s && mv program.debug other.debug", dir.path);
	split(&dir, "static");
	shell("cd %s && mv other.debug program.debug && "
	      "objcopy --remove-section=.gnu_debuglink program && "
	      "objcopy --add-gnu-debuglink=program.debug program",
		dir.path);
	ck_assert(!is_named(&dir, NULL));
	temp_dir_release(&dir);
}
END_TEST

/* The program as in a container: its root is the directory. */
START_TEST(the_containers_debug_files_are_looked_at_and_no_others)
{
	struct temp_dir dir;

	temp_dir_init(&dir);
	split(&dir, "static");
	shell("cd %s && mkdir hidden && mv program.debug hidden", dir.path);
	char *id_path cleanup_free = build_id_path(&dir);

	ck_assert(!is_named(&dir, dir.path));
	shell("cd %s && mkdir -p $(dirname %s) && cp hidden/program.debug %s", dir.path, id_path,
		id_path);
	ck_assert(is_named(&dir, dir.path));
	/* As Fedora has it, which must not lead out of the root. */
	shell("cd %s && ln -sf ../../../../../../../hidden/program.debug %s", dir.path, id_path);
	ck_assert(is_named(&dir, dir.path));
	shell("cd %s && mkdir inner && cp program inner && mkdir -p inner/$(dirname %s) && "
	      "ln -sf ../../../../../../../hidden/program.debug inner/%s",
		dir.path, id_path, id_path);
	char *inner cleanup_free = xasprintf("%s/inner", dir.path);

	ck_assert(!is_named(&dir, inner));
	shell("cd %s && cp --remove-destination program inner/%s", dir.path,
		id_path); /* its own, and no symbols */
	ck_assert(!is_named(&dir, inner));
	temp_dir_release(&dir);
}
END_TEST

static void keep_program(void *ctx, const struct map_entry *entry)
{
	struct map_entry *ret = ctx;
	const char *name = strrchr(entry->path, '/');

	if (!entry->executable || !name || strcmp(name, "/program") != 0)
		return;
	*ret = *entry;
	ret->path = "/program";
}

/* The file of the first one, visited through the second one's directory. */
static bool is_named_by_visit(struct dso_cache *cache, const struct program *p,
	const struct program *visited)
{
	char *path cleanup_free = xasprintf("/proc/%d", (int)p->pid);
	char *other_path cleanup_free = xasprintf("/proc/%d", (int)visited->pid);
	int dir cleanup_close = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int other cleanup_close = open(other_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct map_entry entry = {0};
	struct frame frame;

	ck_assert_int_eq(maps_read(dir, keep_program, &entry), 0);
	ck_assert_ptr_nonnull(entry.path);
	struct dso *dso = dso_get(cache, dir, &entry);

	ck_assert_ptr_nonnull(dso);
	dso_visit(cache, dso, other, entry.start, entry.end);
	dso_resolve(cache, dso, p->local - entry.start + entry.offset, &frame);
	dso_unref(cache, dso);
	return frame.origin == NAME_DEBUG_FILE;
}

/* The same program in two containers, one of which says what it likes. */
START_TEST(a_process_of_another_root_shows_no_debug_file)
{
	struct dso_cache cache;
	uint32_t next_module_id = 1;
	struct temp_dir dir;

	temp_dir_init(&dir);
	split(&dir, "static");
	char *id_path cleanup_free = build_id_path(&dir);
	char *a_root cleanup_free = xasprintf("%s/a", dir.path);
	char *b_root cleanup_free = xasprintf("%s/b", dir.path);

	shell("cd %s && mkdir -p a b/$(dirname %s) && ln program a && ln program b && "
	      "mv program.debug b/%s",
		dir.path, id_path, id_path);
	struct program a = start_in(a_root, "/program", NULL);
	struct program b = start_in(b_root, "/program", NULL);

	dso_cache_init(&cache,
		&(struct dso_cache_options){.max_bytes = 8 << 20,
			.next_module_id = &next_module_id,
			.host_dir = -1});
	ck_assert(!is_named_by_visit(&cache, &a, &b));
	ck_assert(is_named_by_visit(&cache, &b, &b));
	stop(&a);
	stop(&b);
	dso_cache_release(&cache);
	temp_dir_release(&dir);
}
END_TEST

START_TEST(the_hosts_debug_files_count_by_build_id)
{
	struct temp_dir dir;

	temp_dir_init(&dir);
	split(&dir, "static");
	char *id_path cleanup_free = build_id_path(&dir);

	shell("cd %s && mkdir -p /$(dirname %s) && mv program.debug /%s", dir.path, id_path,
		id_path);
	enum name_origin origin = ask(&dir, dir.path);

	shell("rm /%s && rmdir --ignore-fail-on-non-empty $(dirname /%s)", id_path, id_path);
	ck_assert_int_eq(origin, NAME_DEBUG_FILE);
	temp_dir_release(&dir);
}
END_TEST

/* As Fedora's rpmbuild makes it, though with all symbols. */
static void add_debugdata(const struct temp_dir *dir, const char *make_xz)
{
	shell("cd %s && mv program.debug data && %s && "
	      "objcopy --remove-section=.gnu_debuglink --add-section .gnu_debugdata=data.xz program",
		dir->path, make_xz);
}

START_TEST(debugdata_names_what_dynsym_does_not)
{
	struct temp_dir dir;

	temp_dir_init(&dir);
	split(&dir, "exporting");
	add_debugdata(&dir, "xz -kf data");
	ck_assert_int_eq(ask(&dir, NULL), NAME_DEBUGDATA);
	split(&dir, "exporting");
	add_debugdata(&dir, "xz -kf data && truncate -s -40 data.xz");
	ck_assert(!name_is_real(ask(&dir, NULL)));
	temp_dir_release(&dir);
}
END_TEST

START_TEST(a_bomb_is_put_out)
{
	struct temp_dir dir;

	temp_dir_init(&dir);
	split(&dir, "static");
	add_debugdata(&dir, "head -c 80M /dev/zero | xz -0 > data.xz");
	char *path cleanup_free = xasprintf("%s/program", dir.path);
	int fd cleanup_close = open(path, O_RDONLY | O_CLOEXEC);
	struct byte_source source = byte_source_fd(fd, 100 << 20);
	struct debugdata data = {0};
	struct rusage before, after;
	struct stat st;
	size_t work;

	ck_assert_int_eq(fstat(fd, &st), 0);
	source.size = (uint64_t)st.st_size;
	getrusage(RUSAGE_SELF, &before);
	ck_assert_int_eq(debugdata_read(&source, &data, &work), -E2BIG);
	getrusage(RUSAGE_SELF, &after);
	ck_assert_uint_le(work, DEBUGDATA_MAX);
	ck_assert_int_lt(after.ru_maxrss - before.ru_maxrss, 128 << 10); /* KiB */
	ck_assert(!name_is_real(ask(&dir, NULL)));
	temp_dir_release(&dir);
}
END_TEST

/* As if these were other programs. */
START_TEST(what_many_files_inflate_to_is_not_held_at_once)
{
	struct dso_files_budget budget;
	struct dso_files files[6];
	struct temp_dir dir;

	temp_dir_init(&dir);
	split(&dir, "exporting");
	add_debugdata(&dir, "truncate -s 12M data && xz -0 -kf data");
	char *path cleanup_free = xasprintf("%s/program", dir.path);

	dso_files_budget_init(&budget, -1);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		struct file_identity identity;

		ck_assert_int_eq(file_identity_of(fd, &identity), 0);
		dso_files_init(&files[i], &budget, &identity);
		dso_files_hold(&files[i], fd);
		ck_assert_int_eq(dso_files_read(&files[i]), 0);
		struct name_files names = dso_files_names(&files[i]);

		ck_assert_ptr_nonnull(names.debugdata(names.owner, true));
		ck_assert_uint_le(budget.inflated_bytes, 32 << 20);
	}
	struct name_files first = dso_files_names(&files[0]);

	ck_assert_ptr_null(files[0].debugdata);
	ck_assert_ptr_nonnull(first.debugdata(first.owner, true));
	/* Names wait for the next round; only a table that was made without it is made again. */
	uint64_t work = budget.work_left;
	struct name_files last = dso_files_names(&files[2]), other = dso_files_names(&files[1]);

	budget.work_left = 0;
	ck_assert_ptr_null(last.debugdata(last.owner, false));
	ck_assert_ptr_null(other.debugdata(other.owner, true));
	budget.work_left = work;
	ck_assert_uint_eq(dso_files_names(&files[2]).generation, last.generation);
	ck_assert_uint_ne(dso_files_names(&files[1]).generation, other.generation);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		dso_files_release(&files[i]);
	ck_assert_uint_eq(budget.inflated_bytes, 0);
	dso_files_budget_release(&budget);
	temp_dir_release(&dir);
}
END_TEST

UNIT_MAIN("debug_files", a_link_is_followed_beside_the_program,
	a_debug_file_with_another_crc_or_build_id_is_refused,
	the_containers_debug_files_are_looked_at_and_no_others,
	a_process_of_another_root_shows_no_debug_file, the_hosts_debug_files_count_by_build_id,
	debugdata_names_what_dynsym_does_not, a_bomb_is_put_out,
	what_many_files_inflate_to_is_not_held_at_once)
