// SPDX-License-Identifier: Apache-2.0
/* The sampler on the running kernel: accounting, call chains, processes, overload, CPUs. */
#include <sched.h>

#include "sampling.h"

/* Above all the verifier's work: it grows beyond all bounds where loops are written carelessly. */
START_TEST(loading_takes_a_fraction_of_a_second)
{
	struct fixture f;
	int64_t before = clock_ns(CLOCK_PROCESS_CPUTIME_ID);

	if (!setup(&f))
		return;
	if (!in_test_machine())
		ck_assert_int_lt(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - before, NSEC_PER_SEC / 4);
	teardown(&f);
}
END_TEST

START_TEST(a_process_is_sampled_as_often_as_it_runs_with_its_whole_call_chain)
{
	struct fixture f;

	if (!setup(&f))
		return;
	pid_t pid = start_spinner(&f, NULL);

	ck_assert_int_eq(profiler_set_pid(f.profiler, f.watched, true), 0);
	turn_for(&f, 2 * NSEC_PER_SEC);
	double expected = stop_spinner(pid) * RATE;

	round_of(&f);
	if (!in_test_machine())
		ck_assert_double_ge((double)f.of_watched, expected * 0.9 - 10);
	ck_assert_double_le((double)f.of_watched, expected * 1.1 + 10);
	/* An emulated machine may be slow to come for the first stacks, which are only their innermost frame then. */
	ck_assert_uint_ge(f.with_chain * 100, f.of_watched * (in_test_machine() ? 85 : 97));
	ck_assert_uint_ge(f.processes_seen, 1);
	ck_assert_uint_eq(f.process.pid, (uint32_t)pid);
	ck_assert_uint_eq(lost_of(&f), 0);
	teardown(&f);
}
END_TEST

START_TEST(every_tick_of_every_interval_is_accounted_for)
{
	struct fixture f;
	uint64_t ticks = 0;

	if (!setup(&f))
		return;
	int64_t start = clock_monotonic_ns();
	pid_t pid = start_spinner(&f, NULL);

	ck_assert_int_eq(profiler_set_pid(f.profiler, f.watched, true), 0);
	for (int i = 0; i < 20; i++) {
		turn_for(&f, i % 4 * 40 * NSEC_PER_MSEC);
		round_of(&f); /* asserts that the sums agree */
		ck_assert_uint_eq(lost_of(&f), 0);
		ticks += f.tally.ticks;
	}
	double seconds = (double)(clock_monotonic_ns() - start) / 1e9;

	stop_spinner(pid);
	/* One CPU is busy at least; idle ones do not tick. */
	if (!in_test_machine())
		ck_assert_double_ge((double)ticks, seconds * RATE * 0.9 - 10);
	ck_assert_double_le((double)ticks,
		seconds * RATE * (double)sysconf(_SC_NPROCESSORS_ONLN) * 1.1 + 10);
	teardown(&f);
}
END_TEST

/* What all CPUs have done since the start, in seconds; the first line of /proc/stat: user nice system idle iowait ... */
static double busy_s(void)
{
	unsigned long long time[8];
	FILE *f = fopen("/proc/stat", "r");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &time[0],
				 &time[1], &time[2], &time[3], &time[4], &time[5], &time[6],
				 &time[7]),
		8);
	fclose(f);
	return (double)(time[0] + time[1] + time[2] + time[5] + time[6] + time[7]) /
		(double)sysconf(_SC_CLK_TCK);
}

START_TEST(a_cpu_that_is_idle_does_not_tick)
{
	struct fixture f;
	uint64_t ticks = 0;

	if (!setup(&f))
		return;
	double before = busy_s();

	for (int i = 0; i < 5; i++) {
		turn_for(&f, 200 * NSEC_PER_MSEC);
		round_of(&f);
		ticks += f.tally.ticks;
	}
	ck_assert_double_le((double)ticks, (busy_s() - before) * RATE * 1.2 + RATE / 5.0);
	teardown(&f);
}
END_TEST

START_TEST(an_exec_makes_another_process_of_the_same_pid)
{
	struct fixture f;

	if (!setup(&f))
		return;
	pid_t pid = fork();

	if (pid == 0) {
		execl("/bin/sh", "sh", "-c",
			"i=0; while [ $i -lt 150000 ]; do i=$((i+1)); done; "
			"exec sh -c 'while :; do :; done'",
			NULL);
		_exit(127);
	}
	f.watched = (uint32_t)pid;
	ck_assert_int_eq(profiler_set_pid(f.profiler, f.watched, true), 0);
	int64_t give_up = clock_monotonic_ns() + (in_test_machine() ? 200 : 20) * NSEC_PER_SEC;

	while (!f.process.pid && clock_monotonic_ns() < give_up)
		turn_for(&f, 5 * NSEC_PER_MSEC);
	struct process_id first = f.process;

	while (process_id_equal(&first, &f.process) && clock_monotonic_ns() < give_up)
		turn_for(&f, 5 * NSEC_PER_MSEC);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ck_assert_uint_eq(first.pid, (uint32_t)pid);
	ck_assert_uint_eq(f.process.pid, first.pid);
	ck_assert_uint_eq(f.process.start_ns, first.start_ns);
	ck_assert_uint_ne(f.process.exec_id, first.exec_id);
	teardown(&f);
}
END_TEST

START_TEST(a_process_start_is_the_one_that_proc_tells)
{
	struct fixture f;
	char text[1024];

	if (!setup(&f))
		return;
	pid_t pid = start_spinner(&f, NULL);
	char *path cleanup_free = xasprintf("/proc/%d/stat", (int)pid);

	ck_assert_int_eq(profiler_set_pid(f.profiler, f.watched, true), 0);
	spell(&f);
	FILE *stat cleanup_fclose = fopen(path, "r");

	ck_assert_ptr_nonnull(stat);
	ck_assert_ptr_nonnull(fgets(text, sizeof(text), stat));
	unsigned long long start;

	/* Field 22; the name in parentheses is field 2. */
	ck_assert_int_eq(sscanf(strrchr(text, ')'),
				 ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u"
				 " %*u %*d %*d %*d %*d %*d %*d %llu",
				 &start),
		1);
	ck_assert_uint_eq(f.process.start_ns / (1000000000 / (uint64_t)sysconf(_SC_CLK_TCK)),
		start);
	stop_spinner(pid);
	teardown(&f);
}
END_TEST

START_TEST(the_agent_itself_is_never_recorded)
{
	struct fixture f;
	int64_t end;

	if (!setup(&f))
		return;
	f.watched = (uint32_t)getpid();
	ck_assert_int_eq(profiler_set_pid(f.profiler, f.watched, true), 0);
	end = clock_monotonic_ns() + SPELL;
	while (clock_monotonic_ns() < end)
		;
	round_of(&f);
	ck_assert_uint_eq(f.of_watched, 0);
	ck_assert_uint_ge(f.tally.filtered, SOME);
	teardown(&f);
}
END_TEST

START_TEST(a_process_is_recorded_by_pid_only_as_long_as_asked)
{
	struct fixture f;

	if (!setup(&f))
		return;
	pid_t pid = start_spinner(&f, NULL);

	ck_assert_int_eq(profiler_set_pid(f.profiler, f.watched, true), 0);
	ck_assert_int_eq(profiler_set_pid(f.profiler, f.watched, true), 0);
	spell(&f);
	ck_assert_uint_ge(f.of_watched, SOME);
	ck_assert(f.last.by_pid);
	ck_assert_uint_eq(f.last.tid, (uint32_t)pid);
	ck_assert_int_eq(profiler_set_pid(f.profiler, f.watched, false), 0);
	ck_assert_int_eq(profiler_set_pid(f.profiler, f.watched, false), 0);
	round_of(&f);
	spell(&f);
	ck_assert_uint_eq(f.by_pid, 0);
	stop_spinner(pid);
	teardown(&f);
}
END_TEST

/* Two functions that call one another along the bits of `path`: 2^64 different stacks. */
static __attribute__((noinline)) void left(uint64_t path, int depth);

static __attribute__((noinline)) void right(uint64_t path, int depth)
{
	KEEP_FRAME();
	if (depth > 0)
		(path & 1 ? left : right)(path >> 1 | path << 63, depth - 1);
	shared->laps++;
}

static void left(uint64_t path, int depth)
{
	KEEP_FRAME();
	if (depth > 0)
		(path & 1 ? left : right)(path >> 1 | path << 63, depth - 1);
	shared->laps += 2;
}

static pid_t start_wanderer(struct fixture *f)
{
	shared->stop = 0;
	pid_t pid = fork();

	if (pid == 0) {
		uint64_t path = 1;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (!shared->stop) {
			path = path * UINT64_C(6364136223846793005) + 1442695040888963407;
			left(path ^ path >> 32, 110);
		}
		_exit(0);
	}
	f->watched = (uint32_t)pid;
	ck_assert_int_eq(profiler_set_pid(f->profiler, f->watched, true), 0);
	return pid;
}

START_TEST(more_stacks_than_the_kernel_counts_are_sent_one_by_one)
{
	struct profiler_options options = defaults();
	struct fixture f;

	options.max_stacks = 2;
	if (!setup_with(&f, &options))
		return;
	pid_t pid = start_wanderer(&f);

	spell(&f);
	ck_assert_uint_eq(lost_of(&f), 0);
	ck_assert_uint_gt(f.of_watched, options.max_stacks);
	stop_spinner(pid);
	teardown(&f);
}
END_TEST

/* It holds some 35 of the stacks. 0: to be skipped. */
static pid_t start_wanderer_with_a_small_log(struct fixture *f)
{
	struct profiler_options options = defaults();

	options.log_bytes = 32 << 10;
	return setup_with(f, &options) ? start_wanderer(f) : 0;
}

/* An interval has ten times as many as it holds. */
START_TEST(a_log_that_fills_is_read_before_the_interval_ends)
{
	struct fixture f;
	pid_t pid = start_wanderer_with_a_small_log(&f);

	if (!pid)
		return;

	for (int i = 0; i < 10; i++) {
		round_of(&f);
		turn_for(&f, NSEC_PER_SEC);
		round_of(&f);
		if (lost_of(&f) == 0 && f.of_watched > 200)
			break; /* it may be that nothing runs for as long as it takes to fill */
	}
	ck_assert_uint_eq(lost_of(&f), 0);
	ck_assert_uint_gt(f.of_watched, 200);
	stop_spinner(pid);
	teardown(&f);
}
END_TEST

START_TEST(a_full_log_loses_records_but_no_tick_from_the_sums)
{
	struct fixture f;
	pid_t pid = start_wanderer_with_a_small_log(&f);

	if (!pid)
		return;

	/* Nobody turns the loop. */
	for (unsigned ms = 500; lost_of(&f) == 0 && ms <= 16000; ms *= 2) {
		usleep(ms * 1000);
		round_of(&f);
	}
	ck_assert_uint_gt(f.tally.lost[LOSS_RING_FULL], 0);
	ck_assert_uint_eq(f.tally.lost[LOSS_NO_TASK], 0);
	round_of(&f); /* it began while the log was still full */
	spell(&f);
	ck_assert_uint_eq(lost_of(&f), 0);
	ck_assert_uint_ge(f.of_watched, SOME);
	stop_spinner(pid);
	teardown(&f);
}
END_TEST

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	ck_assert_int_eq(fclose(f), 0);
}

static uint64_t ticks_in(struct fixture *f, int64_t ns)
{
	turn_for(f, ns);
	round_of(f);
	return f->tally.ticks;
}

/* A child that keeps one CPU busy: idle ones do not tick. */
static pid_t burn(size_t cpu)
{
	pid_t pid = fork();

	if (pid == 0) {
		cpu_set_t set;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		if (sched_setaffinity(0, sizeof(set), &set) < 0)
			_exit(1);
		for (;;)
			shared->laps++;
	}
	return pid;
}

static void put_out(pid_t pid)
{
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

START_TEST(cpus_are_followed_as_they_come_and_go)
{
	struct profiler_options options = defaults();
	char dir[] = "/tmp/dockprof-test-XXXXXX";
	struct fixture f;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		printf("SKIP: one CPU only\n");
		return;
	}
	ck_assert_ptr_nonnull(mkdtemp(dir));
	char *online cleanup_free = xasprintf("%s/devices/system/cpu/online", dir);
	char *make cleanup_free =
		xasprintf("mkdir -p %s/devices/system/cpu && ln -s /sys/kernel %s", dir, dir);
	char *remove cleanup_free = xasprintf("rm -r %s", dir);

	ck_assert_int_eq(system(make), 0);
	write_file(online, "0\n");
	options.sys = dir;
	if (setup_with(&f, &options)) {
		pid_t burner[] = {burn(0), burn(1)};
		uint64_t one = ticks_in(&f, NSEC_PER_SEC / 2);

		write_file(online, "0-1\n");
		round_of(&f);
		uint64_t two = ticks_in(&f, NSEC_PER_SEC / 2);

		write_file(online, "1\n");
		round_of(&f);
		uint64_t other = ticks_in(&f, NSEC_PER_SEC / 2);

		/* An emulated CPU loses ticks where the emulator is kept waiting. */
		ck_assert_uint_ge(two, one + one / (in_test_machine() ? 4 : 2));
		ck_assert_uint_le(other, two - two / 4);
		ck_assert_uint_gt(other, SOME);
		put_out(burner[0]);
		put_out(burner[1]);
		teardown(&f);
	}
	ck_assert_int_eq(system(remove), 0);
}
END_TEST

#define CPU1_ONLINE "/sys/devices/system/cpu/cpu1/online"

START_TEST(a_cpu_that_went_and_came_back_between_rounds_ticks_again)
{
	struct fixture f;

	if (!in_test_machine() || access(CPU1_ONLINE, W_OK) < 0) {
		printf("SKIP: taking a CPU offline is for machines of our own\n");
		return;
	}
	if (!setup(&f))
		return;
	pid_t burner[] = {burn(0), burn(1)};
	uint64_t before = ticks_in(&f, NSEC_PER_SEC);

	put_out(burner[1]);
	write_file(CPU1_ONLINE, "0\n");
	write_file(CPU1_ONLINE, "1\n");
	burner[1] = burn(1);
	round_of(&f);
	ticks_in(&f, NSEC_PER_SEC); /* in which it is found silent */
	uint64_t after = 0;

	for (int i = 0; i < 10 && after < before - before / 4; i++)
		after = ticks_in(&f, NSEC_PER_SEC);
	ck_assert_uint_ge(after, before - before / 4);
	put_out(burner[0]);
	put_out(burner[1]);
	teardown(&f);
}
END_TEST

UNIT_MAIN("profiler", loading_takes_a_fraction_of_a_second,
	a_process_is_sampled_as_often_as_it_runs_with_its_whole_call_chain,
	every_tick_of_every_interval_is_accounted_for, a_cpu_that_is_idle_does_not_tick,
	an_exec_makes_another_process_of_the_same_pid, a_process_start_is_the_one_that_proc_tells,
	the_agent_itself_is_never_recorded, a_process_is_recorded_by_pid_only_as_long_as_asked,
	more_stacks_than_the_kernel_counts_are_sent_one_by_one,
	a_log_that_fills_is_read_before_the_interval_ends,
	a_full_log_loses_records_but_no_tick_from_the_sums, cpus_are_followed_as_they_come_and_go,
	a_cpu_that_went_and_came_back_between_rounds_ticks_again)
