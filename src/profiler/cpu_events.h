// SPDX-License-Identifier: Apache-2.0
/* One perf event per online CPU, also while CPUs come and go. */
#ifndef PROFILER_CPU_EVENTS_H
#define PROFILER_CPU_EVENTS_H

#include <linux/perf_event.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct cpu_events;

struct cpu_event {
	unsigned cpu;
	int fd; /* -1: it could not be opened, or end() closed it */
	void *more; /* the owner's; not NULL from begin() to end() */
};

struct cpu_events_ops {
	const char *what; /* "the clock" */
	/* A new event gets what belongs to it. 0 or -errno; end() undoes what a failed one did. */
	int (*begin)(struct cpu_events *events, struct cpu_event *e, struct error *err);
	void (*end)(struct cpu_events *events, struct cpu_event *e);
};

struct cpu_events {
	const struct cpu_events_ops *ops;
	const char *sys; /* "/sys"; not owned */
	struct perf_event_attr attr;
	struct cpu_event *list; /* by CPU */
	size_t count;
};

/* Opens one on each online CPU; begins none. 0 or -errno; release it in either case. */
int cpu_events_open(struct cpu_events *events, struct error *err);
void cpu_events_release(struct cpu_events *events);
/* Begins one that was opened; after a failure all are to be released. */
int cpu_events_begin(struct cpu_events *events, struct cpu_event *e, struct error *err);

/*
 * Follows CPUs that came or went; one that did both since the last call has a detached event (Linux 5.10 to
 * 6.18) and gets a new one. *ret_opened (may be NULL): the new ones. 0 or -errno; what could be opened has begun
 * in any case.
 */
int cpu_events_follow(struct cpu_events *events, size_t *ret_opened, struct error *err);

#endif
