// SPDX-License-Identifier: Apache-2.0
/* What a process has mapped executable, and the files behind it. */
#ifndef SYMBOLS_PROCESS_MAPS_H
#define SYMBOLS_PROCESS_MAPS_H

#include <stddef.h>
#include <stdint.h>

#include "symbols/dso.h"

enum mapping_kind {
	MAPPING_FILE,
	MAPPING_VDSO,
	MAPPING_ANONYMOUS, /* JIT code, shared memory */
	MAPPING_HEAP,
	MAPPING_STACK,
	MAPPING_VSYSCALL,
};

struct mapping {
	uint64_t start, end;
	uint64_t offset; /* of start in the file */
	uint64_t file_key; /* which file, as far as the maps line tells */
	struct dso *dso; /* of MAPPING_FILE and MAPPING_VDSO, NULL where it could not be had */
	enum mapping_kind kind;
};

/* Zero-initialised is empty. */
struct process_maps {
	struct mapping *list; /* by address */
	size_t count, capacity;
};

/* What kind of memory an entry is, and which file, as far as its line in maps tells. */
enum mapping_kind mapping_kind_of(const struct map_entry *e);
uint64_t mapping_file_key(const struct map_entry *e);

/*
 * Reads /proc/PID/maps anew. Mappings that are still there keep their dso; the files of new ones are
 * opened. On failure (-errno) the old ones stay.
 */
int process_maps_read(struct process_maps *maps, struct dso_cache *cache, int process_dir);
/* Adds one behind the others, whose reference to the dso it takes over. */
void process_maps_append(struct process_maps *maps, const struct mapping *mapping);
/* Nothing more will be added: gives back what is not used. */
void process_maps_fit(struct process_maps *maps);
/* NULL where none covers the address. */
const struct mapping *process_maps_find(const struct process_maps *maps, uint64_t address);
bool process_maps_equal(const struct process_maps *a, const struct process_maps *b);
void process_maps_release(struct process_maps *maps, struct dso_cache *cache);

#endif
