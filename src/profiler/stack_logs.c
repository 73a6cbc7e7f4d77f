// SPDX-License-Identifier: Apache-2.0
#include "profiler/stack_logs.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "bpf/profile.h"
#include "profile.skel.h"

size_t stack_logs_value_size(size_t size)
{
	return sizeof(struct stack_log) + size + STACK_LOG_GUARD;
}

int stack_logs_init(struct stack_logs *logs, const struct profile_bpf *skel,
	const struct cpu_values *cpus,
	void (*on_record)(struct stack_logs *logs, const void *data, size_t size))
{
	*logs = (struct stack_logs){.cpus = cpus, .on_record = on_record};
	logs->until = xcalloc(cpus->count, sizeof(*logs->until));
	return cpu_values_init(&logs->values, skel->maps.stack_logs);
}

void stack_logs_release(struct stack_logs *logs)
{
	cpu_values_release(&logs->values);
	free(logs->until);
	*logs = (struct stack_logs){0};
}

void stack_logs_look(struct stack_logs *logs)
{
	for (size_t i = 0; i < logs->values.count; i++) {
		const struct cpu_front *front = cpu_values_at(logs->cpus, i);

		logs->until[i] = __atomic_load_n(&front->log_written, __ATOMIC_ACQUIRE);
	}
}

static size_t size_of(const struct stack_record *r)
{
	return STACK_RECORD_HEAD +
		sizeof(r->ips[0]) *
		((size_t)r->interp_count + (size_t)r->kernel_count + (size_t)r->user_count);
}

static void read_log(struct stack_logs *logs, struct stack_log *log, uint64_t until)
{
	size_t size = logs->values.size - stack_logs_value_size(0);
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
	for (size_t i = 0; i < logs->values.count; i++)
		read_log(logs, cpu_values_at(&logs->values, i), logs->until[i]);
}
