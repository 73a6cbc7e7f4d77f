// SPDX-License-Identifier: Apache-2.0
/*
 * Two rings come from BPF: events, delivered as soon as the loop turns, and stacks, fetched at the end
 * of the interval or when their ring is a quarter full. A stack goes into the table of the epoch that
 * its record names, and gets its count from that epoch's map when the epoch has ended:
 *
 *	stacks ring --> tables[0], tables[1]         tables[old] + counts[old] --> on_sample
 *	events ring --> process_seen, cgroup_seen
 *
 * At the end of an interval every tick of it is in exactly one place: idle, filtered or lost in the
 * tally; or in the count map, with its stack in the table (recorded) or without (lost, the ring was
 * full); or it came as an uncounted record (the count map was full).
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
#include "profile.skel.h"
#include "profiler/environment.h"
#include "profiler/events.h"
#include "profiler/interval.h"
#include "profiler/load.h"
#include "profiler/ring.h"
#include "profiler/stack_table.h"
#include "profiler/ticker.h"

#define SILENT_TICKS 50 /* on a virtual CPU some may be late */

const char *const profiler_loss_names[LOSS_COUNT] = {
	[LOSS_RING_FULL] = "ring_full",
	[LOSS_MAP_FULL] = "map_full",
	[LOSS_NO_TASK] = "no_task",
};

struct profiler {
	struct profile_bpf *skel;
	struct ticker ticker;
	struct ring events, stacks;
	struct stack_table tables[2]; /* by epoch */
	struct interval_tally tally;
	const struct profiler_ops *ops;
	void *ctx;
	uint32_t epoch;
	uint32_t generation; /* of the verdicts */
	size_t pid_count;
	int64_t start_ns; /* of the interval */
	char *proc, *sys;
};

static void on_event(struct ring *ring, const void *data, size_t size)
{
	struct profiler *p = container_of(ring, struct profiler, events);

	event_deliver(data, size, p->ops, p->ctx);
}

static void on_stack(struct ring *ring, const void *data, size_t size)
{
	struct profiler *p = container_of(ring, struct profiler, stacks);
	const struct stack_record *record = data;

	if (size >= STACK_RECORD_HEAD)
		stack_table_add(&p->tables[record->epoch & 1], data, size);
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
	r = open_ring(&p->events, loop, p->skel->maps.events, on_event);
	if (r == 0)
		r = open_ring(&p->stacks, loop, p->skel->maps.stacks, on_stack);
	if (r < 0)
		return error_set_errno(err, r, "cannot map the BPF ring buffers");
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
	interval_tally_init(&p->tally);
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
	ring_release(&p->stacks);
	ring_release(&p->events);
	profile_bpf__destroy(p->skel);
	stack_table_reset(&p->tables[0]);
	stack_table_reset(&p->tables[1]);
	interval_tally_release(&p->tally);
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
	__atomic_store_n(&p->skel->bss->generation, ++p->generation, __ATOMIC_SEQ_CST);
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
	return 0;
}

/* Gives the table's stacks their ticks. *ret_missing: of those whose record found no room. */
static int match_counts(struct profiler *p, uint32_t epoch, uint64_t *ret_missing)
{
	struct stack_ticks *counts cleanup_free = NULL;
	size_t count = 0;
	int r = interval_take_counts(p->skel, epoch, &counts, &count);

	*ret_missing = 0;
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
			.user_truncated = r->flags & STACK_USER_TRUNCATED,
			.kernel_truncated = r->flags & STACK_KERNEL_TRUNCATED,
			.user_leaf_exact = r->flags & STACK_LEAF_EXACT,
			.kernel_count = r->kernel_count,
			.user_count = r->user_count,
			.kernel_ips = r->ips,
			.user_ips = r->ips + r->kernel_count,
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
	ret->idle = sum->idle;
	ret->filtered = sum->filtered;
	ret->lost[LOSS_RING_FULL] = full ? 0 : missing;
	ret->lost[LOSS_MAP_FULL] = sum->lost_full + table->refused + (full ? missing : 0);
	ret->lost[LOSS_NO_TASK] = sum->lost_task;
	uint64_t lost = sum->lost_full + sum->lost_task + table->refused + missing;
	uint64_t rest = sum->ticks - sum->idle - sum->filtered;

	if (lost > rest)
		return -EIO;
	ret->recorded = rest - lost;
	return 0;
}

/* A CPU that was silent for the time of many ticks was away. */
static int follow_cpus(struct profiler *p, const struct profiler_tally *tally, struct error *err)
{
	int64_t period_ns = NSEC_PER_SEC / p->ticker.rate;
	bool telling = tally->end_ns - tally->start_ns > SILENT_TICKS * period_ns;

	return ticker_follow(&p->ticker, telling ? p->tally.cpu_ticks : NULL, p->tally.cpu_count,
		err);
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
	p->epoch = !old;
	p->start_ns = tally.end_ns;
	r = interval_flip(p->skel, p->epoch);
	if (r == 0)
		r = ring_drain(&p->events);
	if (r == 0)
		r = ring_drain(&p->stacks);
	if (r == 0)
		r = match_counts(p, old, &missing);
	if (r == 0)
		r = interval_take_tally(p->skel, old, &p->tally);
	if (r == 0)
		r = settle(&p->tally.sum, table, missing, &tally);
	if (r == 0 && hand_over(table, on_sample, ctx) != tally.recorded)
		r = -EIO;
	stack_table_reset(table);
	if (r < 0)
		return error_set_errno(err, r, "cannot read the interval's counts");
	*ret_tally = tally;
	return follow_cpus(p, &tally, err);
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
