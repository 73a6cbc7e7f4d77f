// SPDX-License-Identifier: Apache-2.0
/* Who syncs a spool, and that nobody waits for it: with the C library's fsync() and syscall() watched. */
#include "unit/unit.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "export/spool.h"
#include "loop/disk_sync.h"
#include "unit/temp_dir.h"

static struct temp_dir dir;
static struct loop *loop;
static struct spool *spool;
static unsigned waited_for, syncing_count, synced_count, directories, done_count, failed_count;
static bool without; /* the kernel has no asynchronous I/O */

int fsync(int fd)
{
	(void)fd;
	waited_for++;
	return 0;
}

int fdatasync(int fd)
{
	return fsync(fd);
}

long syscall(long number, ...)
{
	long (*next)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	long a[6];
	va_list list;

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	if (without && number == SYS_io_setup) {
		errno = ENOSYS;
		return -1;
	}
	return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static void syncing(void *ctx, uint64_t segment)
{
	(void)ctx;
	(void)segment;
	syncing_count++;
}

static void synced(void *ctx, uint64_t segment)
{
	(void)ctx;
	synced_count++;
	directories += !segment;
}

static void setup(void)
{
	static const struct spool_watcher watcher = {.syncing = syncing, .synced = synced};
	struct error err = {0};

	temp_dir_init(&dir);
	waited_for = syncing_count = synced_count = directories = done_count = failed_count = 0;
	ck_assert_int_eq(loop_new(&loop), 0);
	ck_assert_int_eq(spool_open(loop,
				 &(struct spool_options){.path = dir.path,
					 .max_bytes = 1 << 20,
					 .sync_ns = NSEC_PER_MSEC,
					 .watcher = &watcher},
				 &spool, &err),
		0);
}

static void teardown(void)
{
	spool_unref(spool);
	loop_free(loop);
	temp_dir_release(&dir);
}

static void append(void)
{
	struct spool_profile profile = {.value = 1, .request = "x", .len = 1};

	ck_assert_int_eq(spool_append(spool, &profile, NULL), 0);
}

static void turn_until(const unsigned *counter, unsigned at_least)
{
	int64_t end = clock_monotonic_ns() + 20 * NSEC_PER_SEC;

	while (*counter < at_least && clock_monotonic_ns() < end)
		ck_assert_int_eq(loop_turn(loop, 10 * NSEC_PER_MSEC), 0);
	ck_assert_uint_ge(*counter, at_least);
}

START_TEST(the_loop_does_not_wait_for_the_disk)
{
	append();
	turn_until(&synced_count, 2);
	ck_assert_uint_eq(directories, 1);
	ck_assert_uint_eq(waited_for, 0);
	/* Nothing is left to be done. */
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(loop_turn(loop, 2 * NSEC_PER_MSEC), 0);
	ck_assert_uint_eq(syncing_count, 2);
}
END_TEST

START_TEST(what_is_written_meanwhile_is_synced_next)
{
	append();
	turn_until(&syncing_count, 2);
	append();
	turn_until(&synced_count, 3);
	ck_assert_uint_eq(syncing_count, 3);
	ck_assert_uint_eq(directories, 1);
	ck_assert_uint_eq(waited_for, 0);
}
END_TEST

START_TEST(an_end_waits_for_what_was_begun)
{
	append();
	turn_until(&syncing_count, 2);
	append();
	spool_unref(spool_ref(spool));
	ck_assert_uint_eq(waited_for, 0);
	spool_unref(spool);
	ck_assert_uint_eq(waited_for, 2);
	spool = NULL;
}
END_TEST

START_TEST(a_kernel_that_cannot_is_waited_for)
{
	without = true;
	append();
	turn_until(&synced_count, 2);
	ck_assert_uint_eq(waited_for, 2);
	without = false;
}
END_TEST

static void on_done(struct disk_sync *d, unsigned failed)
{
	(void)d;
	done_count++;
	failed_count += failed;
}

START_TEST(no_more_than_some_at_once)
{
	struct disk_sync d;
	int pipes[2], fd = open(dir.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
	disk_sync_init(&d, loop, on_done);
	disk_sync_release(&d);
	ck_assert_int_eq(disk_sync_begin(&d, pipes[0], true), -EINVAL);
	for (int i = 0; i < DISK_SYNC_MAX; i++)
		ck_assert_int_eq(disk_sync_begin(&d, fd, i % 2), 0);
	ck_assert_int_eq(disk_sync_begin(&d, fd, false), -EAGAIN);
	turn_until(&done_count, 1);
	ck_assert_int_eq(disk_sync_begin(&d, fd, false), 0);
	disk_sync_release(&d);
	ck_assert_uint_eq(done_count, 1);
	ck_assert_uint_eq(failed_count, 0);
	close(fd);
	close(pipes[0]);
	close(pipes[1]);
}
END_TEST

UNIT_MAIN_FIXTURE("spool_background", setup, teardown, the_loop_does_not_wait_for_the_disk,
	what_is_written_meanwhile_is_synced_next, an_end_waits_for_what_was_begun,
	a_kernel_that_cannot_is_waited_for, no_more_than_some_at_once)
