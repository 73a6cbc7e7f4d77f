// SPDX-License-Identifier: Apache-2.0
/* Busy at the bottom of 40 calls of itself, for ever. Built with frame pointers. */
#include <stdint.h>

#define DEPTH  40
#define ROUNDS 200000

__attribute__((noinline)) uint64_t churn(uint64_t x)
{
	for (int i = 0; i < ROUNDS; i++)
		x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return x;
}

__attribute__((noinline)) uint64_t descend(int depth, uint64_t x)
{
	x = depth ? descend(depth - 1, x) : churn(x);
	__asm__ volatile("" : "+r"(x)); /* something is left to do after the call: no tail call */
	return x;
}

int main(void)
{
	uint64_t x = 1;

	for (;;)
		x = descend(DEPTH, x);
}
