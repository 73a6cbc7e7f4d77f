// SPDX-License-Identifier: Apache-2.0
#include "profiler/events.h"

#include <string.h>

#include "bpf/profile.h"

_Static_assert(CGROUP_NAME_MAX == CHAIN_NAME_SIZE, "names are copied whole");
_Static_assert(CGROUP_MAX_DEPTH == CHAIN_DEPTH_MAX, "chains are copied whole");
_Static_assert(CGROUP_KEY_V1 == CGROUP_V1_BIT, "keys are copied as they are");
_Static_assert(sizeof(struct process_id) == sizeof(struct process_key), "same struct");

static void decode_chain(const struct cgroup_level *levels, size_t depth, struct cgroup_chain *ret)
{
	ret->depth = depth;
	for (size_t i = 0; i < depth; i++) {
		ret->level[i].key = levels[i].key;
		memcpy(ret->level[i].name, levels[i].name, CGROUP_NAME_MAX);
		ret->level[i].name[CGROUP_NAME_MAX - 1] = '\0';
	}
}

static bool deliver_cgroup(const struct cgroup_event *event, size_t size,
	const struct process_id *process, const struct profiler_ops *ops, void *ctx)
{
	size_t v2_depth = event->head.v2_depth, v1_depth = event->head.v1_depth;
	struct cgroup_chain v2, v1;

	if (v2_depth > CHAIN_DEPTH_MAX || v1_depth > CHAIN_DEPTH_MAX ||
		size < sizeof(event->head) + (v2_depth + v1_depth) * sizeof(event->level[0]))
		return false;
	decode_chain(event->level, v2_depth, &v2);
	decode_chain(event->level + v2_depth, v1_depth, &v1);
	if (ops->cgroup_seen)
		ops->cgroup_seen(ctx, &v2, &v1, process);
	return true;
}

bool event_deliver(const void *data, size_t size, const struct profiler_ops *ops, void *ctx)
{
	const struct event *event = data;

	if (size < sizeof(*event))
		return false;
	struct process_id process = {
		.pid = event->process.pid,
		.exec_id = event->process.exec_id,
		.start_ns = event->process.start_ns,
	};

	switch (event->kind) {
	case EVENT_PROCESS_SEEN:
		if (ops->process_seen)
			ops->process_seen(ctx, &process, event->time_ns);
		return true;
	case EVENT_THREAD_UNKNOWN:
		if (ops->thread_unknown)
			ops->thread_unknown(ctx, &process);
		return true;
	case EVENT_CGROUP_SEEN:
		return deliver_cgroup(data, size, &process, ops, ctx);
	default:
		return false;
	}
}
