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

struct target {
	unsigned source; /* later sources win where two name the same container */
	char *origin; /* unique within the source: the container id, an index, ... */
	char *name; /* for people: container name, else the key; never NULL */
	struct labels discovered; /* as the source gave them */
	struct labels labels; /* after the rules; with "__" labels */
	char *service_name; /* never NULL where profiled */
	enum target_verdict verdict;
	size_t dropped_by; /* rule index, where TARGET_DROPPED */
	bool gone;
	unsigned rounds_gone;
	uint64_t samples; /* ticks exported since the target is known */

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
