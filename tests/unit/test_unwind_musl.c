// SPDX-License-Identifier: Apache-2.0
/* Live stacks of programs whose C library has no unwind tables: all of them reach the root, without frame pointers. */
#include "lib/live_walk.h"
#include "unit.h"

#define ROUNDS 25
#define ROUNDS_SIGNALS                                                                             \
	250 /* one stack in eight is in the handler, fewer where the machine is busy */

static void walk(const char *program, const char *kind)
{
	struct live_program *p = calloc(1, sizeof(*p));
	bool signals = strcmp(kind, "signals") == 0;
	size_t rounds = signals ? ROUNDS_SIGNALS : ROUNDS;
	char path[256];
	char *argv[] = {path, (char *)(uintptr_t)kind, NULL};

	snprintf(path, sizeof(path), "%s/%s", TEST_PROGRAMS, program);
	if (access(path, X_OK) < 0) {
		printf("SKIP %s: musl-gcc is not there (Debian: musl-tools)\n", program);
		free(p);
		return;
	}
	p->verbose = true;
	live_run(p, argv, rounds);
	ck_assert_uint_ge(p->walked, rounds);
	ck_assert_msg(p->rooted == p->walked, "%s %s: %zu of %zu reach the root", program, kind,
		p->rooted, p->walked);
	ck_assert_uint_gt(p->frames, 5 * p->walked);
	if (signals)
		ck_assert_uint_gt(p->signal_frames, 0);
	free(p);
}

static const char *const kinds[] = {"recursion", "qsort", "threads", "signals"};

START_TEST(a_static_program)
{
	walk("stacks-static", kinds[_i]);
}
END_TEST

START_TEST(a_stripped_static_program)
{
	walk("stacks-stripped", kinds[_i]);
}
END_TEST

START_TEST(a_dynamic_program)
{
	walk("stacks-dynamic", kinds[_i]);
}
END_TEST

START_TEST(a_program_without_tables_of_its_own)
{
	walk("stacks-bare", kinds[_i]);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("unwind_musl");

	tcase_add_loop_test(tcase, a_static_program, 0, ARRAY_SIZE(kinds));
	tcase_add_loop_test(tcase, a_stripped_static_program, 0, ARRAY_SIZE(kinds));
	tcase_add_loop_test(tcase, a_dynamic_program, 0, ARRAY_SIZE(kinds));
	tcase_add_loop_test(tcase, a_program_without_tables_of_its_own, 0, ARRAY_SIZE(kinds));
	return unit_run("unwind_musl", tcase);
}
