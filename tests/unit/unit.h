// SPDX-License-Identifier: Apache-2.0
/*
 * The frame of a unit test program: write tests with check's START_TEST, list them with UNIT_MAIN.
 *
 *	START_TEST(an_empty_set_has_no_labels) { ... } END_TEST
 *	UNIT_MAIN("labels", an_empty_set_has_no_labels)
 *
 * Each test runs in a process of its own (CK_FORK=no under a debugger).
 */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <check.h>
#include <stdlib.h>

#define UNIT_TIMEOUT_S 180 /* the sanitizers on a busy machine included */

/* Runs one case; for programs with loop tests, which build it themselves. */
static inline int unit_run(const char *name, TCase *tcase)
{
	Suite *suite = suite_create(name);

	tcase_set_timeout(tcase, UNIT_TIMEOUT_S);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

static inline int unit_main(const char *name, void (*setup)(void), void (*teardown)(void),
	const TTest *const *tests, size_t count)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, setup, teardown);
	for (size_t i = 0; i < count; i++)
		tcase_add_test(tcase, tests[i]);
	return unit_run(name, tcase);
}

#define UNIT_MAIN(name, ...) UNIT_MAIN_FIXTURE(name, NULL, NULL, __VA_ARGS__)

/* The same with functions that run before and after each test, in its process. */
#define UNIT_MAIN_FIXTURE(name, setup, teardown, ...)                                              \
	int main(void)                                                                             \
	{                                                                                          \
		const TTest *const tests[] = {__VA_ARGS__};                                        \
		return unit_main(name, setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));  \
	}

#endif
