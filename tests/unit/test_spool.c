// SPDX-License-Identifier: Apache-2.0
/* The spool as its users see it; what crashes leave of it is in test_spool_crash.c. */
#include "unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "export/spool.h"
#include "unit/temp_dir.h"

static struct temp_dir dir;
static struct loop *loop;
static struct spool *spool;
static struct spool_options options;
static struct write_count dropped[WRITE_DROP_COUNT];

static void on_dropped(void *ctx, enum write_drop why, const struct write_count *count)
{
	(void)ctx;
	write_count_add(&dropped[why], count);
}

static void start(void)
{
	struct error err = {0};

	ck_assert_msg(spool_open(loop, &options, &spool, &err) == 0, "%s", err.message);
	spool_listen(spool, &(struct spool_listener){.dropped = on_dropped});
}

static void restart(void)
{
	spool_unref(spool);
	start();
}

static void set_up(void)
{
	temp_dir_init(&dir);
	ck_assert_int_eq(loop_new(&loop), 0);
	options = (struct spool_options){
		.path = dir.path,
		.max_bytes = 1 << 20,
		.max_age_ns = 3600 * NSEC_PER_SEC,
		.sync_ns = NSEC_PER_SEC,
	};
	start();
}

static void tear_down(void)
{
	spool_unref(spool);
	loop_free(loop);
	temp_dir_release(&dir);
}

static int append_at(int number, int64_t time_ns, size_t len, struct spool_ticket **ret)
{
	char *text = xcalloc(1, len + 16);

	snprintf(text, len + 16, "profile %d", number);
	int r = spool_append(spool,
		&(struct spool_profile){
			.time_ns = time_ns,
			.value = (uint64_t)number,
			.request = text,
			.len = len + 16,
		},
		ret);
	free(text);
	return r;
}

static void append(int number)
{
	ck_assert_int_eq(append_at(number, clock_realtime_ns(), 0, NULL), 0);
}

/* The number of the next profile; -1: there is none. */
static struct spool_ticket *take(int *ret_number)
{
	struct strbuf request cleanup_strbuf = STRBUF_INIT;
	struct spool_profile profile;
	struct spool_ticket *ticket = spool_take(spool, &request, &profile);

	*ret_number = -1;
	if (!ticket)
		return NULL;
	ck_assert_int_eq(sscanf(request.buf, "profile %d", ret_number), 1);
	ck_assert_uint_eq(profile.value, (uint64_t)*ret_number);
	ck_assert_ptr_eq(profile.request, request.buf);
	return ticket;
}

static int settle_next(void)
{
	int number;
	struct spool_ticket *ticket = take(&number);

	if (ticket)
		spool_settle(spool, ticket);
	return number;
}

static struct write_stats stats(void)
{
	struct write_stats s = {0};

	spool_stats(spool, &s);
	return s;
}

static size_t files(void)
{
	char command[100];

	snprintf(command, sizeof(command), "ls %s | grep -c spool$", dir.path);
	FILE *f = popen(command, "r");
	size_t count = 0;

	ck_assert_int_eq(fscanf(f, "%zu", &count), 1);
	pclose(f);
	return count;
}

START_TEST(what_is_settled_is_gone_and_the_rest_comes_oldest_first)
{
	for (int i = 0; i < 5; i++)
		append(i);
	ck_assert_uint_eq(spool_count(spool).profiles, 5);
	ck_assert_uint_eq(spool_count(spool).value, 10);
	ck_assert_int_eq(settle_next(), 0);
	ck_assert_int_eq(settle_next(), 1);
	ck_assert_uint_eq(spool_count(spool).profiles, 3);
	ck_assert_uint_eq(spool_count(spool).value, 9);
	restart();
	ck_assert_uint_eq(spool_count(spool).profiles, 3);
	ck_assert_int_eq(settle_next(), 2);
	append(5);
	for (int i = 3; i <= 5; i++)
		ck_assert_int_eq(settle_next(), i);
	ck_assert_int_eq(settle_next(), -1);
	ck_assert_uint_eq(files(), 0);
	ck_assert_uint_eq(stats().spool_bytes, 0);
	ck_assert_uint_eq(stats().spool_damaged, 0);
	ck_assert_uint_eq(stats().spool_errors, 0);
}
END_TEST

START_TEST(what_is_put_back_waits_until_the_others_were_tried)
{
	int number;

	for (int i = 0; i < 3; i++)
		append(i);
	struct spool_ticket *zero = take(&number), *one;

	ck_assert(spool_put_back(spool, zero, 1));
	ck_assert_int_eq(settle_next(), 1);
	one = take(&number);
	ck_assert_int_eq(number, 2);
	ck_assert(spool_put_back(spool, one, 1));
	ck_assert_uint_eq(spool_count(spool).profiles, 2);
	ck_assert_int_eq(settle_next(), 0);
	append(3);
	spool_rewind(spool);
	ck_assert_int_eq(settle_next(), 2);
	ck_assert_int_eq(settle_next(), 3);
}
END_TEST

/* In a process that then dies. */
static void work_and_die(void)
{
	struct spool_ticket *ticket;

	start();
	append(0);
	append(1);
	if (append_at(2, clock_realtime_ns(), 0, &ticket) == 0 && settle_next() == 0)
		raise(SIGKILL);
	_exit(1);
}

START_TEST(what_is_taken_and_not_settled_is_there_after_a_crash)
{
	int status;

	spool_unref(steal_ptr(&spool));
	pid_t pid = fork();

	if (pid == 0)
		work_and_die();
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
	start();
	ck_assert_uint_eq(stats().spool_damaged, 0);
	ck_assert_int_eq(settle_next(), 1);
	ck_assert_int_eq(settle_next(), 2);
	ck_assert_int_eq(settle_next(), -1);
}
END_TEST

START_TEST(a_spool_has_one_owner)
{
	struct spool *second = NULL;
	struct error err = {0};

	ck_assert_int_eq(spool_open(loop, &options, &second, &err), -EWOULDBLOCK);
	ck_assert_ptr_nonnull(strstr(err.message, "another dockprof has the spool"));
	ck_assert_ptr_null(second);
	append(1);
	ck_assert_int_eq(settle_next(), 1);
}
END_TEST

START_TEST(the_disk_is_kept_to_the_quota_and_the_oldest_go)
{
	uint64_t appended = 0;

	for (int i = 1; i <= 2000; i++) {
		ck_assert_int_eq(append_at(i, clock_realtime_ns(), 2000, NULL), 0);
		appended += (uint64_t)i;
		ck_assert_uint_le(stats().spool_bytes, options.max_bytes);
		ck_assert_uint_eq(spool_count(spool).value + dropped[WRITE_DROP_SPOOL].value,
			appended);
	}
	ck_assert_uint_gt(stats().spool_bytes, options.max_bytes / 10 * 9);
	int first = settle_next();

	ck_assert_int_eq(first, 2000 - (int)spool_count(spool).profiles);
	ck_assert_uint_eq(dropped[WRITE_DROP_SPOOL].profiles, (uint64_t)first - 1);
	ck_assert_int_eq(append_at(1, 1, options.max_bytes, NULL), -EFBIG);
}
END_TEST

START_TEST(a_taken_one_may_be_finished_after_its_file_had_to_go)
{
	int number;

	append(1);
	append(2);
	struct spool_ticket *one = take(&number), *two = take(&number);

	for (int i = 3; i <= 2000; i++)
		ck_assert_int_eq(append_at(i, clock_realtime_ns(), 2000, NULL), 0);
	spool_settle(spool, one);
	ck_assert(!spool_put_back(spool, two, 1));
	ck_assert_uint_eq(spool_count(spool).profiles + dropped[WRITE_DROP_SPOOL].profiles, 1998);
}
END_TEST

START_TEST(what_is_too_old_goes_with_its_reason)
{
	int64_t now = clock_realtime_ns(), old = now - 2 * 3600 * NSEC_PER_SEC;

	for (int i = 1; i <= 100; i++)
		ck_assert_int_eq(append_at(i, old, 1000, NULL), 0);
	ck_assert_uint_ge(dropped[WRITE_DROP_AGE].profiles, 1);
	ck_assert_int_eq(append_at(1000, now, 0, NULL), 0);
	ck_assert_int_eq(append_at(1001, 0, 0, NULL), 0);
	ck_assert_int_eq(settle_next(), 1000);
	ck_assert_int_eq(settle_next(), 1001);
	ck_assert_int_eq(settle_next(), -1);
	ck_assert_uint_eq(dropped[WRITE_DROP_AGE].profiles, 100);
	ck_assert_uint_eq(dropped[WRITE_DROP_AGE].value, 5050);
}
END_TEST

START_TEST(what_is_ahead_of_the_clock_waits)
{
	int64_t now = clock_realtime_ns();

	ck_assert_int_eq(append_at(1, now + 3600 * NSEC_PER_SEC, 0, NULL), 0);
	append(2);
	ck_assert_int_eq(settle_next(), 2);
	ck_assert_int_eq(settle_next(), -1);
	ck_assert_uint_eq(spool_count(spool).profiles, 1);
}
END_TEST

/* Changes one byte of the only segment. */
static void damage(long at)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/%016x.spool", dir.path, 1);
	FILE *f = fopen(path, "r+");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fseek(f, at, SEEK_SET), 0);
	int c = fgetc(f);

	ck_assert_int_eq(fseek(f, at, SEEK_SET), 0);
	fputc(c ^ 0x10, f);
	fclose(f);
}

START_TEST(damaged_records_are_skipped_and_counted)
{
	/* 32 bytes of header, each record 32 + 16. */
	for (int i = 0; i < 10; i++)
		append(i);
	spool_unref(spool);
	damage(32 + 3 * 48 + 40); /* 3: in its payload */
	damage(32 + 6 * 48 + 12); /* 6 and 7: in their lengths */
	damage(32 + 7 * 48 + 13);
	start();
	ck_assert_uint_eq(stats().spool_damaged, 2);
	ck_assert_uint_eq(spool_count(spool).profiles, 7);
	/* And one that goes bad while the spool is open. */
	damage(32 + 9 * 48 + 40);
	for (int i = 0; i < 9; i++)
		if (i != 3 && i != 6 && i != 7)
			ck_assert_int_eq(settle_next(), i);
	ck_assert_int_eq(settle_next(), -1);
	ck_assert_uint_eq(dropped[WRITE_DROP_DAMAGED].profiles, 1);
	ck_assert_uint_eq(dropped[WRITE_DROP_DAMAGED].value, 9);
	ck_assert_uint_eq(stats().spool_damaged, 3);
	ck_assert_uint_eq(files(), 0);
}
END_TEST

START_TEST(a_file_that_is_none_of_ours_does_no_harm)
{
	temp_dir_write(&dir, "0000000000000002.spool", "nonsense", 8);
	temp_dir_write(&dir, "0000000000000003.spool", "", 0);
	temp_dir_write(&dir, "readme", "x", 1);
	ck_assert_int_eq(symlinkat("/etc/passwd", dir.fd, "0000000000000004.spool"), 0);
	ck_assert_int_eq(mkfifoat(dir.fd, "0000000000000005.spool", 0600), 0);
	restart();
	ck_assert_uint_eq(spool_count(spool).profiles, 0);
	ck_assert_uint_eq(stats().spool_damaged, 1);
	append(1);
	restart();
	ck_assert_int_eq(settle_next(), 1);
}
END_TEST

/* A write that ends early, as on a full disk. */
START_TEST(a_full_disk_is_an_error_and_nothing_is_spoilt)
{
	struct rlimit limit, small = {300, RLIM_INFINITY};

	signal(SIGXFSZ, SIG_IGN);
	append(0);
	append(1);
	getrlimit(RLIMIT_FSIZE, &limit);
	small.rlim_max = limit.rlim_max;
	/* No assertion in between: check writes to a file as well. */
	setrlimit(RLIMIT_FSIZE, &small);
	int first = append_at(2, clock_realtime_ns(), 1000, NULL);
	int second = append_at(3, clock_realtime_ns(), 1000, NULL);

	setrlimit(RLIMIT_FSIZE, &limit);
	ck_assert_int_eq(first, -EFBIG);
	ck_assert_int_eq(second, -EFBIG);
	ck_assert_uint_eq(stats().spool_errors, 2);
	ck_assert_uint_eq(spool_count(spool).profiles, 2);
	append(4);
	restart();
	ck_assert_uint_eq(stats().spool_damaged, 0);
	ck_assert_int_eq(settle_next(), 0);
	ck_assert_int_eq(settle_next(), 1);
	ck_assert_int_eq(settle_next(), 4);
	ck_assert_int_eq(settle_next(), -1);
}
END_TEST

START_TEST(only_faults_of_its_own_are_blamed)
{
	int number;

	append(0);
	struct spool_ticket *ticket = take(&number);

	ck_assert_uint_eq(spool_blame(ticket, 5), 1);
	for (int i = 0; i < 100; i++)
		ck_assert_uint_eq(spool_blame(ticket, 5), 1);
	ck_assert_uint_eq(spool_blame(ticket, 6), 2);
	ck_assert_uint_eq(spool_blame(ticket, 9), 3);
	spool_settle(spool, ticket);
}
END_TEST

UNIT_MAIN_FIXTURE("spool", set_up, tear_down,
	what_is_settled_is_gone_and_the_rest_comes_oldest_first,
	what_is_put_back_waits_until_the_others_were_tried,
	what_is_taken_and_not_settled_is_there_after_a_crash, a_spool_has_one_owner,
	the_disk_is_kept_to_the_quota_and_the_oldest_go,
	a_taken_one_may_be_finished_after_its_file_had_to_go, what_is_too_old_goes_with_its_reason,
	what_is_ahead_of_the_clock_waits, damaged_records_are_skipped_and_counted,
	a_file_that_is_none_of_ours_does_no_harm, a_full_disk_is_an_error_and_nothing_is_spoilt,
	only_faults_of_its_own_are_blamed)
