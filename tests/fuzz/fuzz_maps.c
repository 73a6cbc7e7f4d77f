// SPDX-License-Identifier: Apache-2.0
/* Lines of /proc/PID/maps and /proc/kallsyms: a workload chooses paths, and who knows what else. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "proc/kallsyms.h"
#include "proc/maps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void parse(const char *line, size_t len)
{
	char *copy = xmalloc(len + 1);
	struct map_entry map;
	struct kallsyms_entry symbol;

	memcpy(copy, line, len);
	if (maps_parse_line(copy, len, &map) == 0) {
		require(map.start < map.end);
		require(map.path >= copy && map.path + strlen(map.path) <= copy + len);
	}
	memcpy(copy, line, len);
	copy[len] = '\0';
	if (kallsyms_parse_line(copy, &symbol) == 0)
		require(*symbol.name && strlen(symbol.name) + strlen(symbol.module) <= len);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *at = (const char *)data, *end = at + size;

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *stop = newline ? newline : end;

		parse(at, (size_t)(stop - at));
		at = stop + 1;
	}
	return 0;
}
