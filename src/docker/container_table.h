// SPDX-License-Identifier: Apache-2.0
/* What is kept of each container between looks: enough to see changes, and whose network is whose. */
#ifndef DOCKER_CONTAINER_TABLE_H
#define DOCKER_CONTAINER_TABLE_H

#include "base/hashmap.h"
#include "docker/summary.h"

/* A machine runs out of processes and addresses well before. */
#define CONTAINER_TABLE_MAX       16384
/* container:A, where A is container:B, ...: Docker makes no longer chains than one by itself. */
#define CONTAINER_TABLE_MAX_CHAIN 16

struct known_container {
	struct hashmap_entry entry;
	char id[DOCKER_ID_LEN + 1];
	struct docker_endpoint endpoint;
	char owner[DOCKER_ID_LEN + 1]; /* network_mode is container:OWNER; "" otherwise */
	bool told; /* ops->container was called for it */
	enum docker_container_state state; /* as told */
	uint64_t labels_hash; /* of the labels told */
	uint64_t seen; /* number of the last look that found it */
};

struct container_table {
	struct hashmap by_id;
};

void container_table_init(struct container_table *t);
void container_table_release(struct container_table *t);
struct known_container *container_table_get(const struct container_table *t, const char *id);
/* Finds or adds it; NULL where the table is full. */
struct known_container *container_table_add(struct container_table *t, const char *id);
void container_table_remove(struct container_table *t, struct known_container *k);

/* Moves endpoint and owner from *s. */
void known_container_take(struct known_container *k, struct docker_summary *s);
/*
 * The endpoint whose network k uses: its own, or that of the first container with networks along the
 * chain of owners. One that is not `listed` where there is none, or the chain is broken or a ring.
 */
const struct docker_endpoint *container_table_endpoint(const struct container_table *t,
	const struct known_container *k);

#endif
