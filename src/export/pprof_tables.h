// SPDX-License-Identifier: Apache-2.0
/* What a profile under construction consists of; shared by pprof.c, which fills it, and pprof_encode.c. */
#ifndef EXPORT_PPROF_TABLES_H
#define EXPORT_PPROF_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "export/dedup.h"
#include "export/pprof.h"
#include "export/string_table.h"

/* The mapping of a synthetic frame. */
#define NO_MAPPING UINT32_MAX

struct pprof_mapping {
	uint32_t module_id;
	uint32_t path, name, build_id; /* strings */
	uint64_t start, end, file_offset;
	enum module_kind kind;
	bool has_functions;
};

struct pprof_function {
	uint32_t name, file; /* strings */
	uint32_t first_line; /* 0: not known */
};

struct pprof_location {
	uint64_t address;
	uint32_t mapping; /* or NO_MAPPING */
	uint32_t function;
	uint32_t line; /* 0: not known */
	bool nameless; /* the function's name is made of module and address */
};

struct pprof_stack {
	size_t first; /* in frames[] */
	uint32_t depth;
	uint64_t ticks;
};

struct pprof {
	struct pprof_options options;
	uint64_t total; /* ticks */
	struct string_table strings;
	uint32_t cpu, nanoseconds; /* strings: the type and unit of all values */
	struct pprof_mapping *mappings;
	struct pprof_function *functions;
	struct pprof_location *locations;
	struct pprof_stack *stacks;
	uint32_t *frames; /* locations of all stacks one after the other, leaf first */
	size_t mapping_count, mapping_capacity;
	size_t function_count, function_capacity;
	size_t location_count, location_capacity;
	size_t stack_count, stack_capacity;
	size_t frame_count, frame_capacity;
	uint32_t last_root; /* the location of the last one, or DEDUP_NONE */
	struct dedup mapping_dedup, function_dedup, location_dedup, stack_dedup;
};

/* The encoded message has no more bytes than that. */
size_t pprof_encoded_bound(const struct pprof *p);
/*
 * Copies stacks of `from` from number `first` on, with what they refer to, to `into`, which is empty:
 * one at least, `max` at most, and none after the bound has passed max_bytes. How many.
 */
size_t pprof_copy_stacks(struct pprof *into, const struct pprof *from, size_t first, size_t max,
	size_t max_bytes);

#endif
