// SPDX-License-Identifier: Apache-2.0
/* The distinct stacks of one interval, as they come out of the logs, and their counts. */
#ifndef PROFILER_STACK_TABLE_H
#define PROFILER_STACK_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hashmap.h"
#include "base/list.h"
#include "bpf/profile.h"

struct stack {
	struct hashmap_entry entry;
	struct list_node in_order;
	uint64_t ticks;
	struct stack_record record; /* allocated as far as it is used */
};

struct stack_chunk;

struct stack_table {
	struct hashmap stacks; /* by record.key */
	struct list_node order; /* as they came */
	size_t bytes;
	bool full; /* a record was refused for want of room */
	uint64_t refused; /* ticks of uncounted ones among them */
	struct stack_chunk *chunks; /* what the stacks lie in, the one that is being filled first */
	struct stack_chunk *spare; /* of earlier intervals */
};

#define STACK_TABLE_BYTES_MAX (16 << 20) /* 15 s of 30,000 distinct stacks of 60 frames */

void stack_table_init(struct stack_table *t);
/* Empties it; it can be used on. Some memory is kept, so that not each interval begins with page faults. */
void stack_table_reset(struct stack_table *t);
/* Harmless where it was only zeroed. */
void stack_table_release(struct stack_table *t);

/*
 * Takes a record in: `size` bytes at `data`, as BPF sent them. A record with `counted` comes with 0
 * ticks (they are in the count map), any other with 1. One that is there already is not taken twice.
 * False where the bytes are no record.
 */
bool stack_table_add(struct stack_table *t, const void *data, size_t size);
/* Adds ticks to the stack with this key. False where it is not there. */
bool stack_table_count(struct stack_table *t, const struct stack_key *key, uint64_t ticks);

#endif
