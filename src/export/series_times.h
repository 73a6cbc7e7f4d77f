// SPDX-License-Identifier: Apache-2.0
/*
 * A time for each profile that no other one of its series has. Pyroscope 1.x shows one profile per
 * series and millisecond and silently leaves out the others: the parts of a profile that was split, and
 * those of containers that the rules gave the same labels.
 */
#ifndef EXPORT_SERIES_TIMES_H
#define EXPORT_SERIES_TIMES_H

#include <stdint.h>

#include "base/hashmap.h"

struct series_times {
	struct hashmap series;
	size_t sweep_at;
};

void series_times_init(struct series_times *t);
void series_times_release(struct series_times *t);
/* wanted_ns, or the first free millisecond behind it. series: a hash of the labels as they are sent. */
int64_t series_times_next(struct series_times *t, uint64_t series, int64_t wanted_ns);

#endif
