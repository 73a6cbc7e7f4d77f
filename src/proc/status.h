// SPDX-License-Identifier: Apache-2.0
/* /proc/PID/status, as far as we need it (proc(5)). */
#ifndef PROC_STATUS_H
#define PROC_STATUS_H

#include <stdint.h>

#include "base/macros.h"

struct process_status {
	uint32_t own_pid; /* in the innermost pid namespace: what getpid(2) tells the process */
	uint32_t uid; /* effective, as we see it */
};

/* text is changed in place. 0 or -EINVAL. */
int process_status_parse(char *text, struct process_status *ret) MUST_CHECK;
/* process_dir: an open /proc/PID. 0 or -errno. */
int process_status_read(int process_dir, struct process_status *ret) MUST_CHECK;

#endif
