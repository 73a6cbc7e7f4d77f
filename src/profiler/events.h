// SPDX-License-Identifier: Apache-2.0
/* What BPF reports at once: new processes, new cgroups. From the ring's bytes to the owner's callbacks. */
#ifndef PROFILER_EVENTS_H
#define PROFILER_EVENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "profiler/profiler.h"

/* Calls the one of `ops` that the event is for. False where the bytes are no event. */
bool event_deliver(const void *data, size_t size, const struct profiler_ops *ops, void *ctx);

#endif
