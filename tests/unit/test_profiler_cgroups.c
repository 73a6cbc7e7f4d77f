// SPDX-License-Identifier: Apache-2.0
/* Verdicts on cgroups, with children in nested cgroups of the v2 hierarchy and of a v1 one. */
#include <mntent.h>
#include <sys/stat.h>

#include "sampling.h"

/* Where a hierarchy is mounted: cgroup2, or cgroup with this controller. False where it is not. */
static bool find_hierarchy(const char *type, const char *option, char *ret, size_t size)
{
	FILE *f cleanup_fclose = setmntent("/proc/mounts", "r");
	const struct mntent *m;

	while (f && (m = getmntent(f))) {
		if (strcmp(m->mnt_type, type) == 0 && (!option || hasmntopt(m, option))) {
			snprintf(ret, size, "%s", m->mnt_dir);
			return true;
		}
	}
	return false;
}

/* A container's cgroup with a cgroup in it. */
struct nest {
	char outer[256], inner[300];
	cgroup_key outer_key, inner_key;
};

static cgroup_key key_of(const char *dir, cgroup_key hierarchy)
{
	struct stat st;

	ck_assert_int_eq(stat(dir, &st), 0);
	return st.st_ino | hierarchy;
}

static bool make_nest(struct nest *n, bool v1)
{
	char mount[128];

	if (!find_hierarchy(v1 ? "cgroup" : "cgroup2", v1 ? "cpuacct" : NULL, mount, sizeof(mount)))
		return false;
	snprintf(n->outer, sizeof(n->outer), "%s/dockprof-test-%d", mount, (int)getpid());
	snprintf(n->inner, sizeof(n->inner), "%s/inner", n->outer);
	if (mkdir(n->outer, 0755) < 0)
		return false;
	ck_assert_int_eq(mkdir(n->inner, 0755), 0);
	n->outer_key = key_of(n->outer, v1 ? CGROUP_KEY_V1 : 0);
	n->inner_key = key_of(n->inner, v1 ? CGROUP_KEY_V1 : 0);
	return true;
}

static void remove_nest(const struct nest *n)
{
	rmdir(n->inner);
	ck_assert_int_eq(rmdir(n->outer), 0);
}

/* Each test below runs for v2 (_i = 0) and v1 (_i = 1). */
static bool setup_nest(struct fixture *f, struct nest *n, bool v1)
{
	if (!make_nest(n, v1)) {
		printf("SKIP: no writable cgroup %s hierarchy\n", v1 ? "v1 (cpuacct)" : "v2");
		return false;
	}
	if (!setup(f)) {
		remove_nest(n);
		return false;
	}
	return true;
}

static void teardown_nest(struct fixture *f, const struct nest *n, pid_t pid)
{
	stop_spinner(pid);
	remove_nest(n);
	teardown(f);
}

START_TEST(a_new_cgroup_is_reported_once_with_its_ancestors_and_recorded_meanwhile)
{
	struct fixture f;
	struct nest n;

	if (!setup_nest(&f, &n, _i))
		return;
	pid_t pid = start_spinner(&f, n.inner);

	f.kept = n.inner_key;
	spell(&f);
	ck_assert_uint_eq(f.of_watched_seen, 1);
	const struct cgroup_chain *chain = _i ? &f.v1 : &f.v2;

	ck_assert_uint_eq(chain->depth, 2);
	ck_assert_str_eq(chain->level[0].name, "inner");
	ck_assert_uint_eq(chain->level[0].key, n.inner_key);
	ck_assert_str_eq(chain->level[1].name, strrchr(n.outer, '/') + 1);
	ck_assert_uint_eq(chain->level[1].key, n.outer_key);
	ck_assert_uint_ge(f.of_watched, SOME);
	ck_assert_uint_eq(f.in_kept, f.of_watched);
	spell(&f);
	ck_assert_uint_eq(f.of_watched_seen, 1);
	ck_assert_uint_ge(f.of_watched, SOME);
	teardown_nest(&f, &n, pid);
}
END_TEST

START_TEST(what_runs_below_a_kept_cgroup_is_recorded_under_its_key)
{
	struct fixture f;
	struct nest n;

	if (!setup_nest(&f, &n, _i))
		return;
	pid_t pid = start_spinner(&f, n.inner);

	spell(&f); /* the leaf is pending, and remembered so */
	ck_assert_int_eq(profiler_set_cgroup(f.profiler, n.outer_key, CGROUP_KEEP), 0);
	round_of(&f);
	f.kept = n.outer_key;
	spell(&f);
	ck_assert_uint_ge(f.of_watched, SOME);
	ck_assert_uint_eq(f.in_kept, f.of_watched);
	teardown_nest(&f, &n, pid);
}
END_TEST

START_TEST(a_new_verdict_reaches_cached_descendants)
{
	struct fixture f;
	struct nest n;

	if (!setup_nest(&f, &n, _i))
		return;
	pid_t pid = start_spinner(&f, n.inner);
	const struct {
		enum cgroup_verdict verdict;
		bool recorded;
	} steps[] = {
		{CGROUP_DROP, false},
		{CGROUP_KEEP, true},
		{CGROUP_DROP, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		ck_assert_int_eq(profiler_set_cgroup(f.profiler, n.outer_key, steps[i].verdict), 0);
		round_of(&f);
		spell(&f);
		ck_assert_int_eq(f.of_watched > 0, steps[i].recorded);
		ck_assert_uint_ge(f.tally.filtered + f.of_watched, SOME);
	}
	teardown_nest(&f, &n, pid);
}
END_TEST

START_TEST(a_cgroup_without_container_is_filtered_until_one_appears_above_it)
{
	struct fixture f;
	struct nest n;

	if (!setup_nest(&f, &n, _i))
		return;
	ck_assert_int_eq(profiler_set_cgroup(f.profiler, n.inner_key, CGROUP_HOST), 0);
	pid_t pid = start_spinner(&f, n.inner);

	round_of(&f);
	spell(&f);
	ck_assert_uint_eq(f.of_watched, 0);
	ck_assert_uint_eq(f.of_watched_seen, 0);
	ck_assert_int_eq(profiler_set_cgroup(f.profiler, n.outer_key, CGROUP_KEEP), 0);
	round_of(&f);
	spell(&f);
	ck_assert_uint_ge(f.of_watched, SOME);
	teardown_nest(&f, &n, pid);
}
END_TEST

static void move(pid_t pid, const char *cgroup)
{
	char *procs cleanup_free = xasprintf("%s/cgroup.procs", cgroup);
	char *text cleanup_free = xasprintf("%d", (int)pid);
	int fd = open(procs, O_WRONLY);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

START_TEST(a_task_that_moves_to_another_cgroup_is_of_that_one_from_the_next_tick_on)
{
	struct fixture f;
	struct nest n;

	if (!setup_nest(&f, &n, _i))
		return;
	ck_assert_int_eq(profiler_set_cgroup(f.profiler, n.outer_key, CGROUP_HOST), 0);
	ck_assert_int_eq(profiler_set_cgroup(f.profiler, n.inner_key, CGROUP_KEEP), 0);
	pid_t pid = start_spinner(&f, n.inner);

	f.kept = n.inner_key;
	spell(&f);
	ck_assert_uint_ge(f.of_watched, SOME);
	int64_t begin = spun(&f);

	let_spin(&f);
	move(pid, n.outer); /* within the interval */
	int64_t moved = spun(&f);

	for (int i = 0; i < 6; i++)
		let_spin(&f);
	int64_t before = (moved - begin) / (SPELL / SPELL_TICKS), after = 6 * SPELL_TICKS;

	round_of(&f);
	ck_assert_uint_ge(f.in_kept, SOME);
	ck_assert_int_lt((int64_t)f.in_kept, before + after / 2);
	spell(&f);
	ck_assert_uint_eq(f.of_watched, 0);
	move(pid, n.inner);
	spell(&f);
	ck_assert_uint_ge(f.in_kept, SOME);
	teardown_nest(&f, &n, pid);
}
END_TEST

START_TEST(a_forgotten_cgroup_is_asked_about_again)
{
	struct fixture f;
	struct nest n;

	if (!setup_nest(&f, &n, _i))
		return;
	pid_t pid = start_spinner(&f, n.inner);

	spell(&f);
	ck_assert_uint_eq(f.of_watched_seen, 1);
	profiler_forget_cgroups(f.profiler);
	spell(&f);
	ck_assert_uint_eq(f.of_watched_seen, 2);
	ck_assert_int_eq(profiler_set_cgroup(f.profiler, n.outer_key, CGROUP_KEEP), 0);
	spell(&f);
	ck_assert_uint_eq(f.of_watched_seen, 2);
	profiler_forget_cgroup(f.profiler, n.outer_key);
	spell(&f);
	ck_assert_uint_eq(f.of_watched_seen, 3);
	teardown_nest(&f, &n, pid);
}
END_TEST

START_TEST(a_container_of_either_hierarchy_is_found_when_both_are_pending)
{
	struct fixture f;
	struct nest v2, v1;

	if (!setup_nest(&f, &v2, false))
		return;
	if (!make_nest(&v1, true)) {
		printf("SKIP: no writable cgroup v1 hierarchy\n");
		remove_nest(&v2);
		teardown(&f);
		return;
	}
	f.also = v1.inner;
	pid_t pid = start_spinner(&f, v2.inner);

	spell(&f);
	ck_assert_uint_ge(f.of_watched, SOME);
	ck_assert_uint_eq(f.last.cgroup, v2.inner_key);
	ck_assert_uint_eq(f.last.cgroup_v1, v1.inner_key);
	ck_assert_int_eq(profiler_set_cgroup(f.profiler, v2.inner_key, CGROUP_HOST), 0);
	ck_assert_int_eq(profiler_set_cgroup(f.profiler, v1.outer_key, CGROUP_KEEP), 0);
	round_of(&f);
	spell(&f);
	ck_assert_uint_ge(f.of_watched, SOME);
	ck_assert_uint_eq(f.last.cgroup, v1.outer_key);
	stop_spinner(pid);
	remove_nest(&v1);
	remove_nest(&v2);
	teardown(&f);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("profiler_cgroups");
	TCase *tcase = tcase_create("profiler_cgroups");
	const TTest *const of_each_hierarchy[] = {
		a_new_cgroup_is_reported_once_with_its_ancestors_and_recorded_meanwhile,
		what_runs_below_a_kept_cgroup_is_recorded_under_its_key,
		a_new_verdict_reaches_cached_descendants,
		a_cgroup_without_container_is_filtered_until_one_appears_above_it,
		a_forgotten_cgroup_is_asked_about_again,
		a_task_that_moves_to_another_cgroup_is_of_that_one_from_the_next_tick_on,
	};

	tcase_set_timeout(tcase, UNIT_TIMEOUT_S);
	for (size_t i = 0; i < ARRAY_SIZE(of_each_hierarchy); i++)
		tcase_add_loop_test(tcase, of_each_hierarchy[i], 0, 2);
	tcase_add_test(tcase, a_container_of_either_hierarchy_is_found_when_both_are_pending);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
