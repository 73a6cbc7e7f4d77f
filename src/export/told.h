// SPDX-License-Identifier: Apache-2.0
/* Remembers what has been said, so that each thing is said once, and a flood of different things ends. */
#ifndef EXPORT_TOLD_H
#define EXPORT_TOLD_H

#include <stdbool.h>
#include <stdint.h>

#define TOLD_MAX 64

struct told {
	uint64_t hashes[TOLD_MAX];
	unsigned count;
	unsigned max; /* different things per period, at most TOLD_MAX */
	int64_t period_ns; /* after which it forgets; 0: never */
	int64_t begun_ns;
};

void told_init(struct told *t, unsigned max, int64_t period_ns);
/* True once per hash and period, and no more than max times per period. */
bool told_is_new(struct told *t, uint64_t hash);

#endif
