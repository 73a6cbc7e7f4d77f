// SPDX-License-Identifier: Apache-2.0
/*
 * Names of the frames seen, so that each is read from its process once. Keyed by process, code object and check
 * word: another object at the same address is another one.
 */
#ifndef INTERP_NAME_CACHE_H
#define INTERP_NAME_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hashmap.h"
#include "bpf/interp.h"
#include "interp/runtime.h"

struct named_code {
	struct hashmap_entry entry;
	uint32_t process;
	uint32_t check;
	uint64_t code;
	uint64_t used_round;
	char *function, *file; /* NULL: it could not be named */
	uint32_t first_line;
	bool hidden; /* not to be shown */
	struct named_line {
		uint32_t at, line;
	} * lines; /* by `at` */
	size_t line_count, line_capacity;
};

struct name_cache {
	struct hashmap codes;
	size_t bytes, max_bytes;
	uint64_t round;
};

void name_cache_init(struct name_cache *c, size_t max_bytes);
void name_cache_release(struct name_cache *c);

/* NULL where it is not there. process: the owner's number for it. */
struct named_code *name_cache_find(struct name_cache *c, uint32_t process,
	const struct interp_frame *record);
/* name: NULL for one that could not be named. Strings are copied. */
struct named_code *name_cache_add(struct name_cache *c, uint32_t process,
	const struct interp_frame *record, const char *function, const struct interp_name *name);
/* False where that instruction is not there. */
bool name_cache_line(const struct named_code *code, uint32_t at, uint32_t *ret);
void name_cache_add_line(struct name_cache *c, struct named_code *code, uint32_t at, uint32_t line);
/* Frees what has not been used for two rounds, and more where it is over budget. */
void name_cache_end_round(struct name_cache *c);

#endif
