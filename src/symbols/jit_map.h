// SPDX-License-Identifier: Apache-2.0
/*
 * Which code a JIT put where, 16 bytes a range. It knows no names, only where they are in the file that the
 * runtime writes. Of ranges that overlap the one that was told later owns the addresses.
 */
#ifndef SYMBOLS_JIT_MAP_H
#define SYMBOLS_JIT_MAP_H

#include <stddef.h>
#include <stdint.h>

struct jit_range {
	uint64_t start;
	uint32_t size; /* > 0; start + size does not overflow */
	uint32_t name;
};

/* Zero-initialised is empty. */
struct jit_map {
	struct jit_range *list; /* by address, without overlaps */
	size_t count;
};

/* Adds ranges in the order in which they were told. */
void jit_map_add(struct jit_map *map, const struct jit_range *ranges, size_t count);
/* NULL where none covers the address. */
const struct jit_range *jit_map_find(const struct jit_map *map, uint64_t address);
size_t jit_map_bytes(const struct jit_map *map);
void jit_map_release(struct jit_map *map);

#endif
