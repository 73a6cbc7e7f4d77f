// SPDX-License-Identifier: Apache-2.0
/* Forty calls deep, and back into the program from libc's sort, for ever; optimised, without frame pointers. */
#include <stdlib.h>

#define DEPTH 40
#define COUNT 256

static volatile int sink;

static int compare(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	for (int i = 0; i < 8; i++)
		sink = x + i;
	return (x > y) - (x < y);
}

__attribute__((noinline)) static int sort(unsigned seed)
{
	int list[COUNT];

	for (unsigned i = 0; i < COUNT; i++)
		list[i] = (int)((seed + i) * 2654435761U >> 8);
	qsort(list, COUNT, sizeof(list[0]), compare);
	return list[0];
}

__attribute__((noinline)) static int call(int depth, unsigned seed)
{
	int r = depth ? call(depth - 1, seed) : sort(seed);

	sink = r;
	return r + 1;
}

int main(void)
{
	for (unsigned seed = 0;; seed++)
		call(DEPTH, seed);
}
