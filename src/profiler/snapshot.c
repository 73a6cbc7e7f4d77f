// SPDX-License-Identifier: Apache-2.0
/*
 * BPF sends a snapshot for the first tick of a process, for code in no mapping that we told of, and for
 * code whose tables are not loaded. Each time something is missing that can be had now, while the process
 * still lives: its mappings are read, its files opened, the rows of all code on the stack loaded. So one
 * snapshot makes that stack, and all like it, walkable in the kernel. The walk goes on where the kernel's
 * stopped.
 *
 * A process that jumps to where it has no code would have its mappings read at each tick; therefore they
 * are read once, and then the kernel is asked to be quiet about them for the rest of the interval.
 */
#include "profiler/snapshot.h"

#include <string.h>

#include "bpf/stack_hash.h"

static bool snapshot_valid(const struct snapshot *s, size_t size)
{
	return size >= SNAPSHOT_HEAD && s->stack_size <= size - SNAPSHOT_HEAD &&
		s->code_size <= SNAPSHOT_CODE;
}

static enum unwind_end walk(struct snapshot_walker *w, const struct process_id *id,
	const struct snapshot *s, size_t *ret_count)
{
	struct stack_record *rec = &w->record;
	struct kept_stack stack = {
		.regs = s->regs,
		.exact = s->exact,
		.leaf_known = s->leaf_known,
		.jumps = s->jumps,
		.frames = rec->user_count,
		.stack_start = s->stack_start,
		.stack_size = s->stack_size,
		.stack = s->stack,
		.code_size = s->code_size,
		.code = s->code,
	};

	return unwinder_walk(w->unwinder, id, &stack,
		rec->ips + rec->interp_count + rec->kernel_count + rec->user_count,
		PROFILER_USER_FRAMES - rec->user_count, ret_count);
}

static void tell_of(struct snapshot_walker *w, const struct process_id *id, uint64_t at_ns)
{
	static const struct process_maps unreadable;

	if (unwinder_knows_process(w->unwinder, id))
		return;
	if (w->ops->process_seen)
		w->ops->process_seen(w->ctx, id, at_ns);
	if (!unwinder_knows_process(w->unwinder, id))
		unwinder_set_process(w->unwinder, id, &unreadable);
}

size_t snapshot_walk(struct snapshot_walker *w, const void *data, size_t size)
{
	const struct snapshot *s = data;
	struct stack_record *rec = &w->record;
	size_t count = 0;

	if (!snapshot_valid(s, size))
		return 0;
	*rec = s->record;
	if (rec->kernel_count > KERNEL_FRAMES_MAX || rec->interp_count > INTERP_WORDS_MAX ||
		rec->user_count > PROFILER_USER_FRAMES)
		return 0;
	struct process_id id = {rec->process.pid, rec->process.exec_id, rec->process.start_ns};

	tell_of(w, &id, s->time_ns);
	enum unwind_end end = walk(w, &id, s, &count);

	if (end == UNWIND_END_NO_MAPPING) {
		if (w->ops->process_changed)
			w->ops->process_changed(w->ctx, &id);
		end = walk(w, &id, s, &count);
		if (end == UNWIND_END_NO_MAPPING)
			unwinder_quiet_process(w->unwinder, &id);
	}
	rec->user_count = (uint16_t)(rec->user_count + count);
	rec->user_end = (uint8_t)end;
	rec->counted = 0;
	stack_hash(rec, w->hash_seed[0], w->hash_seed[1], NULL);
	return STACK_RECORD_HEAD +
		((size_t)rec->interp_count + rec->kernel_count + rec->user_count) *
		sizeof(rec->ips[0]);
}
