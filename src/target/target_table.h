// SPDX-License-Identifier: Apache-2.0
/*
 * All targets: by (source, origin) for those who find them, by container id and by pid for those who
 * attribute samples. A target that is gone stays for TARGET_KEEP_ROUNDS rounds, so that the last
 * samples of a container still find their labels.
 */
#ifndef TARGET_TARGET_TABLE_H
#define TARGET_TARGET_TABLE_H

#include "target/target.h"

struct target_table {
	struct list_node targets; /* of struct target.in_table, in order of discovery */
	struct hashmap origins;
	struct hashmap keys;
};

void target_table_init(struct target_table *table);
void target_table_release(struct target_table *table);

/* NULL where there is none. */
struct target *target_table_find(const struct target_table *table, unsigned source,
	const char *origin);
/* The one that is there, or a new one. A target that was gone is back. */
struct target *target_table_add(struct target_table *table, unsigned source, const char *origin);
/* Indexes the target under what its labels select; verdict becomes TARGET_NO_KEY where nothing. */
void target_table_index(struct target_table *table, struct target *target);
/* It will be removed by a later sweep. */
void target_table_gone(struct target *target);
/* Call once per round: removes what is gone for long enough. */
void target_table_sweep(struct target_table *table);

/*
 * The target to charge: among those with this key a profiled one before a dropped one, then the one
 * of the later source, then a living one before one that is gone. NULL: none.
 */
struct target *target_table_by_container(const struct target_table *table, const char *id);
struct target *target_table_by_pid(const struct target_table *table, uint32_t pid);

#endif
