// SPDX-License-Identifier: Apache-2.0
/* Jitdump files, written by the profiled program, also while they grow. */
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct byte_source half = byte_source_memory(data, size / 2);
	struct byte_source whole = byte_source_memory(data, size);
	struct jit_reading r = {0};
	uint64_t end = 0;

	if (jitdump_format.read(&half, &r) == 0)
		while (jitdump_format.read(&whole, &r) == -EAGAIN)
			;
	require(r.offset <= size || r.offset <= 4096);
	for (size_t i = 0; i < r.map.count; i++) {
		const struct jit_range *range = &r.map.list[i];
		struct strbuf name cleanup_strbuf = STRBUF_INIT;

		require(range->size && range->start >= end);
		require(range->start + range->size > range->start);
		end = range->start + range->size;
		if (jitdump_format.name(&whole, range->name, range->start, &name) == 0)
			require(name.len && name.len <= JIT_NAME_MAX);
	}
	jit_map_release(&r.map);
	return 0;
}
