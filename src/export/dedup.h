// SPDX-License-Identifier: Apache-2.0
/*
 * Finds whether an element of a growing array is there already. It knows hashes and element numbers
 * only; the owner keeps the array and says what equal means:
 *
 *	uint32_t i = dedup_find(&p->dedup, hash, same_stack, &key);
 *	if (i == DEDUP_NONE) {
 *		i = ...; append to the array
 *		dedup_add(&p->dedup, hash, i);
 *	}
 */
#ifndef EXPORT_DEDUP_H
#define EXPORT_DEDUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEDUP_NONE UINT32_MAX

struct dedup_slot {
	uint32_t hash;
	uint32_t element; /* its number + 1; 0: free */
};

/* Zero-initialised is empty. */
struct dedup {
	struct dedup_slot *slots;
	size_t size; /* 0 or a power of two */
	size_t count;
};

typedef bool (*dedup_same_fn)(const void *key, uint32_t element);

void dedup_release(struct dedup *d);
/* The number of the element that equals key, or DEDUP_NONE. */
uint32_t dedup_find(const struct dedup *d, uint64_t hash, dedup_same_fn same, const void *key);
/* element: below DEDUP_NONE, and not in the table. */
void dedup_add(struct dedup *d, uint64_t hash, uint32_t element);

#endif
