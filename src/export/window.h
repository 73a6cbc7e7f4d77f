// SPDX-License-Identifier: Apache-2.0
/* The window of time in which a server takes profiles; a time of 0 is unknown and always fine. */
#ifndef EXPORT_WINDOW_H
#define EXPORT_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

/* Pyroscope's default of validation.reject-older-than, and of validation.reject-newer-than. */
#define WINDOW_MAX_AGE_NS (3600 * NSEC_PER_SEC)
#define WINDOW_AHEAD_NS   (600 * NSEC_PER_SEC)

/* max_age_ns of 0: nothing is too old. */
static inline bool window_is_past(int64_t time_ns, int64_t max_age_ns, int64_t now_ns)
{
	return time_ns && max_age_ns && time_ns < now_ns - max_age_ns;
}

static inline bool window_is_future(int64_t time_ns, int64_t now_ns)
{
	return time_ns > now_ns + WINDOW_AHEAD_NS;
}

#endif
