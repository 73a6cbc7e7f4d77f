// SPDX-License-Identifier: Apache-2.0
#include "unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "export/directory.h"

#define START INT64_C(1767323045678000000) /* 2026-01-02T03:04:05.678Z */

static char top[] = "/tmp/dockprof-test-XX"
		    "XX"
		    "XX";
static char path[sizeof(top) + 16];
static struct labels labels;
static struct strbuf events;

static void on_event(void *ctx, enum writer_event event, const char *endpoint,
	const struct error *err)
{
	(void)ctx;
	ck_assert_str_eq(endpoint, path);
	strbuf_addf(&events, "%d %s\n", (int)event, err ? err->message : "");
}

static const struct writer_ops ops = {.event = on_event};

static void set_up(void)
{
	ck_assert_ptr_nonnull(mkdtemp(top));
	snprintf(path, sizeof(path), "%s/a/b", top);
	strbuf_init(&events);
	labels_set(&labels, "service_name", "web");
	labels_set(&labels, "__container_id__", "0123456789abcdef0123");
}

static void tear_down(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", top);
	ck_assert_int_eq(system(command), 0);
	labels_release(&labels);
	strbuf_release(&events);
}

static int64_t max_age_ns;

static struct directory *open_directory(uint64_t max_bytes)
{
	struct directory *d = NULL;
	struct error err = {0};

	ck_assert_msg(directory_new(&(struct directory_options){path, max_bytes, max_age_ns}, &ops,
			      NULL, &d, &err) == 0,
		"%s", err.message);
	directory_start(d);
	return d;
}

/* All names, sorted, one a line. */
static void list(struct strbuf *out)
{
	struct dirent **entries;
	int n = scandir(path, &entries, NULL, alphasort);

	ck_assert_int_ge(n, 0);
	for (int i = 0; i < n; i++) {
		if (strcmp(entries[i]->d_name, ".") != 0 && strcmp(entries[i]->d_name, "..") != 0)
			strbuf_addf(out, "%s\n", entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
}

static void assert_names(const char *expected)
{
	struct strbuf names = STRBUF_INIT;

	list(&names);
	ck_assert_str_eq(names.buf, expected);
	strbuf_release(&names);
}

static size_t count_names(void)
{
	struct strbuf names = STRBUF_INIT;
	size_t n = 0;

	list(&names);
	for (size_t i = 0; i < names.len; i++)
		n += names.buf[i] == '\n';
	strbuf_release(&names);
	return n;
}

static void in_directory(char *out, size_t size, const char *name)
{
	ck_assert_int_lt(snprintf(out, size, "%s/%s", path, name), (int)size);
}

static void add(struct directory *d, const struct labels *of, const void *data, size_t len,
	int64_t time_ns)
{
	directory_add(d, of,
		&(struct encoded_profile){.data = data, .len = len, .time_ns = time_ns});
}

START_TEST(a_profile_becomes_a_file_named_after_time_service_and_container)
{
	struct directory *d = open_directory(1 << 20);
	struct strbuf contents = STRBUF_INIT;
	char file[128];

	add(d, &labels, "pprof", 5, START);
	assert_names("20260102T030405.678Z_web_0123456789ab.pb.gz\n");
	in_directory(file, sizeof(file), "20260102T030405.678Z_web_0123456789ab.pb.gz");
	ck_assert_int_eq(file_read_at(AT_FDCWD, file, 100, &contents), 0);
	ck_assert_str_eq(contents.buf, "pprof");
	ck_assert_uint_eq(directory_stats(d)->sent.profiles, 1);
	ck_assert_uint_eq(directory_stats(d)->sent.bytes, 5);
	strbuf_release(&contents);
	directory_free(d);
}
END_TEST

START_TEST(files_that_are_too_old_go)
{
	int64_t now = clock_realtime_ns();

	struct directory *d = open_directory(1 << 20);

	add(d, &labels, "x", 1, now - 7200 * NSEC_PER_SEC);
	add(d, &labels, "x", 1, now);
	directory_free(d);
	max_age_ns = 3600 * NSEC_PER_SEC;
	d = open_directory(1 << 20);
	ck_assert_uint_eq(count_names(), 1);
	directory_free(d);
	/* And while it runs. */
	max_age_ns = NSEC_PER_SEC;
	d = open_directory(1 << 20);
	add(d, &labels, "x", 1, clock_realtime_ns());
	ck_assert_uint_ge(count_names(), 1);
	usleep(1200000);
	add(d, &labels, "x", 1, clock_realtime_ns());
	ck_assert_uint_eq(count_names(), 1);
	directory_free(d);
}
END_TEST

START_TEST(names_are_harmless)
{
	struct directory *d = open_directory(1 << 20);

	labels_set(&labels, "__container_id__", "");
	labels_set(&labels, "service_name", "/../../etc/pass wd\n\xff\xc3\xa4");
	add(d, &labels, "x", 1, START);
	labels_set(&labels, "service_name", "..");
	add(d, &labels, "x", 1, START);
	assert_names("20260102T030405.678Z_etc_pass_wd____.pb.gz\n"
		     "20260102T030405.678Z_unspecified.pb.gz\n");
	directory_free(d);
}
END_TEST

START_TEST(profiles_of_one_moment_do_not_overwrite_each_other)
{
	struct directory *d = open_directory(1 << 20);

	for (int i = 0; i < 3; i++)
		add(d, &labels, "x", 1, START);
	assert_names("20260102T030405.678Z_web_0123456789ab.pb.gz\n"
		     "20260102T030405.678Z_web_0123456789ab_2.pb.gz\n"
		     "20260102T030405.678Z_web_0123456789ab_3.pb.gz\n");
	directory_free(d);
}
END_TEST

START_TEST(the_oldest_go_first_and_strangers_stay)
{
	struct directory *d = open_directory(10 * 4096);
	char stranger[128];

	in_directory(stranger, sizeof(stranger), "notes.txt");
	ck_assert_int_eq(file_replace(stranger, "n", 1), 0);
	for (int i = 0; i < 25; i++)
		add(d, &labels, "x", 1, START + i * NSEC_PER_SEC);
	struct strbuf names = STRBUF_INIT;

	list(&names);
	ck_assert_ptr_nonnull(strstr(names.buf, "notes.txt"));
	ck_assert_ptr_nonnull(strstr(names.buf, "20260102T030429.678Z"));
	ck_assert_ptr_null(strstr(names.buf, "20260102T030414.678Z"));
	ck_assert_uint_le(count_names(), 11);
	ck_assert_uint_ge(count_names(), 10);
	ck_assert_uint_eq(directory_stats(d)->sent.profiles, 25);
	strbuf_release(&names);
	directory_free(d);
}
END_TEST

START_TEST(files_of_an_earlier_run_count)
{
	struct directory *d = open_directory(100 * 4096);
	struct error err = {0};

	for (int i = 0; i < 50; i++)
		add(d, &labels, "x", 1, START + i * NSEC_PER_SEC);
	directory_free(d);
	ck_assert_int_eq(directory_new(&(struct directory_options){path, 4096, 1}, &ops, NULL, &d,
				 &err),
		0);
	directory_free(d);
	ck_assert_uint_eq(count_names(), 50);
	d = open_directory(10 * 4096);
	ck_assert_uint_le(count_names(), 9);
	add(d, &labels, "x", 1, START + 60 * NSEC_PER_SEC);
	ck_assert_uint_le(count_names(), 10);
	directory_free(d);
}
END_TEST

START_TEST(links_are_not_followed)
{
	struct directory *d = open_directory(1 << 20);
	struct strbuf victim = STRBUF_INIT;
	char outside[64], link[128];

	snprintf(outside, sizeof(outside), "%s/outside", top);
	ck_assert_int_eq(file_replace(outside, "keep", 4), 0);
	in_directory(link, sizeof(link), ".dockprof.tmp");
	ck_assert_int_eq(symlink(outside, link), 0);
	in_directory(link, sizeof(link), "20260102T030405.678Z_web_0123456789ab.pb.gz");
	ck_assert_int_eq(symlink(outside, link), 0);
	add(d, &labels, "evil", 4, START);
	add(d, &labels, "evil", 4, START + NSEC_PER_SEC);
	ck_assert_int_eq(file_read_at(AT_FDCWD, outside, 100, &victim), 0);
	ck_assert_str_eq(victim.buf, "keep");
	ck_assert_uint_eq(directory_stats(d)->sent.profiles, 2);
	strbuf_release(&victim);
	directory_free(d);
}
END_TEST

START_TEST(a_write_that_fails_is_counted_told_once_and_leaves_nothing)
{
	struct directory *d = open_directory(1 << 20);
	struct rlimit limit = {.rlim_cur = 100, .rlim_max = RLIM_INFINITY};
	char profile[1000] = "";

	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	add(d, &labels, profile, sizeof(profile), START);
	add(d, &labels, profile, sizeof(profile), START + NSEC_PER_SEC);
	limit.rlim_cur = RLIM_INFINITY;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_names("");
	ck_assert_uint_eq(directory_stats(d)->dropped[WRITE_DROP_REJECTED].profiles, 2);
	ck_assert(!directory_stats(d)->reachable);
	ck_assert_str_eq(events.buf, "3 a profile could not be written: File too large\n");
	add(d, &labels, profile, sizeof(profile), START);
	ck_assert_uint_eq(directory_stats(d)->sent.profiles, 1);
	ck_assert(directory_stats(d)->reachable);
	directory_free(d);
}
END_TEST

START_TEST(a_path_that_is_no_directory_is_an_error)
{
	struct directory *d = NULL;
	struct error err = {0};

	ck_assert_int_eq(directory_new(&(struct directory_options){"/dev/null/x", 1 << 20, 0}, &ops,
				 NULL, &d, &err),
		-ENOTDIR);
	ck_assert_str_eq(err.message, "cannot keep profiles in /dev/null/x: Not a directory");
}
END_TEST

static void assert_service(const char *name, const char *expected)
{
	struct strbuf out = STRBUF_INIT;

	directory_service_of(name, &out);
	ck_assert_str_eq(out.buf, expected);
	strbuf_release(&out);
}

#define STAMP "20260102T030405.678Z_"

START_TEST(a_name_tells_its_service)
{
	assert_service(STAMP "web_0123456789ab.pb.gz", "web");
	assert_service(STAMP "user_service_0123456789ab.pb.gz", "user_service");
	assert_service(STAMP "user_service_0123456789ab_2.pb.gz", "user_service");
	assert_service(STAMP "user_2_0123456789ab_100.pb.gz", "user_2");
	assert_service(STAMP "api.v2_0123456789ab.pb.gz", "api.v2");
	assert_service(STAMP "api.v2.pb.gz", "api.v2");
	assert_service(STAMP "user_service_3.pb.gz", "user_service");
	assert_service(STAMP "user_service_2024.pb.gz", "user_service_2024");
	assert_service(STAMP "user_1.pb.gz", "user_1");
	assert_service(STAMP "web_0123456789aB.pb.gz", "web_0123456789aB");
	assert_service(STAMP "0123456789ab.pb.gz", "0123456789ab");
	assert_service(STAMP ".pb.gz", "");
	assert_service("cpu.pb.gz", "");
	assert_service("", "");
}
END_TEST

START_TEST(what_is_written_is_told_again)
{
	struct directory *d = open_directory(1 << 20);
	struct strbuf names = STRBUF_INIT;

	labels_set(&labels, "service_name", "user_service.v2");
	for (int i = 0; i < 3; i++)
		add(d, &labels, "pprof", 5, START);
	list(&names);
	for (char *save, *name = strtok_r(names.buf, "\n", &save); name;
		name = strtok_r(NULL, "\n", &save))
		assert_service(name, "user_service.v2");
	ck_assert_uint_eq(count_names(), 3);
	strbuf_release(&names);
	directory_free(d);
}
END_TEST

UNIT_MAIN_FIXTURE("directory", set_up, tear_down,
	a_profile_becomes_a_file_named_after_time_service_and_container, names_are_harmless,
	files_that_are_too_old_go, profiles_of_one_moment_do_not_overwrite_each_other,
	the_oldest_go_first_and_strangers_stay, files_of_an_earlier_run_count,
	links_are_not_followed, a_write_that_fails_is_counted_told_once_and_leaves_nothing,
	a_path_that_is_no_directory_is_an_error, a_name_tells_its_service,
	what_is_written_is_told_again)
