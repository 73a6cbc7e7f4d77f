// SPDX-License-Identifier: Apache-2.0
#include "export/told.h"

#include "base/clock.h"

void told_init(struct told *t, unsigned max, int64_t period_ns)
{
	*t = (struct told){.max = max, .period_ns = period_ns, .begun_ns = clock_monotonic_ns()};
}

bool told_is_new(struct told *t, uint64_t hash)
{
	int64_t now = clock_monotonic_ns();

	if (t->period_ns && now - t->begun_ns >= t->period_ns) {
		t->count = 0;
		t->begun_ns = now;
	}
	for (unsigned i = 0; i < t->count; i++)
		if (t->hashes[i] == hash)
			return false;
	if (t->count == t->max)
		return false;
	t->hashes[t->count++] = hash;
	return true;
}
