// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Whether a task's cgroup is to be recorded. User space judges cgroups by their kernfs ids, in the map
 * `verdicts`; below a container's root, everything is the container's.
 *
 * A task is in one cgroup of the v2 hierarchy and in one of each v1 hierarchy; a container engine may
 * use either, so both are looked up, the v1 one through a controller that user space chose.
 *
 *	task -> css_set -> dfl_cgrp ----------------> cgroup -> parent -> ... -> root (level 0)
 *	               '-> subsys[v1 controller] ---> cgroup -> parent -> ... -> root
 *
 * What a walk through the ancestors found is kept in `judged`, with the generation of the verdicts it
 * was made from: the common tick costs one lookup per hierarchy, a new verdict reaches all descendants
 * by one store. Each map has one writer (user space: verdicts, BPF: judged), so neither can undo what
 * the other has just done.
 *
 * A cgroup that nobody knows is reported once, with the names of its ancestors, and is pending until
 * user space answers. Its ticks are recorded meanwhile: nothing is lost by answering late.
 */
#ifndef BPF_CGROUP_H
#define BPF_CGROUP_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "profile.h"

struct judgement {
	uint64_t leaf, root;
	uint32_t generation; /* of the verdicts that `unknown` rests on */
	enum verdict verdict;
	bool unknown; /* to be reported */
};

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

static __always_inline uint64_t cgroup_key(struct cgroup *cgroup, uint64_t hierarchy)
{
	if (!cgroup || BPF_CORE_READ(cgroup, level) == 0)
		return 0;
	return BPF_CORE_READ(cgroup, kn, id) | hierarchy;
}

static __always_inline struct cgroup *cgroup_parent(struct cgroup *cgroup)
{
	return BPF_CORE_READ(cgroup, self.parent, cgroup);
}

static __always_inline bool is_container(uint32_t verdict)
{
	return verdict == VERDICT_KEEP || verdict == VERDICT_DROP;
}

/*
 * The nearest container, the cgroup itself or one above it, decides; without one, what was said about
 * the cgroup itself. False where nothing was said.
 */
static __always_inline bool find_verdict(struct cgroup *cgroup, uint64_t hierarchy,
	struct cgroup_entry *ret)
{
	bool found = false;

#pragma clang loop unroll(disable)
	for (int i = 0; i < CHAIN_DEPTH_MAX; i++) {
		uint64_t key = cgroup_key(cgroup, hierarchy);

		if (!key)
			break;
		const uint32_t *verdict = bpf_map_lookup_elem(&verdicts, &key);

		if (verdict && is_container(*verdict)) {
			ret->root = key;
			ret->verdict = *verdict;
			return true;
		}
		if (verdict && i == 0) {
			ret->verdict = *verdict;
			found = true;
		}
		cgroup = cgroup_parent(cgroup);
	}
	return found;
}

static __noinline int judge_anew(struct cgroup *cgroup, uint64_t hierarchy, uint32_t now,
	struct judgement *j)
{
	struct cgroup_entry fresh = {.generation = now, .verdict = VERDICT_PENDING};
	const struct cgroup_entry *old;

	if (!find_verdict(cgroup, hierarchy, &fresh)) {
		old = bpf_map_lookup_elem(&judged, &j->leaf);
		j->unknown = !old || old->verdict != VERDICT_PENDING ||
			(int32_t)(old->generation - forgotten_generation) < 0;
	}
	if (!j->unknown)
		bpf_map_update_elem(&judged, &j->leaf, &fresh, BPF_ANY);
	j->root = fresh.root;
	j->verdict = fresh.verdict;
	j->generation = fresh.generation;
	return 0;
}

static __always_inline void judge(struct cgroup *cgroup, uint64_t hierarchy, uint32_t now,
	struct judgement *j)
{
	*j = (struct judgement){.leaf = cgroup_key(cgroup, hierarchy), .verdict = VERDICT_HOST};
	if (!j->leaf)
		return;
	const struct cgroup_entry *entry = bpf_map_lookup_elem(&judged, &j->leaf);

	if (!entry || entry->generation != now) {
		judge_anew(cgroup, hierarchy, now, j);
		return;
	}
	j->root = entry->root;
	j->verdict = entry->verdict;
}

/*
 * Once it was reported: pending, and not reported again. The answer may have been given already; then
 * the generation is an older one, and the next tick looks again.
 */
static __always_inline void mark_asked(const struct judgement *j)
{
	struct cgroup_entry entry = {.generation = j->generation, .verdict = VERDICT_PENDING};

	if (j->unknown)
		bpf_map_update_elem(&judged, &j->leaf, &entry, BPF_ANY);
}

/*
 * Appends the cgroup and its ancestors to the event, leaf first, without the root, and counts them in
 * *depth, one of the event's. The counts live in memory, so that the verifier does not follow what
 * comes after once for each depth.
 */
static __always_inline void describe(struct cgroup_event *event, volatile uint8_t *depth,
	struct cgroup *cgroup, uint64_t hierarchy)
{
	const volatile struct event *head = &event->head;

#pragma clang loop unroll(disable)
	for (int i = 0; i < CHAIN_DEPTH_MAX; i++) {
		uint32_t at = (uint32_t)head->v2_depth + head->v1_depth;
		uint64_t key = cgroup_key(cgroup, hierarchy);

		if (!key || at >= 2 * CHAIN_DEPTH_MAX)
			return;
		event->level[at].key = key;
		event->level[at].name[0] = '\0';
		bpf_probe_read_kernel_str(event->level[at].name, CHAIN_NAME_SIZE,
			BPF_CORE_READ(cgroup, kn, name));
		++*depth;
		cgroup = cgroup_parent(cgroup);
	}
}

#endif
