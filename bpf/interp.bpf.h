// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * At a tick: the language frames of the thread, where user space has told of a runtime in its process, at the
 * front of the stack's record. The runtimes' own loops are plain headers (python_walk.h), which user
 * space runs as well; here is what they have in common.
 *
 * A thread whose state nobody knows is told of, once an interval; user space looks for it and answers in
 * `interp_threads`.
 */
#ifndef BPF_INTERP_BPF_H
#define BPF_INTERP_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "cpu.bpf.h"
#include "profile.h"

/* Frames without bpf_loop(), before 5.17. */
#define INTERP_FRAMES_PLAIN 48

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, INTERP_PROCESSES_MAX);
	__type(key, struct process_key);
	__type(value, struct interp_process);
} interp_processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct interp_thread_key);
	__type(value, struct interp_thread_value);
} interp_threads SEC(".maps");

struct interp_walk {
	const struct python_process *python;
	struct python_walk *walk;
	struct stack_record *record;
};

/* One frame; nonzero ends the walk. Has the form that bpf_loop() calls. */
static long interp_one(uint32_t index, struct interp_walk *w)
{
	struct stack_record *rec = w->record;
	struct interp_frame frame = {};
	uint32_t at = rec->interp_count;
	enum python_outcome outcome;

	(void)index;
	if (!w->walk->frame || at > INTERP_WORDS_MAX - 2)
		return 1;
	outcome = python_next(NULL, w->python, w->walk, &frame);
	if (outcome == PYTHON_NONE)
		return 0;
	rec->ips[at] = outcome == PYTHON_LAST ? frame.code | INTERP_LAST : frame.code;
	rec->ips[at + 1] = (uint64_t)frame.check << 32 | frame.at;
	rec->interp_count = (uint16_t)(at + 2);
	return 0;
}

static __noinline int report_thread(const struct process_key *process, uint64_t thread_pointer,
	uint32_t interval)
{
	struct interp_thread_key key = {.thread_pointer = thread_pointer, .pid = process->pid};
	struct interp_thread_value asked = {.asked = interval};
	struct event event = {.kind = EVENT_THREAD_UNKNOWN, .process = *process};

	if (bpf_map_update_elem(&interp_threads, &key, &asked, BPF_ANY) == 0)
		bpf_ringbuf_output(&events, &event, sizeof(event), BPF_RB_FORCE_WAKEUP);
	return 0;
}

/* Whether there are frames to be walked, which is then begun. */
static __noinline int interp_begin(struct cpu_state *cpu, struct task_struct *task)
{
	const struct python_process *python = &task_of(cpu)->interp.python;
	struct python_walk *walk = &cpu->python;
	struct interp_thread_key key = {.pid = cpu->record.process.pid};
	const struct interp_thread_value *known;

	walk->thread_pointer = thread_pointer_of(task);
	walk->state = 0;
	if (python_begin(NULL, python, walk))
		return walk->frame != 0;
	key.thread_pointer = walk->thread_pointer;
	known = bpf_map_lookup_elem(&interp_threads, &key);
	if (known)
		walk->state = known->state;
	if (walk->state && python_begin(NULL, python, walk))
		return walk->frame != 0;
	if (python_never_ran(NULL, &python->path, walk->thread_pointer))
		return 0;
	if (!known || known->asked != cpu->front.interval)
		report_thread(&cpu->record.process, walk->thread_pointer, cpu->front.interval);
	return 0;
}

/* What user space has told of a runtime in the process. */
static __always_inline void read_interp_process(const struct process_key *id,
	struct interp_process *ret)
{
	const struct interp_process *process =
		any_interp ? bpf_map_lookup_elem(&interp_processes, id) : NULL;

	if (process)
		*ret = *process;
	else
		ret->kind = INTERP_NONE;
}

/* Sets rec->interp_count and the words at the record's front. rec->process is known. */
static __always_inline void read_interp_frames(struct cpu_state *cpu, struct task_struct *task,
	const bool loop_helper)
{
	const struct interp_process *process = &task_of(cpu)->interp;
	struct stack_record *rec = &cpu->record;
	struct interp_walk w = {.record = rec, .python = &process->python, .walk = &cpu->python};

	rec->interp_count = 0;
	if (process->kind != INTERP_PYTHON)
		return;
	if (!interp_begin(cpu, task))
		return;
	if (loop_helper) {
		bpf_loop(INTERP_FRAMES_MAX + INTERP_SHIMS_MAX, interp_one, &w, 0);
		return;
	}
#pragma clang loop unroll(disable)
	for (uint32_t i = 0; i < INTERP_FRAMES_PLAIN; i++)
		if (interp_one(i, &w))
			return;
}

#endif
