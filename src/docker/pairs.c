// SPDX-License-Identifier: Apache-2.0
#include "docker/pairs.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

void pairs_release(struct pairs *pairs)
{
	for (size_t i = 0; i < pairs->count; i++) {
		free(pairs->list[i].key);
		free(pairs->list[i].value);
	}
	free(pairs->list);
	*pairs = (struct pairs){0};
}

void pairs_add(struct pairs *pairs, const char *key, const char *value)
{
	size_t bytes = strlen(key) + strlen(value);

	if (pairs->count == PAIRS_MAX || bytes > PAIRS_MAX_BYTES - pairs->bytes) {
		pairs->skipped++;
		return;
	}
	if (pairs->count == pairs->capacity) {
		pairs->capacity = grow_capacity(pairs->capacity, pairs->count + 1);
		pairs->list = xreallocarray(pairs->list, pairs->capacity, sizeof(*pairs->list));
	}
	pairs->list[pairs->count++] = (struct pair){.key = xstrdup(key), .value = xstrdup(value)};
	pairs->bytes += bytes;
}

/* Docker sends keys in order, so inserting each before the greater ones is all but free. */
void pairs_sort(struct pairs *pairs)
{
	for (size_t i = 1; i < pairs->count; i++) {
		struct pair p = pairs->list[i];
		size_t to = i;

		while (to > 0 && strcmp(pairs->list[to - 1].key, p.key) > 0)
			to--;
		memmove(&pairs->list[to + 1], &pairs->list[to], (i - to) * sizeof(p));
		pairs->list[to] = p;
	}
}

const char *pairs_get(const struct pairs *pairs, const char *key)
{
	for (size_t i = pairs->count; i-- > 0;)
		if (!strcmp(pairs->list[i].key, key))
			return pairs->list[i].value;
	return NULL;
}

void pairs_remove(struct pairs *pairs, const char *key)
{
	size_t kept = 0;

	for (size_t i = 0; i < pairs->count; i++) {
		struct pair p = pairs->list[i];

		if (strcmp(p.key, key)) {
			pairs->list[kept++] = p;
			continue;
		}
		pairs->bytes -= strlen(p.key) + strlen(p.value);
		free(p.key);
		free(p.value);
	}
	pairs->count = kept;
}
