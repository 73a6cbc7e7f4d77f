// SPDX-License-Identifier: Apache-2.0
/* Perf's map files, written by the profiled program: all at once, and in two steps. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "symbols/jit_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check(const struct byte_source *source, const struct jit_map *map)
{
	uint64_t end = 0;

	for (size_t i = 0; i < map->count; i++) {
		const struct jit_range *r = &map->list[i];
		struct strbuf name cleanup_strbuf = STRBUF_INIT;

		require(r->size && r->start >= end && r->start + r->size > r->start);
		require(jit_map_find(map, r->start) == r);
		require(r->name < source->size);
		end = r->start + r->size;
		if (perf_map_format.name(source, r->name, r->start, &name) == 0)
			require(name.len && name.len <= JIT_NAME_MAX);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct byte_source whole = byte_source_memory(data, size);
	struct byte_source half = byte_source_memory(data, size / 2);
	struct jit_reading at_once = {0}, in_steps = {0};

	require(perf_map_format.read(&whole, &at_once) == 0);
	require(perf_map_format.read(&half, &in_steps) == 0);
	require(perf_map_format.read(&whole, &in_steps) == 0);
	check(&whole, &at_once.map);
	check(&whole, &in_steps.map);
	require(at_once.offset == in_steps.offset && at_once.offset <= size);
	for (size_t i = 0; i < at_once.map.count; i++) {
		const struct jit_range *r = &at_once.map.list[i];
		const struct jit_range *other = jit_map_find(&in_steps.map, r->start);

		require(other && other->name == r->name);
	}
	jit_map_release(&at_once.map);
	jit_map_release(&in_steps.map);
	return 0;
}
