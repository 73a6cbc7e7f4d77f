// SPDX-License-Identifier: Apache-2.0
/* What user space shares with the program on each CPU (struct cpu_front, bpf/profile.h). */
#ifndef PROFILER_CPU_FRONTS_H
#define PROFILER_CPU_FRONTS_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/profile.h"

struct profile_bpf;

struct cpu_fronts {
	size_t count; /* CPU numbers lie below it */
	size_t size; /* bytes for each */
	uint8_t *map;
};

/* Maps them. 0 or -errno; release them in either case. */
int cpu_fronts_init(struct cpu_fronts *fronts, const struct profile_bpf *skel);
void cpu_fronts_release(struct cpu_fronts *fronts);

/* cpu < count */
struct cpu_front *cpu_fronts_at(const struct cpu_fronts *fronts, size_t cpu);

/* Tells all CPUs, after all that was stored or told before. */
enum cpu_word {
	CPU_EPOCH,
	CPU_INTERVAL,
	CPU_GENERATION,
	CPU_PROCESSES_GENERATION,
	CPU_MARKS_GENERATION,
};
void cpu_fronts_tell(const struct cpu_fronts *fronts, enum cpu_word word, uint32_t value);

#endif
