// SPDX-License-Identifier: Apache-2.0
#include "unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "file_sd.h"

static char directory[] = "/tmp/dockprof-test-file-sd-XXXXXX";
static char pattern[128];
static struct loop *loop;
static struct file_sd *sd;
static char told[4096]; /* "NAME=service,service NAME=..." in the order it was told */

static void on_file(void *ctx, const char *path, const struct labels *sets, size_t count)
{
	size_t len = strlen(told);

	(void)ctx;
	len += (size_t)snprintf(told + len, sizeof(told) - len, "%s=", strrchr(path, '/') + 1);
	for (size_t i = 0; i < count; i++)
		len += (size_t)snprintf(told + len, sizeof(told) - len, "%s,",
			labels_get(&sets[i], "service_name"));
	snprintf(told + len, sizeof(told) - len, " ");
}

static void on_trouble(void *ctx, const char *path, const struct error *err)
{
	size_t len = strlen(told);

	(void)ctx;
	ck_assert_int_lt(err->code, 0);
	ck_assert_str_ne(err->message, "");
	snprintf(told + len, sizeof(told) - len, "%s! ", strrchr(path, '/') + 1);
}

static const struct file_sd_ops ops = {.file = on_file, .trouble = on_trouble};

static void move(const char *from, const char *to)
{
	char before[256], after[256];

	snprintf(before, sizeof(before), "%s/%s", directory, from);
	snprintf(after, sizeof(after), "%s/%s", directory, to);
	ck_assert_int_eq(rename(before, after), 0);
}

static void put(const char *name, const char *text)
{
	char path[256], beside[300];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	snprintf(beside, sizeof(beside), "%s.tmp", path);
	FILE *f = fopen(beside, "w");

	fputs(text, f);
	fclose(f);
	ck_assert_int_eq(rename(beside, path), 0);
}

static void take_away(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	unlink(path);
}

static void expect(const char *what)
{
	int64_t deadline = clock_monotonic_ns() + 10 * NSEC_PER_SEC;

	while (strcmp(told, what) != 0 && clock_monotonic_ns() < deadline)
		ck_assert_int_eq(loop_turn(loop, 100 * NSEC_PER_MSEC), 0);
	ck_assert_str_eq(told, what);
	told[0] = '\0';
}

static void setup(void)
{
	static char *files[] = {pattern};
	static struct file_sd_options options = {
		.files = files,
		.file_count = 1,
		.refresh_interval_ns = 3600 * NSEC_PER_SEC,
	};
	struct error err = {0};

	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(pattern, sizeof(pattern), "%s/*.yml", directory);
	put("a.yml", "- {service_name: one, __process_pid__: \"1\"}\n- {service_name: two}\n");
	put("ignored.txt", "- {service_name: no}\n");
	ck_assert_int_eq(loop_new(&loop), 0);
	ck_assert_int_eq(file_sd_new(loop, &options, &ops, NULL, &sd, &err), 0);
}

static void teardown(void)
{
	file_sd_free(sd);
	loop_free(loop);
	take_away("a.yml");
	take_away("b.yml");
	take_away("ignored.txt");
	rmdir(directory);
}

START_TEST(files_are_told_at_once_and_again_when_they_change)
{
	expect("a.yml=one,two, ");
	put("a.yml", "- {service_name: three}\n");
	expect("a.yml=three, ");
	put("b.yml", "- targets: [\"x:1\"]\n  labels: {service_name: four}\n");
	expect("b.yml=four, ");
	take_away("a.yml");
	expect("a.yml= ");
}
END_TEST

START_TEST(a_file_with_mistakes_is_told_of_once_and_changes_nothing)
{
	expect("a.yml=one,two, ");
	put("a.yml", "- [not, labels\n");
	expect("a.yml! ");
	put("b.yml", "[]\n");
	expect("b.yml= ");
	put("a.yml", "- {service_name: mended}\n");
	expect("a.yml=mended, ");
}
END_TEST

/* Root reads everything, so these looks are somebody else's. */
static void become(uid_t uid)
{
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(uid), 0);
}

static void set_mode(const char *name, mode_t mode)
{
	char path[256];

	become(0);
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	ck_assert_int_eq(chmod(path, mode), 0);
	become(65534);
}

static void expect_nothing(void)
{
	int64_t end = clock_monotonic_ns() + 150 * NSEC_PER_MSEC;

	while (clock_monotonic_ns() < end)
		ck_assert_int_eq(loop_turn(loop, 10 * NSEC_PER_MSEC), 0);
	ck_assert_str_eq(told, "");
}

START_TEST(a_file_that_could_not_be_read_is_read_when_it_can_be)
{
	expect("a.yml=one,two, ");
	put("b.yml.x", "- {service_name: hidden}\n");
	set_mode("b.yml.x", 0);
	set_mode("", 0755);
	become(0);
	move("b.yml.x", "b.yml");
	become(65534);
	expect("b.yml! ");
	set_mode("ignored.txt", 0600); /* another look, and no further word of it */
	expect_nothing();
	set_mode("b.yml", 0644);
	expect("b.yml=hidden, ");
	set_mode("b.yml", 0600); /* what is known is not read again */
	expect_nothing();
	become(0);
}
END_TEST

START_TEST(a_directory_that_cannot_be_read_takes_nothing_away)
{
	struct rlimit limit, none;

	expect("a.yml=one,two, ");
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 3;
	set_mode("a.yml", 0600);
	become(0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	expect_nothing();
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	take_away("a.yml");
	expect("a.yml= ");
}
END_TEST

UNIT_MAIN_FIXTURE("file_sd", setup, teardown, files_are_told_at_once_and_again_when_they_change,
	a_file_with_mistakes_is_told_of_once_and_changes_nothing,
	a_file_that_could_not_be_read_is_read_when_it_can_be,
	a_directory_that_cannot_be_read_takes_nothing_away)
