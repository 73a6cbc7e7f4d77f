// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The writing end of a CPU's log of stacks (struct stack_log). A BPF ring buffer would do the same for all CPUs, under a
 * lock and in pages of its own: a tick took 7 % longer. What is hashed must be read anyway, so it is copied into the
 * log then; whether it becomes a record of it is known once the hash is.
 */
#ifndef BPF_STACK_LOG_BPF_H
#define BPF_STACK_LOG_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include "cpu.bpf.h"
#include "profile.h"
#include "stack_hash.h"

/* A struct stack_log for each CPU number; all sizes are set before loading. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(uint32_t));
	__uint(value_size, sizeof(struct stack_log) + 4096 + STACK_LOG_GUARD);
} stack_logs SEC(".maps");

static __always_inline struct stack_log *this_log(void)
{
	uint32_t cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&stack_logs, &cpu);
}

/* How much of the log is not read yet. Where that seems to be much, it is looked up anew. */
static __always_inline uint64_t waiting_in(const struct stack_log *log, struct cpu_front *front)
{
	if (front->log_written - front->log_read >= stack_log_size / 4)
		front->log_read = *(const volatile uint64_t *)&log->read;
	return front->log_written - front->log_read;
}

/*
 * Hashes the record, and copies it to where the log's next one will be, if there is room. Not static: so the verifier
 * follows its loop once, and not once for each way that leads here.
 */
__noinline int hash_record(void)
{
	struct cpu_state *cpu = this_cpu();
	struct stack_log *log = this_log();
	uint64_t *copy;

	if (!cpu || !log)
		return 0;
	const struct stack_record *rec = &cpu->record;
	uint32_t words = (uint32_t)rec->interp_count + rec->kernel_count + rec->user_count;
	uint32_t size = STACK_RECORD_HEAD + words * sizeof(rec->ips[0]);

	if (words <= WORDS_MAX && waiting_in(log, &cpu->front) + size <= stack_log_size) {
		cpu->in_log = size;
		copy = (uint64_t *)(log->data + (cpu->front.log_written & (stack_log_size - 1)) +
			offsetof(struct stack_record, process));
	} else {
		cpu->in_log = 0;
		copy = (uint64_t *)&cpu->record.process; /* stays as it is */
	}
	stack_hash(&cpu->record, hash_seed[0], hash_seed[1], copy);
	return 0;
}

/* User space comes for the logs at the end of the interval; it is woken earlier where one fills. */
static __noinline int tell_that_log_fills(struct cpu_front *front)
{
	struct event event = {.kind = EVENT_LOG_FILLS};

	if (bpf_ringbuf_output(&events, &event, sizeof(event), BPF_RB_FORCE_WAKEUP) == 0)
		front->log_told = front->log_written;
	return 0;
}

/* What hash_record() has left in the log is completed and becomes a record of it. False where there was no room. */
static __noinline int send_record(struct cpu_state *cpu)
{
	const struct stack_record *rec = &cpu->record;
	struct cpu_front *front = &cpu->front;
	struct stack_log *log = this_log();
	uint64_t written = front->log_written;
	struct stack_record *sent;

	if (!log || !cpu->in_log)
		return 0;
	sent = (void *)(log->data + (written & (stack_log_size - 1)));
	sent->key = rec->key;
	sent->tid = rec->tid;
	sent->epoch = rec->epoch;
	sent->counted = rec->counted;
	written += cpu->in_log;
	*(volatile uint64_t *)&front->log_written = written;
	if (written - front->log_read >= stack_log_size / 4 &&
		written - front->log_told >= stack_log_size / 4)
		tell_that_log_fills(front);
	return 1;
}

#endif
