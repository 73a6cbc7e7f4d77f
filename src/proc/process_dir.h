// SPDX-License-Identifier: Apache-2.0
/*
 * /proc and /proc/PID as open directories. A process's directory stays bound to that process: once it
 * is gone, everything below fails with ESRCH, even where a new process has the same pid.
 */
#ifndef PROC_PROCESS_DIR_H
#define PROC_PROCESS_DIR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "proc/process.h"

struct proc_root {
	int fd;
	int64_t boottime_offset_ns; /* what our time namespace adds to CLOCK_BOOTTIME */
	int64_t tick_ns; /* of the times in /proc/PID/stat */
};

/* path: "/proc". 0 or -errno. */
int proc_root_init(struct proc_root *proc, const char *path) MUST_CHECK;
void proc_root_release(struct proc_root *proc);

/*
 * An O_PATH descriptor of /proc/PID, if the process that has the pid now started when `id` says;
 * else -ESRCH or -errno. It does not see whether the process has exec'ed since: /proc does not show
 * self_exec_id.
 */
int process_dir_open(const struct proc_root *proc, const struct process_id *id) MUST_CHECK;
/*
 * The same for the process that had this pid at alive_ns (CLOCK_BOOTTIME of the initial time namespace), with its
 * start, which is cut to proc->tick_ns.
 */
int process_dir_open_alive(const struct proc_root *proc, uint32_t pid, uint64_t alive_ns,
	uint64_t *ret_start_ns) MUST_CHECK;
/* Whether no process or thread has the pid: who had it is gone, and runs nothing any more. */
bool process_is_gone(const struct proc_root *proc, uint32_t pid);

#endif
