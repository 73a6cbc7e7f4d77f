// SPDX-License-Identifier: Apache-2.0
/* The sampling clock: one cpu-clock event per online CPU, each running the BPF program at its ticks. */
#ifndef PROFILER_TICKER_H
#define PROFILER_TICKER_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct bpf_program;
struct tick_source;

struct ticker {
	const struct bpf_program *program; /* not owned */
	const char *sys; /* "/sys"; not owned */
	unsigned rate; /* Hz */
	struct tick_source *sources; /* one per CPU, ascending */
	size_t count;
};

/* Opens the events, which do not tick yet. 0 or -errno; release it in either case. */
int ticker_init(struct ticker *t, struct error *err);
void ticker_release(struct ticker *t);
/* Lets them tick, each CPU a little after the one before; takes up to one period. */
int ticker_start(struct ticker *t, struct error *err);

/*
 * Follows CPUs that came or went. `ticks` holds the ticks that each CPU (index below count) had since
 * the last call, NULL where that is not known: one that should have had some went away and came back
 * unnoticed, and gets a new event. 0 or -errno; what could be opened ticks in any case.
 */
int ticker_follow(struct ticker *t, const uint64_t *ticks, size_t count, struct error *err);

#endif
