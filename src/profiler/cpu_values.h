// SPDX-License-Identifier: Apache-2.0
/* Maps of BPF that hold a value for each CPU number: what user space shares with the program there. */
#ifndef PROFILER_CPU_VALUES_H
#define PROFILER_CPU_VALUES_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/profile.h"

struct bpf_map;

struct cpu_values {
	size_t count; /* CPU numbers lie below it */
	size_t size; /* bytes of a value */
	uint8_t *map;
};

/* Maps them. 0 or -errno; release them in either case. */
int cpu_values_init(struct cpu_values *values, const struct bpf_map *map);
/* Harmless where it was only zeroed. */
void cpu_values_release(struct cpu_values *values);

/* cpu < count */
void *cpu_values_at(const struct cpu_values *values, size_t cpu);

/* Of values that begin with a struct cpu_front: tells all CPUs, after all that was stored or told before. */
enum cpu_word {
	CPU_EPOCH,
	CPU_INTERVAL,
	CPU_GENERATION,
	CPU_PROCESSES_GENERATION,
	CPU_MARKS_GENERATION,
};
void cpu_values_tell(const struct cpu_values *values, enum cpu_word word, uint32_t value);

#endif
