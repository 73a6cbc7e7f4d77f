// SPDX-License-Identifier: Apache-2.0
/*
 * The processes that targets name by pid, as the profiler has been told of them. Several targets may name one, of sources
 * that are replaced one by the other, and a target may name another one than before: so it is the table as a whole
 * that says who is recorded, not the target that changed.
 */
#ifndef PID_TARGETS_H
#define PID_TARGETS_H

#include "target/target_table.h"

struct profiler;

struct pid_targets {
	uint32_t *pids; /* ascending */
	size_t count;
	size_t refused; /* found no room */
};

/* Whether a change of this target is a reason to look. */
bool pid_targets_concern(const struct pid_targets *s, const struct target *t);
/* Has `set` called for what has changed; as profiler_set_pid(). Its last error where it took not all that are new. */
int pid_targets_update(struct pid_targets *s, const struct target_table *table,
	int (*set)(struct profiler *p, uint32_t pid, bool record), struct profiler *profiler);
/* The profiler is another one, and knows nothing. Releases it, too. */
void pid_targets_reset(struct pid_targets *s);

#endif
