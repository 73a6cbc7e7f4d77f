// SPDX-License-Identifier: Apache-2.0
/*
 * Rules and binaries are arrays of a fixed size. The slab's chunks are arrays of one element, each a map of
 * its own in a map of maps, so that they need not all be there from the start. All are mapped
 * (BPF_F_MMAPABLE, Linux 5.5): writing a table takes no system call.
 */
#include "profiler/unwind_memory.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "profile.skel.h"
#include "profiler/cpu_values.h"
#include "profiler/interval.h"

#define CHUNK_BYTES (SLAB_CHUNK_SIZE + SLAB_GUARD)

static void *map_memory(int fd, size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

int unwind_memory_init(struct unwind_memory *m, struct profile_bpf *skel,
	const struct cpu_values *cpus, const uint32_t *interval)
{
	*m = (struct unwind_memory){.skel = skel, .cpus = cpus, .interval = interval};
	m->rules = map_memory(bpf_map__fd(skel->maps.rules), UNWIND_RULES_MAX * sizeof(*m->rules));
	m->binaries = map_memory(bpf_map__fd(skel->maps.binaries),
		UNWIND_BINARIES_MAX * sizeof(*m->binaries));
	return m->rules && m->binaries ? 0 : -errno;
}

void unwind_memory_release(struct unwind_memory *m)
{
	if (m->rules)
		munmap(m->rules, UNWIND_RULES_MAX * sizeof(*m->rules));
	if (m->binaries)
		munmap(m->binaries, UNWIND_BINARIES_MAX * sizeof(*m->binaries));
	for (size_t i = 0; i < SLAB_CHUNKS_MAX; i++)
		if (m->chunks[i])
			munmap(m->chunks[i], CHUNK_BYTES);
	*m = (struct unwind_memory){0};
}

static void *add_chunk(void *ctx, uint32_t number)
{
	struct unwind_memory *m = ctx;
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
	int fd cleanup_close = bpf_map_create(BPF_MAP_TYPE_ARRAY, "dockprof_slab", sizeof(uint32_t),
		CHUNK_BYTES, 1, &options);
	void *chunk = fd < 0 ? NULL : map_memory(fd, CHUNK_BYTES);

	if (!chunk)
		return NULL;
	if (bpf_map_update_elem(bpf_map__fd(m->skel->maps.slab), &number, &fd, BPF_ANY) < 0) {
		munmap(chunk, CHUNK_BYTES);
		return NULL;
	}
	m->chunks[number] = chunk;
	return chunk;
}

void unwind_memory_changed(struct unwind_memory *m)
{
	cpu_values_tell(m->cpus, CPU_PROCESSES_GENERATION, ++m->generation);
}

/* Whether the pid is by now another process's, or a later image's: samples of the former may still be named. */
static bool is_superseded(int fd, const struct process_id *id)
{
	struct known_process now;

	if (bpf_map_lookup_elem(fd, &id->pid, &now) < 0)
		return false;
	if (now.id.start_ns != id->start_ns)
		return now.id.start_ns > id->start_ns;
	return (int32_t)(now.id.exec_id - id->exec_id) > 0;
}

static int set_process(void *ctx, const struct process_id *id, uint32_t mappings, uint32_t count,
	bool quiet)
{
	struct unwind_memory *m = ctx;
	int fd = bpf_map__fd(m->skel->maps.known_processes);

	if (is_superseded(fd, id))
		return 0;
	struct known_process process = {
		.id = {.pid = id->pid, .exec_id = id->exec_id, .start_ns = id->start_ns},
		.mappings = mappings,
		.mapping_count = count,
		.quiet = quiet ? *m->interval : 0,
		.serial = ++m->serial,
	};

	if (bpf_map_update_elem(fd, &id->pid, &process, BPF_ANY) < 0)
		return -errno;
	unwind_memory_changed(m);
	return 0;
}

static void forget_process(void *ctx, const struct process_id *id)
{
	struct unwind_memory *m = ctx;
	int fd = bpf_map__fd(m->skel->maps.known_processes);
	struct known_process now;

	if (bpf_map_lookup_elem(fd, &id->pid, &now) == 0 && now.id.exec_id == id->exec_id &&
		now.id.start_ns == id->start_ns)
		bpf_map_delete_elem(fd, &id->pid);
	unwind_memory_changed(m);
}

static void quiesce(void *ctx)
{
	struct unwind_memory *m = ctx;

	cpu_values_tell(m->cpus, CPU_MARKS_GENERATION, ++m->marks_generation);
	interval_quiesce(m->skel);
}

struct unwind_store unwind_memory_store(struct unwind_memory *m)
{
	return (struct unwind_store){
		.chunks = {.add_chunk = add_chunk, .ctx = m},
		.rules = m->rules,
		.rule_count = UNWIND_RULES_MAX,
		.binaries = m->binaries,
		.set_process = set_process,
		.forget_process = forget_process,
		.quiesce = quiesce,
		.ctx = m,
	};
}
