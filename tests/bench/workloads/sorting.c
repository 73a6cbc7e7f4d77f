// SPDX-License-Identifier: Apache-2.0
/* Sorts and searches with the C library, for ever. Built as distributions build: no frame pointers. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT    20000
#define TEXT_LEN 12

struct entry {
	char text[TEXT_LEN];
	uint32_t weight;
};

static struct entry entries[COUNT];

static int by_text(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->text, ((const struct entry *)b)->text);
}

static int by_weight(const void *a, const void *b)
{
	uint32_t x = ((const struct entry *)a)->weight, y = ((const struct entry *)b)->weight;

	return (x > y) - (x < y);
}

__attribute__((noinline)) void fill(uint32_t seed)
{
	for (uint32_t i = 0; i < COUNT; i++) {
		entries[i].weight = (seed + i) * 2654435761U;
		snprintf(entries[i].text, TEXT_LEN, "%u", entries[i].weight);
	}
}

__attribute__((noinline)) size_t find_all(void)
{
	size_t found = 0;

	for (size_t i = 0; i < COUNT; i++)
		found += bsearch(&entries[i], entries, COUNT, sizeof(entries[0]), by_text) != NULL;
	return found;
}

int main(void)
{
	for (uint32_t seed = 1;; seed++) {
		fill(seed);
		qsort(entries, COUNT, sizeof(entries[0]), by_text);
		if (find_all() != COUNT)
			return 1;
		qsort(entries, COUNT, sizeof(entries[0]), by_weight);
	}
}
