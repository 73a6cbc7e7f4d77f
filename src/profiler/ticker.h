// SPDX-License-Identifier: Apache-2.0
/* The sampling clock: one cpu-clock event per online CPU, each running the BPF program at its ticks. */
#ifndef PROFILER_TICKER_H
#define PROFILER_TICKER_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "profiler/cpu_events.h"

struct bpf_program;

struct ticker {
	const struct bpf_program *program; /* not owned */
	const char *sys; /* "/sys"; not owned */
	unsigned rate; /* Hz */
	struct cpu_events events;
};

/* Opens the events, which do not tick yet. 0 or -errno; release it in either case. */
int ticker_init(struct ticker *t, struct error *err);
void ticker_release(struct ticker *t);
/* Lets them tick, each CPU a little after the one before; takes up to one period. */
int ticker_start(struct ticker *t, struct error *err);

/* Follows CPUs that came or went, see cpu_events_follow(). */
int ticker_follow(struct ticker *t, struct error *err);

#endif
