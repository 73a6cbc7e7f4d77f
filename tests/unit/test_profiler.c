// SPDX-License-Identifier: Apache-2.0
/*
 * The sampler on the running kernel. Children with known call chains spin in cgroups of their own;
 * what the profiler says about them is compared with what they did. Where BPF is not permitted, each
 * test says so and passes.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/strbuf.h"
#include "profiler/profiler.h"
#include "unit.h"

#define RATE 97

/* What a spinning child tells its parent, in shared memory. */
struct chain_addresses {
	uint64_t into_middle, into_outer, into_main; /* return addresses, leaf first */
	volatile uint64_t laps;
	volatile int stop;
};

static struct chain_addresses *shared;

/* A frame pointer in every build: reading it makes the compiler keep it. */
#define KEEP_FRAME() ((void)*(void *volatile *)__builtin_frame_address(0))

static __attribute__((noinline)) void spin(void)
{
	KEEP_FRAME();
	shared->into_middle = (uint64_t)(uintptr_t)__builtin_return_address(0);
	while (!shared->stop)
		shared->laps++;
	__asm__ volatile("");
}

static __attribute__((noinline)) void middle(void)
{
	KEEP_FRAME();
	shared->into_outer = (uint64_t)(uintptr_t)__builtin_return_address(0);
	spin();
	__asm__ volatile("");
}

static __attribute__((noinline)) void outer(void)
{
	KEEP_FRAME();
	shared->into_main = (uint64_t)(uintptr_t)__builtin_return_address(0);
	middle();
	__asm__ volatile("");
}

struct fixture {
	struct loop *loop;
	struct profiler *profiler;
	size_t cgroups_seen, processes_seen;
	struct process_id process; /* the last one seen with the watched pid */
	uint32_t watched;
	struct cgroup_chain v2, v1; /* of the watched process' last cgroup_seen */
	/* of the last round */
	struct profiler_tally tally;
	uint64_t handed, of_watched, with_chain, in_kept, pending, user_only;
	cgroup_key kept;
};

static void on_cgroup(void *ctx, const struct cgroup_chain *v2, const struct cgroup_chain *v1,
	const struct process_id *process)
{
	struct fixture *f = ctx;

	f->cgroups_seen++;
	if (process->pid == f->watched) {
		f->v2 = *v2;
		f->v1 = *v1;
	}
}

static void on_process(void *ctx, const struct process_id *process)
{
	struct fixture *f = ctx;

	f->processes_seen++;
	if (process->pid == f->watched)
		f->process = *process;
}

static const struct profiler_ops ops = {.cgroup_seen = on_cgroup, .process_seen = on_process};

static bool has_chain(const struct profiler_sample *s)
{
	const uint64_t chain[] = {shared->into_middle, shared->into_outer, shared->into_main};

	for (size_t i = 0; i + ARRAY_SIZE(chain) <= s->user_count; i++)
		if (memcmp(s->user_ips + i, chain, sizeof(chain)) == 0)
			return true;
	return false;
}

static void on_sample(void *ctx, const struct profiler_sample *s)
{
	struct fixture *f = ctx;

	ck_assert_uint_gt(s->count, 0);
	ck_assert_uint_le(s->user_count, PROFILER_MAX_FRAMES);
	ck_assert_uint_le(s->kernel_count, PROFILER_MAX_FRAMES);
	f->handed += s->count;
	if (s->process.pid != f->watched)
		return;
	f->of_watched += s->count;
	if (has_chain(s))
		f->with_chain += s->count;
	if (f->kept && s->cgroup == f->kept)
		f->in_kept += s->count;
}

/* False where this machine forbids BPF: the test then ends. */
static bool setup(struct fixture *f)
{
	struct profiler_options options = {
		.sample_rate = RATE,
		.user_stacks = true,
		.kernel_stacks = true,
		.self_pid = (uint32_t)getpid(),
		.proc = "/proc",
		.sys = "/sys",
	};
	struct error err = {0};

	*f = (struct fixture){0};
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(shared, MAP_FAILED);
	ck_assert_int_eq(loop_new(&f->loop), 0);
	int r = profiler_new(f->loop, &options, &ops, f, &f->profiler, &err);

	if (r == 0)
		r = profiler_start(f->profiler, &err);
	if (r == -EPERM || r == -ENOENT || r == -ENOSYS) {
		printf("SKIP: %s\n", err.message);
		return false;
	}
	ck_assert_msg(r == 0, "%s", err.message);
	return true;
}

static void teardown(struct fixture *f)
{
	profiler_free(f->profiler);
	loop_free(f->loop);
	munmap(shared, sizeof(*shared));
}

static void turn_for(struct fixture *f, int64_t ns)
{
	int64_t end = clock_monotonic_ns() + ns;

	while (clock_monotonic_ns() < end)
		ck_assert_int_eq(loop_turn(f->loop, MAX(end - clock_monotonic_ns(), INT64_C(0))), 0);
}

static void round_of(struct fixture *f)
{
	struct error err = {0};
	uint64_t lost = 0;

	f->handed = f->of_watched = f->with_chain = f->in_kept = 0;
	int r = profiler_round(f->profiler, on_sample, f, &f->tally, &err);

	ck_assert_msg(r == 0, "%s", err.message);
	for (int i = 0; i < LOSS_COUNT; i++)
		lost += f->tally.lost[i];
	ck_assert_uint_eq(f->handed, f->tally.recorded);
	ck_assert_uint_eq(f->tally.ticks,
		f->tally.idle + f->tally.filtered + f->tally.recorded + lost);
}

static uint64_t lost_of(const struct fixture *f)
{
	return f->tally.lost[LOSS_RING_FULL] + f->tally.lost[LOSS_MAP_FULL] +
	       f->tally.lost[LOSS_NO_TASK];
}

/* A child that moves itself to the cgroup (NULL: stays) and spins until told to stop. */
static pid_t start_spinner(struct fixture *f, const char *cgroup)
{
	shared->stop = 0;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (cgroup) {
			char *procs = xasprintf("%s/cgroup.procs", cgroup);
			int fd = open(procs, O_WRONLY);

			if (fd < 0 || write(fd, "0", 1) != 1)
				_exit(2);
		}
		outer();
		_exit(0);
	}
	f->watched = (uint32_t)pid;
	return pid;
}

/* The CPU time it used, in ticks. */
static double stop_spinner(pid_t pid)
{
	struct rusage usage;
	int status;

	shared->stop = 1;
	ck_assert_int_eq(wait4(pid, &status, 0, &usage), pid);
	ck_assert_int_eq(status, 0);
	double seconds = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
			 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;

	return seconds * RATE;
}

START_TEST(a_process_is_sampled_as_often_as_it_runs_with_its_whole_call_chain)
{
	struct fixture f;

	if (!setup(&f))
		return;
	pid_t pid = start_spinner(&f, NULL);

	ck_assert_int_eq(profiler_set_pid(f.profiler, f.watched, true), 0);
	turn_for(&f, 2 * NSEC_PER_SEC);
	double expected = stop_spinner(pid);

	round_of(&f);
	ck_assert_double_ge((double)f.of_watched, expected * 0.93 - 3);
	ck_assert_double_le((double)f.of_watched, expected * 1.07 + 3);
	ck_assert_uint_ge(f.with_chain * 100, f.of_watched * 97);
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
	double expected = seconds * RATE * (double)sysconf(_SC_NPROCESSORS_ONLN);

	ck_assert_double_ge((double)ticks, expected * 0.9 - 10);
	ck_assert_double_le((double)ticks, expected * 1.1 + 10);
	teardown(&f);
}
END_TEST

UNIT_MAIN("profiler", a_process_is_sampled_as_often_as_it_runs_with_its_whole_call_chain,
	every_tick_of_every_interval_is_accounted_for)
