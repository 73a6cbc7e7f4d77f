// SPDX-License-Identifier: Apache-2.0
/*
 * A program of very many functions: UNITS copies of huge_unit.c, and calls that lead through others of
 * their functions every little while.
 */
#include <stddef.h>
#include <time.h>

#include "link.h"

#define DEPTH  24
#define STRIDE 104729 /* a prime: all over the file */
#define STAY_S 0.05

extern link_fn *const *const units[];
extern const size_t unit_count, unit_size;

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(void)
{
	size_t count = unit_count * unit_size;
	struct link chain[DEPTH];

	for (size_t at = 0;; at = (at + STRIDE) % count) {
		double until_s = now_s() + STAY_S;

		for (size_t i = 0; i < DEPTH; i++) {
			size_t n = (at + i * STRIDE) % count;

			chain[i] = (struct link){units[n / unit_size][n % unit_size],
				i + 1 < DEPTH ? &chain[i + 1] : NULL};
		}
		while (now_s() < until_s)
			chain[0].call(chain);
	}
}
