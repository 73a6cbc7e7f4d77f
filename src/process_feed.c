// SPDX-License-Identifier: Apache-2.0
#include "process_feed.h"

#include "symbols/process_history.h"

static void on_fork(void *ctx, uint32_t pid, uint32_t parent, uint64_t at_ns)
{
	process_history_forked(ctx, pid, parent, at_ns);
}

static void on_exec(void *ctx, uint32_t pid, const char *comm, uint64_t at_ns)
{
	(void)comm;
	process_history_execed(ctx, pid, at_ns);
}

static void on_map(void *ctx, uint32_t pid, const struct map_entry *entry, uint64_t generation,
	uint64_t at_ns)
{
	process_history_mapped(ctx, pid, entry, generation, at_ns);
}

static void on_exit_of(void *ctx, uint32_t pid, uint32_t tid, uint64_t at_ns)
{
	process_history_exited(ctx, pid, tid, at_ns);
}

static void on_loss(void *ctx, uint64_t count, uint64_t since_ns)
{
	(void)count;
	process_history_lost(ctx, since_ns);
}

const struct process_events_ops process_feed = {
	.forked = on_fork,
	.execed = on_exec,
	.mapped = on_map,
	.exited = on_exit_of,
	.lost = on_loss,
};
