// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The tick: what was this CPU doing just now?
 *
 *	tick -> idle? -> whose cgroup? -> kernel stack + user stack -> hash -> count[epoch][hash]++
 *	             '-> filtered     '-> first sight: event              '-> first sight: record -> ring
 *
 * A stack travels to user space once per interval and is counted here. There are two epochs: user space
 * flips `epoch`, waits until no program uses the old one, and reads the old one's counts at leisure. A
 * program reads `epoch` once, so a tick is wholly in one of them.
 *
 * Accounting: each tick ends in exactly one field of struct tally beside `ticks`. What finds no room is
 * counted all the same, so that the sums hold whatever happens.
 *
 * The program runs in the timer's hard interrupt, once per CPU at a time: per-CPU memory is its own.
 */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "profile.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Set before loading. */
const volatile uint32_t self_pid;
const volatile bool kernel_stacks = true;
const volatile bool user_stacks = true;
const volatile bool kernel_walks_user; /* this kernel's bpf_probe_read_user() is not safe to use */
const volatile uint32_t v1_controller = V1_NONE;
const volatile uint64_t hash_seed[2];
const volatile uint64_t wakeup_bytes = 1;

/* Written by user space while we run. */
volatile uint32_t epoch;
volatile uint32_t generation; /* of the verdicts; changes after each change of them */
volatile uint32_t forgotten_generation; /* what was asked before this one is to be asked again */
volatile bool any_pids; /* whether it is worth looking into `pids` */

struct counts {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct stack_key);
	__type(value, struct stack_count);
};

struct counts counts_0 SEC(".maps"), counts_1 SEC(".maps");

/* By epoch. That it is a map of maps gives user space its way to wait for us: profiler.c. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, uint32_t);
	__array(values, struct counts);
} counts SEC(".maps") = {
	.values = {&counts_0, &counts_1},
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, uint32_t);
	__type(value, struct tally);
} tallies SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 512 * 1024);
} stacks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 128 * 1024);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, uint64_t);
	__type(value, uint32_t);
} verdicts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, uint64_t);
	__type(value, struct cgroup_entry);
} judged SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, uint32_t);
	__type(value, uint8_t);
} pids SEC(".maps");

/* The last image seen of each pid. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, uint32_t);
	__type(value, struct process_key);
} processes SEC(".maps");

#include "cgroup.bpf.h"
#include "frame_pointer.bpf.h"

/* Where a task is in the two hierarchies. */
struct place {
	struct cgroup *v2, *v1;
	struct judgement j2, j1;
};

/* Too large for the stack of 512 bytes; and what is here, the verifier does not follow by value. */
struct scratch {
	struct stack_record record;
	struct place place;
	struct walk walk;
	struct cgroup_event event;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct scratch);
} scratches SEC(".maps");

static __always_inline void read_process(struct task_struct *task, struct process_key *process)
{
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);

	process->pid = bpf_get_current_pid_tgid() >> 32;
	process->exec_id = (uint32_t)BPF_CORE_READ(leader, self_exec_id);
	process->start_ns = BPF_CORE_READ(leader, start_boottime);
}

#define SUBSYS_INDEX(name)                                                                         \
	(bpf_core_enum_value_exists(enum cgroup_subsys_id, name)                                   \
			? bpf_core_enum_value(enum cgroup_subsys_id, name)                         \
			: -1)

static __always_inline int v1_index(void)
{
	switch (v1_controller) {
	case V1_CPU:
		return SUBSYS_INDEX(cpu_cgrp_id);
	case V1_CPUACCT:
		return SUBSYS_INDEX(cpuacct_cgrp_id);
	case V1_MEMORY:
		return SUBSYS_INDEX(memory_cgrp_id);
	case V1_DEVICES:
		return SUBSYS_INDEX(devices_cgrp_id);
	case V1_FREEZER:
		return SUBSYS_INDEX(freezer_cgrp_id);
	case V1_PIDS:
		return SUBSYS_INDEX(pids_cgrp_id);
	}
	return -1;
}

/* NULL where no v1 hierarchy is followed. */
static __always_inline struct cgroup *v1_cgroup(struct css_set *set)
{
	struct cgroup_subsys_state *css = NULL;
	int index = v1_index();

	if (index < 0)
		return NULL;
	bpf_probe_read_kernel(&css, sizeof(css),
		(void *)__builtin_preserve_access_index(&set->subsys) +
			(unsigned int)index * sizeof(css));
	return css ? BPF_CORE_READ(css, cgroup) : NULL;
}

static __noinline int report_cgroups(struct scratch *scratch, struct task_struct *task)
{
	const struct place *place = &scratch->place;
	struct cgroup_event *event = &scratch->event;
	uint32_t levels;

	event->head.kind = EVENT_CGROUP_SEEN;
	event->head.v2_depth = event->head.v1_depth = 0;
	read_process(task, &event->head.process);
	describe(event, &event->head.v2_depth, place->v2, 0);
	describe(event, &event->head.v1_depth, place->v1, CGROUP_V1_BIT);
	levels = (uint32_t)event->head.v2_depth + event->head.v1_depth;
	if (levels > 2 * CHAIN_DEPTH_MAX)
		return 0;
	if (bpf_ringbuf_output(&events, event,
		    sizeof(event->head) + levels * sizeof(event->level[0]), BPF_RB_FORCE_WAKEUP))
		return 0;
	mark_asked(&place->j2);
	mark_asked(&place->j1);
	return 0;
}

/* Whether to record the tick, and for whom: sets rec->cgroup. A container in either hierarchy wins. */
static __always_inline bool wanted(struct scratch *scratch, struct task_struct *task)
{
	struct stack_record *rec = &scratch->record;
	struct place *place = &scratch->place;
	struct css_set *set = BPF_CORE_READ(task, cgroups);
	bool pending2, pending1;

	place->v2 = BPF_CORE_READ(set, dfl_cgrp);
	place->v1 = v1_cgroup(set);
	judge(place->v2, 0, &place->j2);
	judge(place->v1, CGROUP_V1_BIT, &place->j1);
	if (place->j2.unknown || place->j1.unknown)
		report_cgroups(scratch, task);
	if (place->j2.root || place->j1.root) {
		const struct judgement *j = place->j2.root ? &place->j2 : &place->j1;

		rec->cgroup = j->root;
		return j->verdict == VERDICT_KEEP;
	}
	pending2 = place->j2.verdict == VERDICT_PENDING;
	pending1 = place->j1.verdict == VERDICT_PENDING;
	rec->cgroup = pending2 ? place->j2.leaf : place->j1.leaf;
	rec->cgroup_v1 = pending2 && pending1 ? place->j1.leaf : 0;
	return pending2 || pending1;
}

static __always_inline bool wanted_by_pid(uint32_t pid)
{
	return any_pids && bpf_map_lookup_elem(&pids, &pid);
}

static __noinline int report_process(const struct process_key *process)
{
	const struct process_key *seen = bpf_map_lookup_elem(&processes, &process->pid);
	struct event event = {.kind = EVENT_PROCESS_SEEN, .process = *process};

	if (seen && seen->exec_id == process->exec_id && seen->start_ns == process->start_ns)
		return 0;
	if (bpf_ringbuf_output(&events, &event, sizeof(event), BPF_RB_FORCE_WAKEUP) == 0)
		bpf_map_update_elem(&processes, &process->pid, process, BPF_ANY);
	return 0;
}

static __always_inline void read_kernel_stack(struct bpf_perf_event_data *ctx,
	struct stack_record *rec)
{
	long size = bpf_get_stack(ctx, rec->ips, FRAMES_MAX * sizeof(rec->ips[0]), 0);

	if (size <= 0)
		return;
	rec->kernel_count = (uint8_t)((uint64_t)size / sizeof(rec->ips[0]));
	if (rec->kernel_count == FRAMES_MAX)
		rec->flags |= STACK_KERNEL_TRUNCATED;
}

static __always_inline void read_user_stack(struct bpf_perf_event_data *ctx,
	struct task_struct *task, struct scratch *scratch, const bool loop_helper)
{
	struct stack_record *rec = &scratch->record;
	struct user_regs regs = {};
	uint32_t at = rec->kernel_count;
	long size;

	if (at > FRAMES_MAX || !user_regs_read(ctx, task, &regs))
		return;
	if (regs.exact)
		rec->flags |= STACK_LEAF_EXACT;
	if (!kernel_walks_user) {
		walk_frame_pointers(rec, &scratch->walk, &regs, loop_helper);
		return;
	}
	size = bpf_get_stack(ctx, &rec->ips[at], FRAMES_MAX * sizeof(rec->ips[0]),
		BPF_F_USER_STACK);
	if (size > 0)
		rec->user_count = (uint8_t)((uint64_t)size / sizeof(rec->ips[0]));
	if (rec->user_count == FRAMES_MAX)
		rec->flags |= STACK_USER_TRUNCATED;
}

/* Two independent lanes of multiply and shift over what makes a stack; see struct stack_key. */
static __always_inline void hash_record(struct stack_record *rec)
{
	const uint64_t *words = (const uint64_t *)&rec->process;
	const uint32_t fixed = (STACK_RECORD_HEAD - offsetof(struct stack_record, process)) / 8;
	uint32_t count = fixed + rec->kernel_count + rec->user_count;
	uint64_t a = hash_seed[0], b = hash_seed[1];

#pragma clang loop unroll(disable)
	for (uint32_t i = 0; i < fixed + 2 * FRAMES_MAX; i++) {
		if (i >= count)
			break;
		a = (a ^ words[i]) * 0x9fb21c651e98df25ULL;
		a ^= a >> 32;
		b = (b + words[i]) * 0xd6e8feb86659fd93ULL;
		b ^= b >> 29;
	}
	a *= 0x94d049bb133111ebULL;
	rec->key.hash = a ^ (a >> 31);
	rec->key.hash_low = (uint32_t)(b >> 32);
	rec->key.pid = rec->process.pid;
}

/* User space comes for the ring at the end of the interval; it is woken earlier where need be. */
static __always_inline bool send_record(struct stack_record *rec)
{
	uint32_t addresses = (uint32_t)rec->kernel_count + rec->user_count;
	uint64_t flags = BPF_RB_NO_WAKEUP;

	if (addresses > 2 * FRAMES_MAX)
		return false;
	if (bpf_ringbuf_query(&stacks, BPF_RB_AVAIL_DATA) >= wakeup_bytes)
		flags = BPF_RB_FORCE_WAKEUP;
	return bpf_ringbuf_output(&stacks, rec, STACK_RECORD_HEAD + addresses * sizeof(rec->ips[0]),
		       flags) == 0;
}

/* A record that found no room is tried again with the next tick that has the same stack. */
static __always_inline void count_record(struct stack_record *rec, uint32_t now,
	struct tally *tally)
{
	void *map = bpf_map_lookup_elem(&counts, &now);
	struct stack_count *count;

	if (!map) {
		tally->lost_full++;
		return;
	}
	count = bpf_map_lookup_elem(map, &rec->key);
	if (!count) {
		struct stack_count first = {};

		/* A new image's first tick cannot have a known stack. */
		report_process(&rec->process);
		bpf_map_update_elem(map, &rec->key, &first, BPF_NOEXIST);
		count = bpf_map_lookup_elem(map, &rec->key);
	}
	rec->counted = count != NULL;
	if (count) {
		tally->counted++;
		__sync_fetch_and_add(&count->ticks, 1);
		if (!count->sent && send_record(rec))
			count->sent = 1;
	} else if (send_record(rec)) {
		tally->uncounted++;
	} else {
		tally->lost_full++;
	}
}

static __always_inline void reset_record(struct stack_record *rec, uint32_t now, uint32_t tid)
{
	rec->tid = tid;
	rec->epoch = (uint8_t)now;
	rec->cgroup = 0;
	rec->cgroup_v1 = 0;
	rec->flags = 0;
	rec->kernel_count = 0;
	rec->user_count = 0;
	bpf_get_current_comm(rec->comm, sizeof(rec->comm));
}

static __always_inline int tick(struct bpf_perf_event_data *ctx, const bool loop_helper)
{
	uint32_t now = epoch & 1, zero = 0;
	struct tally *tally = bpf_map_lookup_elem(&tallies, &now);
	struct scratch *scratch = bpf_map_lookup_elem(&scratches, &zero);
	uint64_t pid_tgid = bpf_get_current_pid_tgid();
	uint32_t pid = (uint32_t)(pid_tgid >> 32);
	struct task_struct *task;
	struct stack_record *rec;

	if (!tally || !scratch)
		return 0;
	tally->ticks++;
	if (pid_tgid == 0) {
		tally->idle++;
		return 0;
	}
	if (pid == self_pid) {
		tally->filtered++;
		return 0;
	}
	task = (struct task_struct *)bpf_get_current_task();
	rec = &scratch->record;
	reset_record(rec, now, (uint32_t)pid_tgid);
	if (wanted_by_pid(pid)) {
		rec->flags |= STACK_BY_PID;
	} else if (!wanted(scratch, task)) {
		tally->filtered++;
		return 0;
	}
	read_process(task, &rec->process);
	if (!rec->process.start_ns) {
		tally->lost_task++;
		return 0;
	}
	if (kernel_stacks && !interrupted_user(ctx))
		read_kernel_stack(ctx, rec);
	if (user_stacks)
		read_user_stack(ctx, task, scratch, loop_helper);
	hash_record(rec);
	count_record(rec, now, tally);
	return 0;
}

/* Two builds of the same; user space loads the first that the kernel can. */
SEC("perf_event")
int profile(struct bpf_perf_event_data *ctx)
{
	return tick(ctx, true);
}

/* Before 5.17, without bpf_loop(). */
SEC("perf_event")
int profile_plain(struct bpf_perf_event_data *ctx)
{
	return tick(ctx, false);
}
