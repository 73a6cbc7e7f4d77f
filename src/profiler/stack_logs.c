// SPDX-License-Identifier: Apache-2.0
#include "profiler/stack_logs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "bpf/profile.h"
#include "profile.skel.h"
#include "profiler/cpu_fronts.h"

size_t stack_logs_value_size(size_t size)
{
	return sizeof(struct stack_log) + size + STACK_LOG_GUARD;
}

int stack_logs_init(struct stack_logs *logs, const struct profile_bpf *skel,
	const struct cpu_fronts *cpus,
	void (*on_record)(struct stack_logs *logs, const void *data, size_t size))
{
	const struct bpf_map *map = skel->maps.stack_logs;
	void *mapped;

	*logs = (struct stack_logs){
		.cpu_count = bpf_map__max_entries(map),
		.value_size = bpf_map__value_size(map),
		.cpus = cpus,
		.on_record = on_record,
	};
	logs->until = xcalloc(logs->cpu_count, sizeof(*logs->until));
	mapped = mmap(NULL, logs->cpu_count * logs->value_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		bpf_map__fd(map), 0);
	if (mapped == MAP_FAILED)
		return -errno;
	logs->map = mapped;
	return 0;
}

void stack_logs_release(struct stack_logs *logs)
{
	if (logs->map)
		munmap(logs->map, logs->cpu_count * logs->value_size);
	free(logs->until);
	*logs = (struct stack_logs){0};
}

static struct stack_log *log_of(const struct stack_logs *logs, size_t cpu)
{
	return (struct stack_log *)(void *)(logs->map + cpu * logs->value_size);
}

void stack_logs_look(struct stack_logs *logs)
{
	for (size_t i = 0; i < logs->cpu_count; i++)
		logs->until[i] = __atomic_load_n(&cpu_fronts_at(logs->cpus, i)->log_written,
			__ATOMIC_ACQUIRE);
}

static size_t size_of(const struct stack_record *r)
{
	return STACK_RECORD_HEAD +
		sizeof(r->ips[0]) *
		((size_t)r->interp_count + (size_t)r->kernel_count + (size_t)r->user_count);
}

static void read_log(struct stack_logs *logs, struct stack_log *log, uint64_t until)
{
	size_t size = logs->value_size - stack_logs_value_size(0);
	uint64_t at = log->read;

	while (at != until) {
		const void *data = log->data + (at & (size - 1));
		size_t record = size_of(data);

		if (record > until - at || record > sizeof(struct stack_record)) {
			at = until; /* no record, nor can be said where the next one begins */
			break;
		}
		logs->on_record(logs, data, record);
		at += record;
	}
	__atomic_store_n(&log->read, at, __ATOMIC_RELEASE);
}

void stack_logs_read(struct stack_logs *logs)
{
	for (size_t i = 0; i < logs->cpu_count; i++)
		read_log(logs, log_of(logs, i), logs->until[i]);
}
