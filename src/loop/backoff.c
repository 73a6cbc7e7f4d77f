// SPDX-License-Identifier: Apache-2.0
#include "loop/backoff.h"

#include <sys/random.h>

void backoff_init(struct backoff *b, int64_t min_ns, int64_t max_ns)
{
	*b = (struct backoff){.min_ns = min_ns, .max_ns = max_ns};
}

int64_t backoff_next_ns(struct backoff *b)
{
	int64_t step = 2 * b->min_ns;
	uint32_t jitter = 0;

	for (unsigned i = 0; i < b->attempt && step < b->max_ns; i++)
		step *= 2;
	if (step > b->max_ns)
		step = b->max_ns;
	b->attempt++;
	if (getrandom(&jitter, sizeof(jitter), GRND_NONBLOCK) != (ssize_t)sizeof(jitter))
		jitter = 0;
	return step / 2 + (int64_t)((double)(step / 2) * ((double)jitter / 4294967296.0));
}

void backoff_reset(struct backoff *b)
{
	b->attempt = 0;
}
