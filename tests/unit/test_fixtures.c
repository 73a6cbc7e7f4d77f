// SPDX-License-Identifier: Apache-2.0
/* Running programs, linked in all ways (mk/fixtures.mk), named from outside. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "named.h"
#include "program.h"
#include "temp_dir.h"
#include "unit.h"

START_TEST(programs_linked_in_any_way_are_named)
{
	static const char *const kinds[] = {"pie", "nopie", "static", "static-pie", "together",
		"huge-pages", "no-build-id"};
	struct symbolizer *s = new_symbolizer(8 << 20);

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		char *path cleanup_free = fixture_path(kinds[i]);
		struct program p = start(path, NULL);

		ck_assert_str_eq(text_of(name(s, &p, p.exported + 1)), "fixture_exported");
		ck_assert_str_eq(text_of(name(s, &p, p.local)), "fixture_local");
		ck_assert_str_eq(text_of(name(s, &p, p.assembler + 3)), "fixture_asm");
		struct frame frame = name(s, &p, p.exported);

		ck_assert_str_eq(frame.module->name, kinds[i]);
		ck_assert_uint_gt(frame.address, frame.module->start);
		ck_assert_uint_lt(frame.address, frame.module->end);
		ck_assert_int_eq(!*frame.module->build_id, !strcmp(kinds[i], "no-build-id"));
		stop(&p);
	}
	symbolizer_free(s);
}
END_TEST

START_TEST(a_stripped_function_is_called_after_its_start)
{
	struct symbolizer *s = new_symbolizer(8 << 20);
	char *path cleanup_free = fixture_path("stripped");
	struct program p = start(path, NULL);
	struct frame frame = name(s, &p, p.local);

	ck_assert_str_eq(text_of(name(s, &p, p.exported)), "fixture_exported");
	char *pseudo cleanup_free =
		xasprintf("stripped!sub_%llx", (unsigned long long)frame.address);

	ck_assert_str_eq(text_of(frame), pseudo);
	ck_assert_int_eq(frame.origin, NAME_PSEUDO);
	ck_assert_int_eq(frame.missing, MISSING_STRIPPED);
	ck_assert_str_eq(text_of(name(s, &p, p.local + 1)), pseudo);
	ck_assert_str_eq(frame.module->name, "stripped");
	ck_assert_uint_eq(symbolizer_stats(s)->missing[MISSING_STRIPPED], 2);
	stop(&p);
	symbolizer_free(s);
}
END_TEST

START_TEST(a_forged_build_id_spoils_only_its_own_names)
{
	char *forged_path cleanup_free = fixture_path("forged");
	char *other_path cleanup_free = fixture_path("other");

	for (int forged_first = 0; forged_first < 2; forged_first++) {
		struct symbolizer *s = new_symbolizer(8 << 20);
		struct program forged = start(forged_path, NULL), other = start(other_path, NULL);
		struct frame a = name(s, forged_first ? &forged : &other,
			forged_first ? forged.exported : other.exported);
		struct frame b = name(s, forged_first ? &other : &forged,
			forged_first ? other.exported : forged.exported);

		ck_assert_str_eq(a.module->build_id, b.module->build_id);
		ck_assert_uint_ne(a.module->id, b.module->id);
		ck_assert_str_eq(text_of(name(s, &forged, forged.exported)), "forgery_exported");
		ck_assert_str_eq(text_of(name(s, &other, other.exported)), "fixture_exported");
		stop(&forged);
		stop(&other);
		symbolizer_free(s);
	}
}
END_TEST

static char *copy_fixture(const char *kind, const char *dir, const char *as)
{
	char *from cleanup_free = fixture_path(kind);
	char *to = xasprintf("%s/%s", dir, as);
	char *command cleanup_free = xasprintf("cp %s %s", from, to);

	ck_assert_int_eq(system(command), 0);
	return to;
}

START_TEST(a_deleted_or_replaced_program_is_named_from_what_it_runs)
{
	struct symbolizer *s = new_symbolizer(8 << 20);
	struct temp_dir dir;

	temp_dir_init(&dir);
	char *path cleanup_free = copy_fixture("other", dir.path, "program");
	struct program p = start(path, NULL);

	ck_assert_int_eq(unlink(path), 0);
	char *again cleanup_free = copy_fixture("forged", dir.path, "program");
	struct frame frame = name(s, &p, p.exported);

	ck_assert_str_eq(again, path);
	ck_assert_str_eq(frame.module->path, path);
	/* Without map_files it is unnamed; never does it get the other file's name. */
	if (access("/proc/self/map_files", R_OK | X_OK) == 0)
		ck_assert_str_eq(text_of(frame), "fixture_exported");
	else
		ck_assert_ptr_null(frame.function);
	stop(&p);
	temp_dir_release(&dir);
	symbolizer_free(s);
}
END_TEST

START_TEST(copies_of_a_file_share_its_table)
{
	struct symbolizer *s = new_symbolizer(8 << 20);
	struct temp_dir dir;

	temp_dir_init(&dir);
	char *one_path cleanup_free = copy_fixture("static", dir.path, "one");
	char *two_path cleanup_free = copy_fixture("static", dir.path, "two");
	struct program one = start(one_path, NULL), two = start(two_path, NULL);

	size_t before = symbolizer_stats(s)->bytes;

	ck_assert_str_eq(text_of(name(s, &one, one.exported)), "fixture_exported");
	size_t first = symbolizer_stats(s)->bytes - before;

	ck_assert_str_eq(text_of(name(s, &two, two.exported)), "fixture_exported");
	size_t second = symbolizer_stats(s)->bytes - before - first;

	ck_assert_uint_gt(first, 4000);
	ck_assert_uint_lt(second, 200); /* the name */
	stop(&one);
	stop(&two);
	temp_dir_release(&dir);
	symbolizer_free(s);
}
END_TEST

START_TEST(tables_keep_to_their_budget)
{
	struct symbolizer *s = new_symbolizer(1000);
	char *path cleanup_free = fixture_path("static");
	struct program p = start(path, NULL);
	struct frame frame = name(s, &p, p.exported);
	size_t before = symbolizer_stats(s)->bytes;

	ck_assert_ptr_null(frame.function);
	ck_assert_str_eq(frame.module->name, "static");
	ck_assert_uint_ge(symbolizer_stats(s)->files_refused, 1);
	stop(&p);
	for (int i = 0; i < 4; i++)
		symbolizer_end_round(s);
	ck_assert_uint_le(symbolizer_stats(s)->bytes, before);
	ck_assert_uint_eq(symbolizer_stats(s)->processes, 0);
	ck_assert_uint_eq(symbolizer_stats(s)->modules, 0);
	symbolizer_free(s);
}
END_TEST

/* Lets p become the program it was started with as its argument. */
static struct program become_next(struct program *p)
{
	struct program next = *p;

	ck_assert_int_eq(write(p->input, "x", 1), 1);
	read_addresses(&next);
	next.id.exec_id++;
	return next;
}

START_TEST(the_image_before_an_exec_keeps_its_own_names)
{
	struct symbolizer *s = new_symbolizer(8 << 20);
	char *first cleanup_free = fixture_path("pie");
	char *second cleanup_free = fixture_path("nopie");
	struct program p = start(first, second);

	symbolizer_process_seen(s, &p.id);
	struct program next = become_next(&p);

	ck_assert_str_eq(text_of(name(s, &next, next.local)), "fixture_local");
	ck_assert_str_eq(name(s, &next, next.local).module->name, "nopie");
	ck_assert_str_eq(text_of(name(s, &p, p.local)), "fixture_local");
	ck_assert_str_eq(name(s, &p, p.local).module->name, "pie");
	symbolizer_end_round(s);
	ck_assert_str_eq(name(s, &p, p.local).module->name, "pie");
	stop(&p);
	symbolizer_free(s);
}
END_TEST

START_TEST(an_image_that_was_read_too_late_gets_no_names)
{
	struct symbolizer *s = new_symbolizer(8 << 20);
	char *first cleanup_free = fixture_path("nopie");
	char *second cleanup_free = fixture_path("static");
	struct program p = start(first, second);
	struct program next = become_next(&p);

	symbolizer_process_seen(s, &p.id); /* reads the next image's mappings */
	symbolizer_process_seen(s, &next.id);
	ck_assert_int_eq(name(s, &p, next.local).module->kind, MODULE_UNKNOWN);
	ck_assert_str_eq(text_of(name(s, &next, next.local)), "fixture_local");

	/* The other order: the earlier image is not even tried. */
	struct symbolizer *t = new_symbolizer(8 << 20);

	symbolizer_process_seen(t, &next.id);
	ck_assert_int_eq(name(t, &p, next.local).module->kind, MODULE_UNKNOWN);
	ck_assert_str_eq(text_of(name(t, &next, next.local)), "fixture_local");
	stop(&p);
	symbolizer_free(s);
	symbolizer_free(t);
}
END_TEST

START_TEST(the_vdso_is_named)
{
	struct symbolizer *s = new_symbolizer(8 << 20);
	char *path cleanup_free = fixture_path("pie");
	struct program p = start(path, NULL);
	char *maps cleanup_free = xasprintf("grep vdso /proc/%d/maps", (int)p.pid);
	FILE *f = popen(maps, "r");
	unsigned long long from = 0, to = 0;
	int named = 0;

	ck_assert_ptr_nonnull(f);
	if (fscanf(f, "%llx-%llx", &from, &to) == 2)
		for (uint64_t at = from; at < to; at += 16) {
			struct frame frame = name(s, &p, at);

			ck_assert_str_eq(frame.module->path, "[vdso]");
			ck_assert_int_eq(frame.module->kind, MODULE_VDSO);
			ck_assert_uint_eq(frame.address, at - from);
			named += frame.function && strstr(frame.function, "clock_gettime");
		}
	pclose(f);
	ck_assert(!from || named > 0);
	stop(&p);
	symbolizer_free(s);
}
END_TEST

UNIT_MAIN("fixtures", programs_linked_in_any_way_are_named,
	a_stripped_function_is_called_after_its_start, a_forged_build_id_spoils_only_its_own_names,
	a_deleted_or_replaced_program_is_named_from_what_it_runs, copies_of_a_file_share_its_table,
	tables_keep_to_their_budget, the_image_before_an_exec_keeps_its_own_names,
	an_image_that_was_read_too_late_gets_no_names, the_vdso_is_named)
