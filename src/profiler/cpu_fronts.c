// SPDX-License-Identifier: Apache-2.0
#include "profiler/cpu_fronts.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <sys/mman.h>

#include "profile.skel.h"

int cpu_fronts_init(struct cpu_fronts *fronts, const struct profile_bpf *skel)
{
	const struct bpf_map *map = skel->maps.cpus;
	void *mapped;

	*fronts = (struct cpu_fronts){
		.count = bpf_map__max_entries(map),
		.size = bpf_map__value_size(map),
	};
	mapped = mmap(NULL, fronts->count * fronts->size, PROT_READ | PROT_WRITE, MAP_SHARED,
		bpf_map__fd(map), 0);
	if (mapped == MAP_FAILED)
		return -errno;
	fronts->map = mapped;
	return 0;
}

void cpu_fronts_release(struct cpu_fronts *fronts)
{
	if (fronts->map)
		munmap(fronts->map, fronts->count * fronts->size);
	*fronts = (struct cpu_fronts){0};
}

struct cpu_front *cpu_fronts_at(const struct cpu_fronts *fronts, size_t cpu)
{
	return (struct cpu_front *)(void *)(fronts->map + cpu * fronts->size);
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

void cpu_fronts_tell(const struct cpu_fronts *fronts, enum cpu_word word, uint32_t value)
{
	for (size_t i = 0; i < fronts->count; i++)
		__atomic_store_n(word_of(cpu_fronts_at(fronts, i), word), value, __ATOMIC_SEQ_CST);
}
