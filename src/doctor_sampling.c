// SPDX-License-Identifier: Apache-2.0
/*
 * The last proof: this process keeps a CPU busy for a second under a sampler of its own, and its ticks
 * are counted. By CPU time, not by the clock, so that a busy machine passes as well.
 */
#include <inttypes.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "commands.h"
#include "doctor.h"
#include "profiler/profiler.h"

#define BUSY_NS     NSEC_PER_SEC
#define LONGEST_NS  (5 * NSEC_PER_SEC) /* by the clock, on a machine that has no CPU to spare */
/* Of the ticks that its CPU time stands for. A hypervisor that takes the CPU away takes ticks as well, and not the
 * time; with one of our CPUs not sampled it is chance where the work is done. */
#define LEAST_SHARE 0.5

static void on_cgroup(void *ctx, const struct cgroup_chain *v2, const struct cgroup_chain *v1,
	const struct process_id *process)
{
	(void)ctx;
	(void)v2;
	(void)v1;
	(void)process;
}

static void on_process(void *ctx, const struct process_id *process, uint64_t when)
{
	(void)when;
	(void)ctx;
	(void)process;
}

static void on_sample(void *ctx, const struct profiler_sample *s)
{
	uint64_t *ticks = ctx;

	if (s->by_pid)
		*ticks += s->count;
}

static int64_t be_busy(void)
{
	int64_t start = clock_ns(CLOCK_PROCESS_CPUTIME_ID), begun = clock_monotonic_ns(), used;

	do
		used = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - start;
	while (used < BUSY_NS && clock_monotonic_ns() - begun < LONGEST_NS);
	return used;
}

static int sample_self(struct loop *loop, unsigned hz, uint64_t *ret_ticks, int64_t *ret_used_ns,
	struct error *err)
{
	static const struct profiler_ops ops = {
		.cgroup_seen = on_cgroup,
		.process_seen = on_process,
	};
	struct profiler_options options = {
		.sample_rate = hz,
		.user_stacks = true,
		.kernel_stacks = true,
		.proc = "/proc",
		.sys = "/sys",
	};
	struct profiler_tally tally;
	struct profiler *p;
	int r = profiler_new(loop, &options, &ops, NULL, &p, err);

	if (r < 0)
		return r;
	r = profiler_set_pid(p, (uint32_t)getpid(), true);
	if (r == 0)
		r = profiler_start(p, err);
	*ret_used_ns = r == 0 ? be_busy() : 0;
	if (r == 0)
		r = profiler_round(p, on_sample, ret_ticks, &tally, err);
	profiler_free(p);
	return r;
}

void doctor_check_sampling(struct doctor *d, unsigned hz)
{
	uint64_t ticks = 0;
	int64_t used_ns = 0;
	struct error err = {0};
	struct loop *loop;

	d->environment = true;
	if (doctor_exit_code(d) == EXIT_ENVIRONMENT) {
		doctor_add(d, "sample", CHECK_SKIP, "", "not tried, because of what failed above");
		return;
	}
	int r = loop_new(&loop);

	if (r == 0) {
		r = sample_self(loop, hz, &ticks, &used_ns, &err);
		loop_free(loop);
	}
	double expected = (double)used_ns / NSEC_PER_SEC * hz;

	if (r < 0)
		doctor_add(d, "sample", CHECK_FAIL, "", "sampling does not work: %s", err.message);
	else if ((double)ticks < LEAST_SHARE * expected)
		doctor_add(d, "sample", CHECK_FAIL,
			"please report this with the output of `dockprof doctor --json`",
			"a second of work gave %" PRIu64 " samples, %.0f were to come", ticks,
			expected);
	else
		doctor_add(d, "sample", CHECK_PASS, "",
			"%.1f s of own work gave %" PRIu64 " samples at %u Hz",
			(double)used_ns / NSEC_PER_SEC, ticks, hz);
}
