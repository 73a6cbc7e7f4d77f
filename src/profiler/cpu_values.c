// SPDX-License-Identifier: Apache-2.0
#include "profiler/cpu_values.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <sys/mman.h>

int cpu_values_init(struct cpu_values *values, const struct bpf_map *map)
{
	void *mapped;

	*values = (struct cpu_values){
		.count = bpf_map__max_entries(map),
		.size = bpf_map__value_size(map),
	};
	mapped = mmap(NULL, values->count * values->size, PROT_READ | PROT_WRITE, MAP_SHARED,
		bpf_map__fd(map), 0);
	if (mapped == MAP_FAILED)
		return -errno;
	values->map = mapped;
	return 0;
}

void cpu_values_release(struct cpu_values *values)
{
	if (values->map)
		munmap(values->map, values->count * values->size);
	*values = (struct cpu_values){0};
}

void *cpu_values_at(const struct cpu_values *values, size_t cpu)
{
	return values->map + cpu * values->size;
}

static volatile uint32_t *word_of(struct cpu_front *front, enum cpu_word word)
{
	switch (word) {
	case CPU_EPOCH:
		return &front->epoch;
	case CPU_INTERVAL:
		return &front->interval;
	case CPU_GENERATION:
		return &front->generation;
	case CPU_PROCESSES_GENERATION:
		return &front->processes_generation;
	case CPU_MARKS_GENERATION:
		return &front->marks_generation;
	}
	return NULL;
}

void cpu_values_tell(const struct cpu_values *values, enum cpu_word word, uint32_t value)
{
	for (size_t i = 0; i < values->count; i++)
		__atomic_store_n(word_of(cpu_values_at(values, i), word), value, __ATOMIC_SEQ_CST);
}
