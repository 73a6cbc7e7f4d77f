// SPDX-License-Identifier: Apache-2.0
/*
 * cpu-clock is a software event on a high-resolution timer: it exists on every machine and in every
 * VM, and ticks on idle CPUs too (if late, in some VMs), so a CPU without any ticks is most likely one
 * whose event is dead: the kernel detaches an event when its CPU goes offline and does not bring it
 * back. A new event in its place does no harm in any case.
 *
 * CPUs start one after the other, a fraction of the period apart: in step they would all write into the
 * ring buffer at the same instant.
 */
#include "profiler/ticker.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "proc/cpus.h"

struct tick_source {
	unsigned cpu;
	int fd; /* until it is linked */
	struct bpf_link *link; /* owns the event from then on */
};

static int open_event(const struct ticker *t, unsigned cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.freq = 1,
		.sample_freq = t->rate,
		.disabled = 1,
	};
	long fd = syscall(SYS_perf_event_open, &attr, -1, (int)cpu, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : (int)fd;
}

static void source_release(struct tick_source *s)
{
	bpf_link__destroy(s->link);
	if (s->fd >= 0)
		close(s->fd);
}

static int source_open(const struct ticker *t, struct tick_source *s, unsigned cpu,
	struct error *err)
{
	int fd = open_event(t, cpu);

	*s = (struct tick_source){.cpu = cpu, .fd = -1};
	if (fd < 0)
		return error_set_errno(err, fd, "cannot open the clock of CPU %u", cpu);
	s->fd = fd;
	return 0;
}

/* Attaching also enables the event. */
static int source_start(const struct ticker *t, struct tick_source *s, struct error *err)
{
	s->link = bpf_program__attach_perf_event(t->program, s->fd);
	if (!s->link)
		return error_set_errno(err, -errno, "cannot attach to the clock of CPU %u", s->cpu);
	s->fd = -1;
	return 0;
}

int ticker_init(struct ticker *t, struct error *err)
{
	struct cpu_list online cleanup_cpu_list = {0};
	int r = cpu_list_read_online(t->sys, &online);

	if (r < 0)
		return error_set_errno(err, r, "cannot read %s/devices/system/cpu/online", t->sys);
	t->sources = xcalloc(online.count, sizeof(*t->sources));
	for (size_t i = 0; i < online.count; i++) {
		r = source_open(t, &t->sources[t->count++], online.cpu[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

void ticker_release(struct ticker *t)
{
	for (size_t i = 0; i < t->count; i++)
		source_release(&t->sources[i]);
	free(t->sources);
	t->sources = NULL;
	t->count = 0;
}

int ticker_start(struct ticker *t, struct error *err)
{
	int64_t apart_ns = NSEC_PER_SEC / t->rate / (int64_t)MAX(t->count, (size_t)1);
	struct timespec pause = {.tv_nsec = (long)MIN(apart_ns, NSEC_PER_SEC - 1)};

	for (size_t i = 0; i < t->count; i++) {
		int r = source_start(t, &t->sources[i], err);

		if (r < 0)
			return r;
		nanosleep(&pause, NULL);
	}
	return 0;
}

static struct tick_source *take_source(struct ticker *t, unsigned cpu)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->sources[i].cpu == cpu && t->sources[i].link)
			return &t->sources[i];
	return NULL;
}

int ticker_follow(struct ticker *t, const uint64_t *ticks, size_t count, struct error *err)
{
	struct cpu_list online cleanup_cpu_list = {0};
	int r = cpu_list_read_online(t->sys, &online), result = 0;

	if (r < 0)
		return error_set_errno(err, r, "cannot read %s/devices/system/cpu/online", t->sys);
	struct tick_source *sources = xcalloc(online.count, sizeof(*sources));

	for (size_t i = 0; i < online.count; i++) {
		unsigned cpu = online.cpu[i];
		struct tick_source *old = take_source(t, cpu);

		sources[i] = (struct tick_source){.cpu = cpu, .fd = -1};
		if (old && !(ticks && cpu < count && ticks[cpu] == 0)) {
			sources[i].link = steal_ptr(&old->link);
			continue;
		}
		r = source_open(t, &sources[i], cpu, err);
		if (r == 0)
			r = source_start(t, &sources[i], err);
		/* ENODEV: it went offline again. */
		if (r < 0 && r != -ENODEV)
			result = r;
	}
	ticker_release(t);
	t->sources = sources;
	t->count = online.count;
	return result;
}
