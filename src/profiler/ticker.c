// SPDX-License-Identifier: Apache-2.0
/*
 * cpu-clock is a software event on a high-resolution timer: it exists on every machine and in every
 * VM. Of an idle CPU it tells nothing: there all that a program touches would be cold, so that it
 * took as long as for a short stack, on each of many CPUs that have nothing to do.
 *
 * CPUs start one after the other, a fraction of the period apart: in step they would all write into the
 * ring buffer at the same instant.
 */
#include "profiler/ticker.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "base/macros.h"

/* Attaching also enables the event, and the link owns its descriptor from then on. */
static int begin(struct cpu_events *events, struct cpu_event *e, struct error *err)
{
	const struct ticker *t = container_of(events, struct ticker, events);

	e->more = bpf_program__attach_perf_event(t->program, e->fd);
	if (!e->more)
		return error_set_errno(err, -errno, "cannot attach to the clock of CPU %u", e->cpu);
	return 0;
}

static void end(struct cpu_events *events, struct cpu_event *e)
{
	(void)events;
	bpf_link__destroy(e->more);
	e->fd = -1;
}

static const struct cpu_events_ops ops = {.what = "the clock", .begin = begin, .end = end};

int ticker_init(struct ticker *t, struct error *err)
{
	t->events = (struct cpu_events){
		.ops = &ops,
		.sys = t->sys,
		.attr =
			{
				.type = PERF_TYPE_SOFTWARE,
				.size = sizeof(t->events.attr),
				.config = PERF_COUNT_SW_CPU_CLOCK,
				.freq = 1,
				.sample_freq = t->rate,
				.exclude_idle = 1,
				.disabled = 1,
			},
	};
	return cpu_events_open(&t->events, err);
}

void ticker_release(struct ticker *t)
{
	cpu_events_release(&t->events);
}

int ticker_start(struct ticker *t, struct error *err)
{
	size_t count = t->events.count;
	int64_t apart_ns = NSEC_PER_SEC / t->rate / (int64_t)MAX(count, (size_t)1);
	struct timespec pause = {.tv_nsec = (long)MIN(apart_ns, NSEC_PER_SEC - 1)};

	for (size_t i = 0; i < count; i++) {
		int r = cpu_events_begin(&t->events, &t->events.list[i], err);

		if (r < 0)
			return r;
		nanosleep(&pause, NULL);
	}
	return 0;
}

int ticker_follow(struct ticker *t, struct error *err)
{
	return cpu_events_follow(&t->events, NULL, err);
}
