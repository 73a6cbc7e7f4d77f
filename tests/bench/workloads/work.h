// SPDX-License-Identifier: Apache-2.0
/* What the programs of the load do: a little, twenty calls deep. */
#ifndef BENCH_WORK_H
#define BENCH_WORK_H

#define WORK_DEPTH 20

__attribute__((noinline)) static long work(int depth, int rounds)
{
	volatile long sum = 0;

	if (depth)
		return work(depth - 1, rounds) + 1;
	for (int i = 0; i < rounds; i++)
		sum += i;
	return sum;
}

#endif
