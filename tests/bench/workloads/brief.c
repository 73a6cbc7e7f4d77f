// SPDX-License-Identifier: Apache-2.0
/*
 * usage: brief CPU_MS [WALL_MS]
 *
 * A life: so much CPU time, twenty calls deep, and then sleep until it has lasted so long.
 */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "work.h"

#define WORK 5000

/* Written over in copies, so that each is a program that nobody has seen. */
__attribute__((used)) static const char mark[32] = "dockprof bench: a mark to vary  ";

static double seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	double begin_s = seconds(CLOCK_MONOTONIC), cpu_s = argc > 1 ? atof(argv[1]) / 1000 : 0;

	while (seconds(CLOCK_PROCESS_CPUTIME_ID) < cpu_s)
		work(WORK_DEPTH, WORK);
	double left_s = begin_s + (argc > 2 ? atof(argv[2]) / 1000 : 0) - seconds(CLOCK_MONOTONIC);

	if (left_s > 0)
		usleep((useconds_t)(left_s * 1e6));
}
