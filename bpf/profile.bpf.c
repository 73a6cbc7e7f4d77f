// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The tick: what was this CPU doing just now?
 *
 *	tick -> whose cgroup? -> kernel stack + user stack -> hash -> seen? -> count[epoch][hash]++
 *	    '-> filtered     '-> first sight: event                    |       '-> once: record -> log
 *	                                                               '-> no: record -> log
 *
 * Most stacks of a busy program differ in their innermost address, and are met once: such a one goes to
 * user space as it is. One that was met before goes there once per interval, and is counted here.
 *
 * CPUs that are idle do not tick.
 *
 * There are two epochs: user space flips `epoch` of each CPU, waits until no program uses the old one, and reads the
 * old one's counts at leisure. A program reads `epoch` once, so a tick is wholly in one of them.
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
const volatile uint32_t stack_log_size = 4096; /* of data, a power of two */

/* Written by user space while we run; what each tick needs is in struct cpu_front. */
volatile uint32_t forgotten_generation; /* what was asked before this one is to be asked again */
volatile bool any_interp; /* whether it is worth looking into `interp_processes` */
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

#include "cpu.bpf.h"
#include "unwind.bpf.h"

#include "interp.bpf.h"
#include "stack_log.bpf.h"

static __always_inline void read_process(struct task_struct *task, struct process_key *process)
{
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);

	process->pid = bpf_get_current_pid_tgid() >> 32;
	process->exec_id = (uint32_t)BPF_CORE_READ(leader, self_exec_id);
	process->start_ns = BPF_CORE_READ(leader, start_boottime);
}

static __noinline int report_cgroups(struct cpu_state *cpu, struct task_struct *task)
{
	const struct place *place = &cpu->place;
	struct cgroup_event *event = &cpu->event;
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

/* Whether cgroups say to record the tick, and for whom: sets rec->cgroup. A container in either hierarchy wins. */
static __noinline int judge_cgroups(struct cpu_state *cpu, struct task_struct *task,
	struct css_set *set)
{
	struct stack_record *rec = &cpu->record;
	struct place *place = &cpu->place;
	uint32_t now = cpu->front.generation;
	bool pending2, pending1;

	place->v2 = BPF_CORE_READ(set, dfl_cgrp);
	place->v1 = v1_cgroup(set);
	judge(place->v2, 0, now, &place->j2);
	judge(place->v1, CGROUP_V1_BIT, now, &place->j1);
	if (place->j2.unknown || place->j1.unknown)
		report_cgroups(cpu, task);
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

/* Whether what user space says of the task's cgroups is its last word. */
static __always_inline bool is_settled(const struct place *place)
{
	return place->j2.root || place->j1.root ||
		(place->j2.verdict != VERDICT_PENDING && place->j1.verdict != VERDICT_PENDING);
}

/* Fills the task's entry. It is kept for other ticks where that does not depend on an answer. */
static __noinline int judge_task(struct cpu_state *cpu, struct task_struct *task,
	struct css_set *set)
{
	struct recent_task *r = task_of(cpu);
	uint32_t pid = cpu->record.process.pid, now = cpu->front.generation;
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	bool settled = true;

	r->by_pid = pid != self_pid && wanted_by_pid(pid);
	r->keep = r->by_pid;
	if (!r->by_pid && pid != self_pid) {
		r->keep = judge_cgroups(cpu, task, set);
		settled = is_settled(&cpu->place);
	}
	r->task = (uint64_t)task;
	r->set = (uint64_t)set;
	r->leader = (uint64_t)leader;
	r->cgroup = cpu->record.cgroup;
	r->start_ns = BPF_CORE_READ(leader, start_boottime);
	r->tid = cpu->record.tid;
	r->generation = now;
	r->interval = settled ? cpu->front.interval : 0;
	r->processes_generation =
		cpu->front.processes_generation - 1; /* so the process is looked up */
	return 0;
}

static __always_inline bool is_recent(const struct cpu_state *cpu, const struct recent_task *r,
	const struct task_struct *task, const struct css_set *set)
{
	return r->task == (uint64_t)task && r->set == (uint64_t)set && r->tid == cpu->task &&
		r->generation == cpu->front.generation && r->interval == cpu->front.interval;
}

/* Whether the tick is recorded; and if so, for whom. */
static __always_inline bool wanted(struct cpu_state *cpu, struct task_struct *task)
{
	struct stack_record *rec = &cpu->record;
	struct css_set *set = BPF_CORE_READ(task, cgroups);
	const struct task_struct *leader;
	struct recent_task *r;

	cpu->task = rec->tid;
	r = task_of(cpu);
	if (!is_recent(cpu, r, task, set))
		judge_task(cpu, task, set);
	if (!r->keep)
		return false;
	leader = (const struct task_struct *)r->leader;
	rec->cgroup = r->cgroup;
	rec->flags = r->by_pid ? STACK_BY_PID : 0;
	rec->process.exec_id = (uint32_t)BPF_CORE_READ(leader, self_exec_id);
	rec->process.start_ns = r->start_ns;
	return true;
}

static __noinline int report_process(const struct process_key *process)
{
	const struct process_key *seen = bpf_map_lookup_elem(&processes, &process->pid);
	struct event event = {.kind = EVENT_PROCESS_SEEN, .process = *process};

	if (seen && seen->exec_id == process->exec_id && seen->start_ns == process->start_ns)
		return 0;
	event.time_ns = bpf_ktime_get_boot_ns();
	if (bpf_ringbuf_output(&events, &event, sizeof(event), BPF_RB_FORCE_WAKEUP) == 0)
		bpf_map_update_elem(&processes, &process->pid, process, BPF_ANY);
	return 0;
}

/* What user space has told of the process; which is told of it, if it is new. */
static __noinline int look_up_process(struct cpu_state *cpu)
{
	struct recent_task *r = task_of(cpu);
	const struct process_key *id = &cpu->record.process;
	uint32_t now = cpu->front.processes_generation;
	const struct known_process *known = bpf_map_lookup_elem(&known_processes, &id->pid);

	r->known = known && known->id.exec_id == id->exec_id && known->id.start_ns == id->start_ns;
	r->mappings = r->known ? known->mappings : 0;
	r->mapping_count = r->known ? known->mapping_count : 0;
	r->serial = r->known ? known->serial : 0;
	r->quiet = r->known ? known->quiet : 0;
	read_interp_process(id, &r->interp);
	r->exec_id = id->exec_id;
	r->processes_generation = now;
	report_process(id);
	return 0;
}

static __always_inline void read_kernel_stack(struct bpf_perf_event_data *ctx,
	struct stack_record *rec)
{
	uint32_t at = rec->interp_count;
	long size;

	if (at > INTERP_WORDS_MAX)
		return;
	size = bpf_get_stack(ctx, &rec->ips[at], KERNEL_FRAMES_MAX * sizeof(rec->ips[0]), 0);
	if (size <= 0)
		return;
	rec->kernel_count = (uint16_t)((uint64_t)size / sizeof(rec->ips[0]));
	if (rec->kernel_count == KERNEL_FRAMES_MAX)
		rec->flags |= STACK_KERNEL_TRUNCATED;
}

/* The kernel's own walk, by frame pointers alone. */
static __always_inline void read_user_stack_of_kernel(struct bpf_perf_event_data *ctx,
	struct stack_record *rec)
{
	uint32_t at = (uint32_t)rec->interp_count + rec->kernel_count;
	long size;

	if (at > INTERP_WORDS_MAX + KERNEL_FRAMES_MAX)
		return;
	size = bpf_get_stack(ctx, &rec->ips[at], KERNEL_FRAMES_MAX * sizeof(rec->ips[0]),
		BPF_F_USER_STACK);
	if (size > 0)
		rec->user_count = (uint16_t)((uint64_t)size / sizeof(rec->ips[0]));
	rec->user_end =
		rec->user_count == KERNEL_FRAMES_MAX ? UNWIND_END_TRUNCATED : UNWIND_END_UNTOLD;
}

static __always_inline void begin_walk(struct cpu_state *cpu)
{
	const struct recent_task *r = task_of(cpu);
	struct unwind_state *s = &cpu->walk;

	cpu->serial = r->serial;
	cpu->window.size = 0;
	s->leaf_known = 1;
	s->jumps = 0;
	s->frames = 0;
	walk_begin(s, r->mappings, r->mapping_count);
}

/* Whether there is a stack to walk, which is then begun. */
static __always_inline bool begin_user_stack(struct bpf_perf_event_data *ctx,
	struct task_struct *task, struct cpu_state *cpu)
{
	struct stack_record *rec = &cpu->record;
	struct unwind_env env = {.cpu = cpu};

	rec->user_end = UNWIND_END_NO_USER;
	if (!user_stacks || !user_regs_read(ctx, task, &cpu->user, &cpu->walk))
		return false;
	if (cpu->walk.exact)
		rec->flags |= STACK_LEAF_EXACT;
	if (kernel_walks_user) {
		read_user_stack_of_kernel(ctx, rec);
		return false;
	}
	if (cpu->user.compat) {
		walk_push(&env, cpu->walk.ip);
		rec->user_end = UNWIND_END_COMPAT;
		return false;
	}
	begin_walk(cpu);
	return true;
}

/*
 * Whether user space can walk the stack where we cannot: the process, its mapping or the tables are not
 * known yet. It learns of them by this, as by a page fault.
 */
static __always_inline bool is_for_user_space(struct cpu_state *cpu)
{
	if (cpu->walk.result == UNWIND_END_NO_MAPPING)
		return task_of(cpu)->quiet != cpu->front.interval && cpu->walk.mapping_count;
	return cpu->walk.result == UNWIND_END_NOT_LOADED;
}

/* Leaves the rest of the tick to user space. False where there is no room for that. */
static __always_inline bool hand_over_walk(struct cpu_state *cpu, struct tally *tally)
{
	if (!send_snapshot(&cpu->record, &cpu->walk))
		return false;
	tally->uncounted++;
	return true;
}

/* A record that found no room is tried again with the next tick that has the same stack. */
static __noinline int count_record(struct cpu_state *cpu, struct tally *tally)
{
	struct stack_record *rec = &cpu->record;
	uint32_t now = cpu->epoch;
	struct stack_count *count = NULL;
	void *map = bpf_map_lookup_elem(&counts, &now);

	if (map)
		count = bpf_map_lookup_elem(map, &rec->key);
	if (map && !count) {
		struct stack_count first = {};

		bpf_map_update_elem(map, &rec->key, &first, BPF_NOEXIST);
		count = bpf_map_lookup_elem(map, &rec->key);
	}
	rec->counted = count != NULL;
	if (count) {
		tally->counted++;
		__sync_fetch_and_add(&count->ticks, 1);
		if (!count->sent && send_record(cpu))
			count->sent = 1;
	} else if (send_record(cpu)) {
		tally->uncounted++;
	} else {
		tally->lost_full++;
	}
	return 0;
}

/* Whether this CPU has met the stack lately. It may say so of one that it has not. */
static __always_inline bool is_seen(struct cpu_state *cpu)
{
	uint64_t hash = cpu->record.key.hash;
	uint16_t *seen = &cpu->seen[hash & (SEEN_STACKS - 1)];
	bool known = *seen == hash >> 48;

	*seen = (uint16_t)(hash >> 48);
	return known;
}

static __always_inline void reset_record(struct stack_record *rec, uint32_t now, uint64_t pid_tgid)
{
	rec->tid = (uint32_t)pid_tgid;
	rec->process.pid = pid_tgid >> 32;
	rec->epoch = (uint8_t)now;
	rec->counted = 0;
	rec->cgroup = 0;
	rec->cgroup_v1 = 0;
	rec->flags = 0;
	rec->kernel_count = 0;
	rec->user_count = 0;
	rec->interp_count = 0;
	bpf_get_current_comm(rec->comm, sizeof(rec->comm));
}

/* Everything is known about the tick but the user stack. False where it is not to be recorded. */
static __always_inline bool begin_tick(struct bpf_perf_event_data *ctx, struct cpu_state *cpu,
	struct tally *tally, const bool loop_helper)
{
	uint64_t pid_tgid = bpf_get_current_pid_tgid();
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct stack_record *rec = &cpu->record;

	tally->ticks++;
	reset_record(rec, cpu->epoch, pid_tgid);
	if (!wanted(cpu, task)) {
		tally->filtered++;
		return false;
	}
	if (!rec->process.start_ns) {
		tally->lost_task++;
		return false;
	}
	if (task_of(cpu)->processes_generation != cpu->front.processes_generation ||
		task_of(cpu)->exec_id != rec->process.exec_id)
		look_up_process(cpu);
	if (user_stacks)
		read_interp_frames(cpu, task, loop_helper);
	if (kernel_stacks && !interrupted_user(ctx))
		read_kernel_stack(ctx, rec);
	return true;
}

static __always_inline void end_tick(struct cpu_state *cpu, struct tally *tally)
{
	hash_record();
	if (is_seen(cpu) || !send_record(cpu))
		count_record(cpu, tally);
	else
		tally->uncounted++;
}

static __always_inline void end_walk(struct cpu_state *cpu, struct tally *tally)
{
	struct unwind_env env = {.cpu = cpu};

	if (cpu->walk.result == UNWIND_GOING)
		cpu->walk.result = UNWIND_END_TRUNCATED;
	if (task_of(cpu)->known && is_for_user_space(cpu) && hand_over_walk(cpu, tally))
		return;
	walk_push_last(&env, &cpu->walk);
	cpu->record.user_end = (uint8_t)cpu->walk.result;
	end_tick(cpu, tally);
}

/* All of a tick but the walk. NULL where it has ended with that; else where it is to be counted. */
static __always_inline struct tally *walk_is_next(struct bpf_perf_event_data *ctx,
	struct cpu_state *cpu, const bool loop_helper)
{
	uint32_t now = cpu->front.epoch & 1;
	struct tally *tally = &cpu->front.tally[now];

	cpu->epoch = now;
	if (!begin_tick(ctx, cpu, tally, loop_helper))
		return NULL;
	if (!begin_user_stack(ctx, (struct task_struct *)bpf_get_current_task(), cpu)) {
		end_tick(cpu, tally);
		return NULL;
	}
	return task_of(cpu)->known || !hand_over_walk(cpu, tally) ? tally : NULL;
}

/* Two builds of the same; user space loads the one that the kernel can run. */
SEC("perf_event")
int profile(struct bpf_perf_event_data *ctx)
{
	struct cpu_state *cpu = this_cpu();
	struct tally *tally = cpu ? walk_is_next(ctx, cpu, true) : NULL;

	if (!tally)
		return 0;
	bpf_loop(USER_FRAMES_MAX / FRAMES_PER_CALL + 1, walk_some, &cpu, 0);
	end_walk(cpu, tally);
	return 0;
}

/* Before 5.17, without bpf_loop(). */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(uint32_t));
	__uint(value_size, sizeof(uint32_t));
} walk_on SEC(".maps");

SEC("perf_event")
int profile_plain(struct bpf_perf_event_data *ctx)
{
	struct cpu_state *cpu = this_cpu();
	struct tally *tally = cpu ? walk_is_next(ctx, cpu, false) : NULL;

	if (!tally)
		return 0;
	bpf_tail_call(ctx, &walk_on, 0);
	end_walk(cpu, tally);
	return 0;
}

SEC("perf_event")
int walk_plain(struct bpf_perf_event_data *ctx)
{
	struct cpu_state *cpu = this_cpu();

	if (!cpu)
		return 0;
	struct unwind_env env = {.cpu = cpu};
	struct tally *tally = &cpu->front.tally[cpu->epoch & 1];
	bool going = true;

#pragma clang loop unroll(disable)
	for (int i = 0; going && i < FRAMES_PER_TAIL_CALL; i++)
		going = !walk_frame(&env, &cpu->walk);
	if (going)
		bpf_tail_call(ctx, &walk_on, 0);
	end_walk(cpu, tally);
	return 0;
}
