// SPDX-License-Identifier: Apache-2.0
/*
 * What the tests of the sampler on the running kernel share: a profiler, children with a known call
 * chain that spin, and what the profiler said about them. Where BPF is not permitted, setup() says so
 * and the test ends.
 */
#ifndef TESTS_SAMPLING_H
#define TESTS_SAMPLING_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "profiler/profiler.h"
#include "symbols/symbolizer.h"
#include "unit.h"

#define RATE 499 /* so that a short spell has many ticks */

/*
 * Whether this is one of tests/vm/'s machines: it is all ours, and so slow that ticks come late and
 * fall out.
 */
static inline bool in_test_machine(void)
{
	return getenv("DOCKPROF_TEST_MACHINE") != NULL;
}

/* What a spinning child tells its parent, in shared memory. */
struct chain_addresses {
	uint64_t into_middle, into_outer, into_main; /* return addresses, leaf first */
	void (*work)(void); /* what the innermost function of the chain is */
	volatile uint64_t laps;
	volatile int stop;
};

static struct chain_addresses *shared; /* with the children */

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
	shared->work();
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
	struct symbolizer *symbolizer;
	size_t of_watched_seen; /* cgroup_seen */
	size_t processes_seen;
	struct process_id process; /* the last one seen with the watched pid */
	uint32_t watched;
	struct cgroup_chain v2, v1; /* of the watched process' last cgroup_seen */
	/* of the last round */
	struct profiler_tally tally;
	uint64_t handed, of_watched, with_chain, in_kept, by_pid;
	struct profiler_sample last; /* of the watched; its addresses are gone */
	cgroup_key kept;
	void (*work)(void); /* instead of spin(), in start_spinner()'s child */
	const char *also; /* a second cgroup that start_spinner() enters */
};

static inline void on_cgroup(void *ctx, const struct cgroup_chain *v2,
	const struct cgroup_chain *v1, const struct process_id *process)
{
	struct fixture *f = ctx;

	if (process->pid == f->watched) {
		f->of_watched_seen++;
		f->v2 = *v2;
		f->v1 = *v1;
	}
}

static inline void on_process(void *ctx, const struct process_id *process, uint64_t at_ns)
{
	struct fixture *f = ctx;

	f->processes_seen++;
	ck_assert_uint_ge(at_ns, process->start_ns);
	ck_assert_uint_le(at_ns, (uint64_t)clock_ns(CLOCK_BOOTTIME));
	if (process->pid == f->watched)
		f->process = *process;
	symbolizer_process_seen(f->symbolizer, process);
}

static inline void on_changed(void *ctx, const struct process_id *process)
{
	struct fixture *f = ctx;

	symbolizer_process_changed(f->symbolizer, process);
}

static inline struct dso *on_file_wanted(void *ctx, const struct process_id *process,
	uint64_t address)
{
	struct fixture *f = ctx;

	return symbolizer_file_wanted(f->symbolizer, process, address);
}

static const struct profiler_ops ops = {
	.cgroup_seen = on_cgroup,
	.process_seen = on_process,
	.process_changed = on_changed,
	.file_wanted = on_file_wanted,
};

static inline void on_maps(void *ctx, const struct process_id *id, const struct process_maps *maps)
{
	struct fixture *f = ctx;

	unwinder_set_process(profiler_unwinder(f->profiler), id, maps);
}

static const struct symbolizer_ops symbolizer_ops = {.maps_read = on_maps};

static inline bool has_chain(const struct profiler_sample *s)
{
	const uint64_t chain[] = {shared->into_middle, shared->into_outer, shared->into_main};

	for (size_t i = 0; i + ARRAY_SIZE(chain) <= s->user_count; i++)
		if (memcmp(s->user_ips + i, chain, sizeof(chain)) == 0)
			return true;
	return false;
}

static inline void on_sample(void *ctx, const struct profiler_sample *s)
{
	struct fixture *f = ctx;

	ck_assert_uint_gt(s->count, 0);
	ck_assert_uint_le(s->user_count, PROFILER_USER_FRAMES);
	ck_assert_uint_le(s->kernel_count, PROFILER_KERNEL_FRAMES);
	f->handed += s->count;
	if (s->process.pid != f->watched)
		return;
	f->of_watched += s->count;
	f->by_pid += s->by_pid ? s->count : 0;
	f->last = *s;
	if (has_chain(s))
		f->with_chain += s->count;
	if (f->kept && s->cgroup == f->kept)
		f->in_kept += s->count;
}

/* False where this machine forbids BPF: the test then ends. */
static inline bool setup_with(struct fixture *f, const struct profiler_options *options)
{
	struct error err = {0};

	*f = (struct fixture){0};
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		0);
	ck_assert_ptr_ne(shared, MAP_FAILED);
	ck_assert_int_eq(loop_new(&f->loop), 0);
	struct symbolizer_options names = {
		.ops = &symbolizer_ops,
		.ctx = f,
		.proc = options->proc,
		.max_bytes = 8 << 20,
		.max_processes = 64,
	};
	struct profiler_options with = *options;

	ck_assert_int_eq(symbolizer_new(&names, &f->symbolizer, &err), 0);
	with.dsos = symbolizer_dsos(f->symbolizer);
	int r = profiler_new(f->loop, &with, &ops, f, &f->profiler, &err);

	if (r == 0)
		r = profiler_start(f->profiler, &err);
	if (r == -EPERM || r == -ENOENT || r == -ENOSYS) {
		printf("SKIP: %s\n", err.message);
		return false;
	}
	ck_assert_msg(r == 0, "%s", err.message);
	return true;
}

static inline struct profiler_options defaults(void)
{
	return (struct profiler_options){
		.sample_rate = RATE,
		.user_stacks = true,
		.kernel_stacks = true,
		.self_pid = (uint32_t)getpid(),
		.unwind_max_bytes = 8 << 20,
		.proc = "/proc",
		.sys = "/sys",
	};
}

static inline bool setup(struct fixture *f)
{
	struct profiler_options options = defaults();

	return setup_with(f, &options);
}

static inline void teardown(struct fixture *f)
{
	profiler_free(f->profiler);
	symbolizer_free(f->symbolizer);
	loop_free(f->loop);
	munmap(shared, sizeof(*shared));
}

static inline void turn_for(struct fixture *f, int64_t ns)
{
	int64_t end = clock_monotonic_ns() + ns;

	while (clock_monotonic_ns() < end)
		ck_assert_int_eq(loop_turn(f->loop, MAX(end - clock_monotonic_ns(), INT64_C(0))),
			0);
}

static inline void round_of(struct fixture *f)
{
	struct error err = {0};
	uint64_t lost = 0;

	f->handed = f->of_watched = f->with_chain = f->in_kept = f->by_pid = 0;
	int r = profiler_round(f->profiler, on_sample, f, &f->tally, &err);

	ck_assert_msg(r == 0, "%s", err.message);
	for (int i = 0; i < LOSS_COUNT; i++)
		lost += f->tally.lost[i];
	ck_assert_uint_eq(f->handed, f->tally.recorded);
	ck_assert_uint_eq(f->tally.ticks, f->tally.filtered + f->tally.recorded + lost);
}

static inline uint64_t lost_of(const struct fixture *f)
{
	return f->tally.lost[LOSS_RING_FULL] + f->tally.lost[LOSS_MAP_FULL] +
		f->tally.lost[LOSS_NO_TASK];
}

static inline void enter(const char *cgroup)
{
	char *procs = xasprintf("%s/cgroup.procs", cgroup);
	int fd = open(procs, O_WRONLY);

	if (fd < 0 || write(fd, "0", 1) != 1)
		_exit(2);
	close(fd);
	free(procs);
}

/* A child that moves to the cgroup (NULL: stays where it is) and spins until told to stop. */
static inline pid_t start_spinner(struct fixture *f, const char *cgroup)
{
	shared->stop = 0;
	shared->work = f->work ? f->work : spin;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (cgroup)
			enter(cgroup);
		if (f->also)
			enter(f->also);
		outer();
		_exit(0);
	}
	f->watched = (uint32_t)pid;
	return pid;
}

/* The CPU time it used, in seconds. */
static inline double stop_spinner(pid_t pid)
{
	struct rusage usage;
	int status;

	shared->stop = 1;
	ck_assert_int_eq(wait4(pid, &status, 0, &usage), pid);
	ck_assert_int_eq(status, 0);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
		(double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

#define SPELL       (60 * NSEC_PER_MSEC)
#define SPELL_TICKS 30
#define SOME        3

/* The CPU time of the watched process, in nanoseconds. */
static inline int64_t spun(const struct fixture *f)
{
	clockid_t clock;

	ck_assert_int_eq(clock_getcpuclockid((pid_t)f->watched, &clock), 0);
	return clock_ns(clock);
}

/* Until the watched process has run for a while, however busy the machine is. */
static inline void let_spin(struct fixture *f)
{
	int64_t end = spun(f) + SPELL;

	while (spun(f) < end)
		turn_for(f, 10 * NSEC_PER_MSEC);
}

static inline void spell(struct fixture *f)
{
	let_spin(f);
	round_of(f);
}

#endif
