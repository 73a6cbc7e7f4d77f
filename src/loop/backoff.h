// SPDX-License-Identifier: Apache-2.0
/* Exponential back-off with jitter: each wait is uniform in [step/2, step), step doubling to max. */
#ifndef LOOP_BACKOFF_H
#define LOOP_BACKOFF_H

#include <stdint.h>

struct backoff {
	int64_t min_ns, max_ns;
	unsigned attempt;
};

void backoff_init(struct backoff *b, int64_t min_ns, int64_t max_ns);
/* How long to wait before the next try; each call counts as a failed attempt. */
int64_t backoff_next_ns(struct backoff *b);
/* After a success. */
void backoff_reset(struct backoff *b);

#endif
