// SPDX-License-Identifier: Apache-2.0
/*
 * Two rings come from BPF: events and snapshots, taken as soon as the loop turns; and a log of stacks from each CPU,
 * read at the end of the interval or when one is a quarter full. A stack goes into the table of the
 * epoch that its record names, and gets its count from that epoch's map when the epoch has ended:
 *
 *	logs of stacks --------> tables[0], tables[1]    tables[old] + counts[old] --> on_sample
 *	snapshots ring --walk--'
 *	events ring --> process_seen, cgroup_seen
 *
 * At the end of an interval every tick of it is in exactly one place: filtered or lost in the
 * tally; or in the count map, with its stack in the table (recorded) or without (lost, the log was
 * full); or it came as an uncounted record (the stack was met for the first time, the count map was
 * full, or user space walked it).
 */
#include "profiler/profiler.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/macros.h"
#include "profile.skel.h"
#include "profiler/cpu_values.h"
#include "profiler/environment.h"
#include "profiler/events.h"
#include "profiler/interval.h"
#include "profiler/load.h"
#include "profiler/ring.h"
#include "profiler/snapshot.h"
#include "profiler/stack_logs.h"
#include "profiler/stack_table.h"
#include "profiler/ticker.h"
#include "profiler/unwind_memory.h"

const char *const profiler_loss_names[LOSS_COUNT] = {
	[LOSS_RING_FULL] = "ring_full",
	[LOSS_MAP_FULL] = "map_full",
	[LOSS_NO_TASK] = "no_task",
};

struct profiler {
	struct profile_bpf *skel;
	struct ticker ticker;
	struct ring events, snapshots;
	struct stack_logs logs;
	struct unwind_memory memory;
	struct unwinder *unwinder;
	struct snapshot_walker walker;
	uint32_t interval; /* its number */
	struct stack_table tables[2]; /* by epoch */
	struct cpu_values cpus;
	const struct profiler_ops *ops;
	void *ctx;
	uint32_t epoch;
	bool round_failed; /* the last one */
	uint32_t generation; /* of the verdicts */
	size_t pid_count;
	int64_t start_ns; /* of the interval */
	char *proc, *sys;
};

static void on_event(struct ring *ring, const void *data, size_t size)
{
	struct profiler *p = container_of(ring, struct profiler, events);
	const struct event *event = data;

	if (size >= sizeof(*event) && event->kind == EVENT_LOG_FILLS)
		profiler_fetch(p);
	else
		event_deliver(data, size, p->ops, p->ctx);
}

static void tell_records(struct profiler *p, const struct stack_record *record)
{
	struct process_id id = {record->process.pid, record->process.exec_id,
		record->process.start_ns};

	if (record->interp_count && p->ops->records_seen)
		p->ops->records_seen(p->ctx, &id, (const void *)record->ips,
			record->interp_count / 2);
}

static void on_stack(struct stack_logs *logs, const void *data, size_t size)
{
	struct profiler *p = container_of(logs, struct profiler, logs);
	const struct stack_record *record = data;

	if (stack_table_add(&p->tables[record->epoch & 1], data, size))
		tell_records(p, record);
}

static void on_snapshot(struct ring *ring, const void *data, size_t size)
{
	struct profiler *p = container_of(ring, struct profiler, snapshots);
	size_t record = snapshot_walk(&p->walker, data, size);

	if (record &&
		stack_table_add(&p->tables[p->walker.record.epoch & 1], &p->walker.record, record))
		tell_records(p, &p->walker.record);
}

static struct dso *reopen(void *ctx, const struct process_id *id, uint64_t address)
{
	struct profiler *p = container_of(ctx, struct profiler, memory);

	return p->ops->file_wanted ? p->ops->file_wanted(p->ctx, id, address) : NULL;
}

static int open_unwinder(struct profiler *p, const struct profiler_options *options)
{
	int r = unwind_memory_init(&p->memory, p->skel, &p->cpus, &p->interval);

	if (r < 0)
		return r;
	struct unwind_store store = unwind_memory_store(&p->memory);

	store.reopen = reopen;
	p->unwinder = unwinder_new(&store, options->dsos, options->unwind_max_bytes);
	p->walker = (struct snapshot_walker){
		.unwinder = p->unwinder,
		.ops = p->ops,
		.ctx = p->ctx,
		.hash_seed = {p->skel->rodata->hash_seed[0], p->skel->rodata->hash_seed[1]},
	};
	return 0;
}

static void next_interval(struct profiler *p)
{
	p->interval = p->interval + 1 ? p->interval + 1 : 1;
	cpu_values_tell(&p->cpus, CPU_INTERVAL, p->interval);
}

static int open_ring(struct ring *ring, struct loop *loop, const struct bpf_map *map,
	void (*on_record)(struct ring *ring, const void *data, size_t size))
{
	return ring_init(ring, loop, bpf_map__fd(map), bpf_map__max_entries(map), on_record);
}

static int profiler_open(struct profiler *p, struct loop *loop,
	const struct profiler_options *options, struct error *err)
{
	int r = load_program(options, &p->skel, err);

	if (r < 0)
		return r;
	r = cpu_values_init(&p->cpus, p->skel->maps.cpus);
	if (r < 0)
		return error_set_errno(err, r, "cannot map the counters of the CPUs");
	r = stack_logs_init(&p->logs, p->skel, &p->cpus, on_stack);
	if (r < 0)
		return error_set_errno(err, r, "cannot map the logs of the CPUs");
	r = open_ring(&p->events, loop, p->skel->maps.events, on_event);
	if (r == 0)
		r = open_ring(&p->snapshots, loop, p->skel->maps.snapshots, on_snapshot);
	if (r < 0)
		return error_set_errno(err, r, "cannot map the BPF ring buffers");
	r = open_unwinder(p, options);
	if (r < 0)
		return error_set_errno(err, r, "cannot map the tables for unwinding");
	next_interval(p);
	p->ticker = (struct ticker){
		.program = loaded_program(p->skel),
		.sys = p->sys,
		.rate = options->sample_rate,
	};
	r = ticker_init(&p->ticker, err);
	if (r == -EPERM || r == -EACCES)
		return environment_explain(r, "cannot open a perf event", p->proc, err);
	return r;
}

int profiler_new(struct loop *loop, const struct profiler_options *options,
	const struct profiler_ops *ops, void *ctx, struct profiler **ret, struct error *err)
{
	int r = profiler_check_pid_namespace(options->proc, err);

	if (r == 0)
		r = environment_check(options->sys, err);
	if (r < 0)
		return r;
	struct profiler *p = xcalloc(1, sizeof(*p));

	p->ops = ops;
	p->ctx = ctx;
	p->proc = xstrdup(options->proc);
	p->sys = xstrdup(options->sys);
	stack_table_init(&p->tables[0]);
	stack_table_init(&p->tables[1]);
	r = profiler_open(p, loop, options, err);
	if (r < 0) {
		profiler_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

void profiler_free(struct profiler *p)
{
	if (!p)
		return;
	ticker_release(&p->ticker);
	ring_release(&p->snapshots);
	stack_logs_release(&p->logs);
	ring_release(&p->events);
	unwinder_free(p->unwinder);
	unwind_memory_release(&p->memory);
	profile_bpf__destroy(p->skel);
	stack_table_release(&p->tables[0]);
	stack_table_release(&p->tables[1]);
	cpu_values_release(&p->cpus);
	free(p->proc);
	free(p->sys);
	free(p);
}

int profiler_start(struct profiler *p, struct error *err)
{
	p->start_ns = clock_monotonic_ns();
	return ticker_start(&p->ticker, err);
}

static void next_generation(struct profiler *p)
{
	cpu_values_tell(&p->cpus, CPU_GENERATION, ++p->generation);
}

int profiler_set_cgroup(struct profiler *p, cgroup_key key, enum cgroup_verdict verdict)
{
	uint32_t value = (uint32_t)verdict;

	if (bpf_map_update_elem(bpf_map__fd(p->skel->maps.verdicts), &key, &value, BPF_ANY) < 0)
		return -errno;
	next_generation(p);
	return 0;
}

void profiler_forget_cgroup(struct profiler *p, cgroup_key key)
{
	bpf_map_delete_elem(bpf_map__fd(p->skel->maps.verdicts), &key);
	bpf_map_delete_elem(bpf_map__fd(p->skel->maps.judged), &key);
	next_generation(p);
}

void profiler_forget_cgroups(struct profiler *p)
{
	int fd = bpf_map__fd(p->skel->maps.verdicts);
	cgroup_key key;

	while (bpf_map_get_next_key(fd, NULL, &key) == 0)
		bpf_map_delete_elem(fd, &key);
	__atomic_store_n(&p->skel->bss->forgotten_generation, p->generation + 1, __ATOMIC_SEQ_CST);
	next_generation(p);
}

int profiler_set_pid(struct profiler *p, uint32_t pid, bool record)
{
	int fd = bpf_map__fd(p->skel->maps.pids);
	uint8_t value = 1;
	int r;

	if (record)
		r = bpf_map_update_elem(fd, &pid, &value, BPF_NOEXIST);
	else
		r = bpf_map_delete_elem(fd, &pid);
	if (r < 0)
		return errno == EEXIST || errno == ENOENT ? 0 : -errno;
	p->pid_count += record ? 1 : (size_t)-1;
	__atomic_store_n(&p->skel->bss->any_pids, p->pid_count > 0, __ATOMIC_SEQ_CST);
	next_generation(p);
	return 0;
}

int profiler_set_interp(struct profiler *p, const struct process_id *id,
	const struct interp_process *process)
{
	struct process_key key = {id->pid, id->exec_id, id->start_ns};
	int fd = bpf_map__fd(p->skel->maps.interp_processes);

	int r = process ? bpf_map_update_elem(fd, &key, process, BPF_ANY)
			: bpf_map_delete_elem(fd, &key);

	if (r < 0)
		return -errno;
	if (process)
		__atomic_store_n(&p->skel->bss->any_interp, true, __ATOMIC_SEQ_CST);
	unwind_memory_changed(&p->memory);
	return 0;
}

int profiler_set_thread(struct profiler *p, const struct process_id *id,
	const struct interp_thread *thread)
{
	struct interp_thread_key key = {.thread_pointer = thread->thread_pointer, .pid = id->pid};
	struct interp_thread_value value = {.state = thread->state, .asked = p->interval};

	return bpf_map_update_elem(bpf_map__fd(p->skel->maps.interp_threads), &key, &value,
		       BPF_ANY) < 0
		? -errno
		: 0;
}

static int fetch(struct profiler *p)
{
	int r = 0;

	stack_logs_look(&p->logs);
	if (!STACK_LOGS_IN_ORDER)
		r = interval_quiesce(p->skel);
	if (r == 0)
		stack_logs_read(&p->logs);
	return r;
}

void profiler_fetch(struct profiler *p)
{
	(void)fetch(p); /* what cannot be had now is had at the interval's end */
}

/* Gives the table's stacks their ticks. *ret_missing: of those whose record found no room. */
static int match_counts(struct profiler *p, uint32_t epoch, uint64_t *ret_missing)
{
	struct stack_ticks *counts cleanup_free = NULL;
	size_t count = 0;
	int r = interval_take_counts(p->skel, epoch, &counts, &count);

	*ret_missing = 0;
	if (r < 0) /* what is left is not the next interval's */
		(void)interval_take_counts(p->skel, epoch, &counts, &count);
	for (size_t i = 0; r == 0 && i < count; i++)
		if (!stack_table_count(&p->tables[epoch], &counts[i].key, counts[i].ticks))
			*ret_missing += counts[i].ticks;
	return r;
}

static uint64_t hand_over(const struct stack_table *table,
	void (*on_sample)(void *ctx, const struct profiler_sample *), void *ctx)
{
	uint64_t recorded = 0;

	list_for_each(n, &table->order) {
		const struct stack *s = list_entry(n, struct stack, in_order);
		const struct stack_record *r = &s->record;
		struct profiler_sample sample = {
			.cgroup = r->cgroup,
			.cgroup_v1 = r->cgroup_v1,
			.by_pid = r->flags & STACK_BY_PID,
			.process = {r->process.pid, r->process.exec_id, r->process.start_ns},
			.tid = r->tid,
			.count = s->ticks,
			.user_end =
				r->user_end < UNWIND_END_COUNT ? r->user_end : UNWIND_END_UNTOLD,
			.kernel_truncated = r->flags & STACK_KERNEL_TRUNCATED,
			.user_leaf_exact = r->flags & STACK_LEAF_EXACT,
			.kernel_count = r->kernel_count,
			.user_count = r->user_count,
			.kernel_ips = r->ips + r->interp_count,
			.user_ips = r->ips + r->interp_count + r->kernel_count,
			.record_count = r->interp_count / 2,
			.records = (const void *)r->ips,
		};

		memcpy(sample.comm, r->comm, sizeof(sample.comm));
		recorded += s->ticks;
		if (s->ticks)
			on_sample(ctx, &sample);
	}
	return recorded;
}

/* What the interval's ticks came to; `missing` of the counted ones have no stack. */
static int settle(const struct tally *sum, const struct stack_table *table, uint64_t missing,
	struct profiler_tally *ret)
{
	bool full = table->full;

	ret->ticks = sum->ticks;
	ret->filtered = sum->filtered;
	ret->lost[LOSS_RING_FULL] = full ? 0 : missing;
	ret->lost[LOSS_MAP_FULL] = sum->lost_full + table->refused + (full ? missing : 0);
	ret->lost[LOSS_NO_TASK] = sum->lost_task;
	uint64_t lost = sum->lost_full + sum->lost_task + table->refused + missing;
	uint64_t rest = sum->ticks - sum->filtered;

	if (lost > rest)
		return -EIO;
	ret->recorded = rest - lost;
	return 0;
}

/*
 * What the rings and logs hold of the interval. After an error nothing is waited for any more, but all is taken that is
 * there.
 */
static int drain(struct profiler *p, int r)
{
	struct ring *const rings[] = {&p->events, &p->snapshots};

	for (size_t i = 0; i < ARRAY_SIZE(rings); i++) {
		if (r == 0)
			r = ring_drain(rings[i]);
		else
			ring_consume(rings[i]);
	}
	int fetched = fetch(p);

	return r < 0 ? r : fetched;
}

/* What could not be drained then may be there by now; it would count in this epoch's next interval. */
static void forget_late(struct profiler *p, uint32_t epoch)
{
	ring_consume(&p->snapshots);
	(void)fetch(p);
	stack_table_reset(&p->tables[epoch]);
}

int profiler_round(struct profiler *p, void (*on_sample)(void *ctx, const struct profiler_sample *),
	void *ctx, struct profiler_tally *ret_tally, struct error *err)
{
	uint32_t old = p->epoch;
	struct stack_table *table = &p->tables[old];
	struct profiler_tally tally = {.start_ns = p->start_ns, .end_ns = clock_monotonic_ns()};
	uint64_t missing = 0;
	int r;

	*ret_tally = (struct profiler_tally){0};
	if (p->round_failed)
		forget_late(p, !old);
	p->epoch = !old;
	p->start_ns = tally.end_ns;
	next_interval(p);
	r = interval_flip(p->skel, &p->cpus, p->epoch);
	unwinder_end_round(p->unwinder);
	/* Whatever fails, the epoch must be empty when its next interval begins. */
	r = drain(p, r);
	int taken = match_counts(p, old, &missing);

	struct tally sum = interval_take_tally(&p->cpus, old);

	if (r == 0)
		r = taken;
	if (r == 0)
		r = settle(&sum, table, missing, &tally);
	if (r == 0 && hand_over(table, on_sample, ctx) != tally.recorded)
		r = -EIO;
	stack_table_reset(table);
	p->round_failed = r < 0;
	if (r < 0)
		return error_set_errno(err, r, "cannot read the interval's counts");
	*ret_tally = tally;
	return ticker_follow(&p->ticker, err);
}

struct unwinder *profiler_unwinder(struct profiler *p)
{
	return p->unwinder;
}

void profiler_cost(const struct profiler *p, uint64_t *ret_run_ns, uint64_t *ret_runs)
{
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);

	*ret_run_ns = *ret_runs = 0;
	if (bpf_obj_get_info_by_fd(bpf_program__fd(loaded_program(p->skel)), &info, &size) < 0)
		return;
	*ret_run_ns = info.run_time_ns;
	*ret_runs = info.run_cnt;
}
