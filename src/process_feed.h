// SPDX-License-Identifier: Apache-2.0
/* What the profiler hears of processes goes into the symbolizer's history. */
#ifndef PROCESS_FEED_H
#define PROCESS_FEED_H

#include "profiler/process_events.h"

/* Their ctx is a struct process_history. */
extern const struct process_events_ops process_feed;

#endif
