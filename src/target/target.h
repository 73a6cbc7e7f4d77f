// SPDX-License-Identifier: Apache-2.0
/*
 * What is profiled: one container or one process, found by a source (a Docker Engine, the `targets:` of
 * the file, a file_sd file), with the labels the source gave and those the rules made of them.
 */
#ifndef TARGET_TARGET_H
#define TARGET_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hashmap.h"
#include "base/list.h"
#include "target/labels.h"

#define TARGET_KEEP_ROUNDS 2 /* a target that is gone still names the samples of so many rounds */

enum target_verdict {
	TARGET_PROFILED,
	TARGET_DROPPED, /* by a rule */
	TARGET_SELF, /* the agent's own container */
	TARGET_NO_KEY, /* no usable container id or pid among its labels */
};

#define QUALITY_KINDS_MAX 16 /* of ends of stacks, of sources of names, of reasons for none */
#define TARGET_MODULES    128 /* a process maps some dozen files; the rest is counted together */

/* How well the frames in one file (or kind of memory) could be named. */
struct target_module {
	char *path;
	uint64_t frames, named;
	uint64_t missing[QUALITY_KINDS_MAX]; /* the others by cause: symbols' enum name_missing */
};

/*
 * How good the stacks of a target are, in ticks since it is known. collect counts them; whoever learns
 * more about stacks (how each was unwound, why one ended early) adds its counters here.
 */
struct target_quality {
	uint64_t user_stacks; /* the sum of ends */
	uint64_t ends
		[QUALITY_KINDS_MAX]; /* by enum unwind_end: where they ended; the first is good */
	uint64_t frames, frames_named; /* a frame counts with the ticks of its stack */
	uint64_t origins[QUALITY_KINDS_MAX]; /* by enum name_origin: where these names come from */
	uint64_t unnamed[QUALITY_KINDS_MAX]; /* by enum name_missing: why others have no name */
	struct target_module *modules;
	uint32_t *module_ids; /* of each: the symbolizer's, of the last frame */
	size_t module_count;
	uint64_t other_frames; /* in modules beyond TARGET_MODULES */
};

void target_quality_release(struct target_quality *q);
/* The one with that id, else path, else a new one; NULL where there are too many. */
struct target_module *target_quality_module(struct target_quality *q, uint32_t id,
	const char *path);

struct target {
	unsigned source; /* later sources win where two name the same container */
	char *origin; /* unique within the source: the container id, an index, ... */
	char *name; /* for people: container name, else the key; never NULL */
	struct labels discovered; /* as the source gave them */
	struct labels labels; /* after the rules; with "__" labels */
	char *service_name; /* never NULL where profiled */
	enum target_verdict verdict;
	size_t dropped_by; /* rule index, where TARGET_DROPPED */
	bool is_container; /* an Engine says so: `origin` is its id, whatever its labels say */
	bool paused; /* its source says so; no time passes in it */
	bool gone;
	unsigned rounds_gone;
	uint64_t samples; /* ticks exported since the target is known */
	struct target_quality quality;

	/* The table's own. */
	struct list_node in_table;
	struct list_node in_key;
	struct hashmap_entry by_origin;
	struct target_key *key;
};

/*
 * The special labels that say which processes a target means, in pyroscope.ebpf's order of precedence:
 * __process_pid__, __container_id__, __meta_kubernetes_pod_container_id (docker://, containerd:// or
 * cri-o:// in front), __meta_docker_container_id, __meta_dockerswarm_task_container_id.
 */
struct target_selector {
	uint32_t pid; /* 0: none */
	const char *container_id; /* borrowed from the labels; NULL: none */
};

struct target_selector target_selector_of(const struct labels *labels);

/*
 * The service_name of a target: `labels` (after the rules) if they set it; else what the discovered
 * labels say: the container label pyroscope.io/service_name or profiles.grafana.com/service_name, the
 * compose service, the container name without its slash, what pyroscope.ebpf infers for Kubernetes
 * and Swarm; else "unspecified". The caller frees it.
 */
char *target_service_name(const struct labels *labels, const struct labels *discovered);

#endif
