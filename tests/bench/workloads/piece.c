// SPDX-License-Identifier: Apache-2.0
/* A function that runs wherever its page of code is mapped. */
#include "link.h"

#define WORK 20000

long piece(const struct link *l)
{
	volatile long sum = 0;

	if (l->next)
		return l->next->call(l->next) + 1;
	for (int i = 0; i < WORK; i++)
		sum += i;
	return sum;
}
