// SPDX-License-Identifier: Apache-2.0
/*
 * Hardly ever the same stack twice: some 40 calls deep, each to one of sixteen functions by chance. For ever.
 * What is kept of past intervals is full soon.
 */
#include <stdint.h>

#define DEPTH  40
#define ROUNDS 20000 /* at each leaf; some 50 us */

static uint64_t chance = 88172645463325252;
static volatile uint64_t sink;

static unsigned roll(void)
{
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return (unsigned)(chance >> 32) & 15;
}

static void go_on(int depth);

#define STEP(name)                                                                                 \
	__attribute__((noinline)) static void name(int depth)                                      \
	{                                                                                          \
		go_on(depth);                                                                      \
		sink++;                                                                            \
	}

STEP(a)
STEP(b)
STEP(c)
STEP(d)
STEP(e)
STEP(f)
STEP(g)
STEP(h)
STEP(i)
STEP(j)
STEP(k)
STEP(l)
STEP(m)
STEP(n)
STEP(o)
STEP(p)

static void (*const steps[])(int) = {a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p};

__attribute__((noinline)) static void go_on(int depth)
{
	if (depth < DEPTH) {
		steps[roll()](depth + 1);
		sink++;
		return;
	}
	for (int round = 0; round < ROUNDS; round++)
		sink = sink * 31 + (uint64_t)round;
}

int main(void)
{
	for (;;)
		go_on(0);
}
