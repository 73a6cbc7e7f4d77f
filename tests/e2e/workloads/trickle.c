// SPDX-License-Identifier: Apache-2.0
/*
 * A service with little to do: every 200 ms a millisecond of CPU time, in one of several chains of
 * functions. For ever.
 */
#include <stdint.h>
#include <time.h>

static volatile uint64_t sink;

static int64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

__attribute__((noinline)) static void grind(void)
{
	for (int64_t end = cpu_ns() + 1000000; cpu_ns() < end;)
		for (int i = 0; i < 2000; i++)
			sink = sink * 31 + (uint64_t)i;
}

#define STEP(name, next)                                                                           \
	__attribute__((noinline)) static void name(void)                                           \
	{                                                                                          \
		next();                                                                            \
		sink++;                                                                            \
	}

STEP(parse, grind)
STEP(query, grind)
STEP(render, query)
STEP(answer, render)
STEP(look_up, query)

int main(void)
{
	static void (*const steps[])(void) = {parse, answer, look_up, render};

	for (unsigned i = 0;; i++) {
		steps[i % 4]();
		nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
	}
}
