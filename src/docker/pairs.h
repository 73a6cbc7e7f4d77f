// SPDX-License-Identifier: Apache-2.0
/* Labels as Docker has them: keys and values of any text, bounded in number and size. */
#ifndef DOCKER_PAIRS_H
#define DOCKER_PAIRS_H

#include <stddef.h>

/* Of one container. Real ones have a few dozen with a few kilobytes; hostile ones, a megabyte. */
#define PAIRS_MAX       1024
#define PAIRS_MAX_BYTES 131072

struct pair {
	char *key, *value;
};

/* Zero-initialised is empty. */
struct pairs {
	struct pair *list;
	size_t count, capacity;
	size_t bytes;
	size_t skipped; /* did not fit in the bounds */
};

void pairs_release(struct pairs *pairs);
/* Copies both. An equal key is added once more: pairs_sort() has the later one last. */
void pairs_add(struct pairs *pairs, const char *key, const char *value);
/* By key in byte order; equal keys stay in the order they were added. */
void pairs_sort(struct pairs *pairs);
/* The value of the last pair of that key, NULL where there is none. */
const char *pairs_get(const struct pairs *pairs, const char *key);
void pairs_remove(struct pairs *pairs, const char *key);

#endif
