// SPDX-License-Identifier: Apache-2.0
/*
 * The labels that Prometheus' docker_sd_configs (3.16) offers to rules, byte for byte. It makes one
 * target of each network and TCP port of a container; ours is one of these, see docker_endpoint and
 * docker_port for which. Three containers get a target here that have none there: without any name
 * (called "/" and its short id), without networks, and with networks that are all null; their
 * __address__ is ":" and the port, or host_networking_host.
 */
#ifndef DOCKER_META_LABELS_H
#define DOCKER_META_LABELS_H

#include "base/hashmap.h"
#include "docker/readers.h"
#include "docker/summary.h"
#include "target/labels.h"

/* Networks by id, each with its __meta_docker_network_* labels. */
struct network_table {
	struct hashmap by_id;
};

/* More than an engine can have (its address pools end far below). */
#define NETWORK_TABLE_MAX 8192

void network_table_init(struct network_table *t);
void network_table_release(struct network_table *t);
/* Replaces one of the same id; beyond NETWORK_TABLE_MAX it is ignored. */
void network_table_add(struct network_table *t, const struct docker_network *n);
/* NULL where it is unknown. */
const struct labels *network_table_get(const struct network_table *t, const char *id);

struct docker_meta_options {
	unsigned port;
	const char *host_networking_host;
};

/*
 * e: the endpoint to show, the container's own or that of the one whose network it shares; network:
 * labels of its network, NULL where they are unknown. *ret must be empty.
 */
void docker_meta_labels(const struct docker_summary *c, const struct docker_endpoint *e,
	const struct labels *network, const struct docker_meta_options *options,
	struct labels *ret);

#endif
