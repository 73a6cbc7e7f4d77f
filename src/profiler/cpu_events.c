// SPDX-License-Identifier: Apache-2.0
/*
 * The kernel detaches an event when its CPU goes offline and does not bring it back: the descriptor
 * stays and says nothing. But the time for which the event was enabled then stands still, which tells it from
 * the event of a CPU that merely had nothing to say.
 */
#include "profiler/cpu_events.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "proc/cpus.h"

static int event_open(const struct cpu_events *events, struct cpu_event *e, unsigned cpu,
	struct error *err)
{
	struct perf_event_attr attr = events->attr;

	attr.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED;
	*e = (struct cpu_event){.cpu = cpu, .fd = -1};
	long fd = syscall(SYS_perf_event_open, &attr, -1, (int)cpu, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0)
		return error_set_errno(err, -errno, "cannot open %s of CPU %u", events->ops->what,
			cpu);
	e->fd = (int)fd;
	return 0;
}

static bool enabled_ns(const struct cpu_event *e, uint64_t *ret)
{
	uint64_t counted[2]; /* the event's value, the time */

	if (read(e->fd, counted, sizeof(counted)) != sizeof(counted))
		return false;
	*ret = counted[1];
	return true;
}

/* Also true of one that cannot be asked: a new event in its place would be no better. */
static bool is_attached(const struct cpu_event *e)
{
	uint64_t first, second;

	return !enabled_ns(e, &first) || !enabled_ns(e, &second) || second > first;
}

static void event_close(struct cpu_events *events, struct cpu_event *e)
{
	if (e->more)
		events->ops->end(events, e);
	e->more = NULL;
	if (e->fd >= 0)
		close(e->fd);
	e->fd = -1;
}

int cpu_events_begin(struct cpu_events *events, struct cpu_event *e, struct error *err)
{
	return events->ops->begin(events, e, err);
}

static int read_online(const struct cpu_events *events, struct cpu_list *ret, struct error *err)
{
	int r = cpu_list_read_online(events->sys, ret);

	if (r < 0)
		return error_set_errno(err, r, "cannot read %s/devices/system/cpu/online",
			events->sys);
	return 0;
}

int cpu_events_open(struct cpu_events *events, struct error *err)
{
	struct cpu_list online cleanup_cpu_list = {0};
	int r = read_online(events, &online, err);

	if (r < 0)
		return r;
	events->list = xcalloc(online.count, sizeof(*events->list));
	for (size_t i = 0; i < online.count; i++) {
		r = event_open(events, &events->list[events->count++], online.cpu[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

void cpu_events_release(struct cpu_events *events)
{
	for (size_t i = 0; i < events->count; i++)
		event_close(events, &events->list[i]);
	free(events->list);
	events->list = NULL;
	events->count = 0;
}

static struct cpu_event *begun_event(struct cpu_events *events, unsigned cpu)
{
	for (size_t i = 0; i < events->count; i++)
		if (events->list[i].cpu == cpu && events->list[i].more)
			return &events->list[i];
	return NULL;
}

/* ENODEV: it went offline again. */
static int open_anew(struct cpu_events *events, struct cpu_event *e, unsigned cpu,
	struct error *err)
{
	int r = event_open(events, e, cpu, err);

	if (r == 0)
		r = cpu_events_begin(events, e, err);
	if (r < 0)
		event_close(events, e);
	return r == -ENODEV ? 0 : r;
}

int cpu_events_follow(struct cpu_events *events, size_t *ret_opened, struct error *err)
{
	struct cpu_list online cleanup_cpu_list = {0};
	int r = read_online(events, &online, err), result = 0;
	size_t opened = 0;

	if (r < 0)
		return r;
	struct cpu_event *list = xcalloc(online.count, sizeof(*list));

	for (size_t i = 0; i < online.count; i++) {
		unsigned cpu = online.cpu[i];
		struct cpu_event *old = begun_event(events, cpu);

		if (old && is_attached(old)) {
			list[i] = *old;
			*old = (struct cpu_event){.cpu = cpu, .fd = -1};
			continue;
		}
		r = open_anew(events, &list[i], cpu, err);
		if (r < 0)
			result = r;
		opened += list[i].more != NULL;
	}
	cpu_events_release(events);
	events->list = list;
	events->count = online.count;
	if (ret_opened)
		*ret_opened = opened;
	return result;
}
