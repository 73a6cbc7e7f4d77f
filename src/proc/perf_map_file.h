// SPDX-License-Identifier: Apache-2.0
/* The file in which a runtime tells perf about the code that it generates: /tmp/perf-PID.map. */
#ifndef PROC_PERF_MAP_FILE_H
#define PROC_PERF_MAP_FILE_H

#include "base/macros.h"
#include "proc/mapped_file.h"

/*
 * The one of the process whose directory this is: in its own /tmp, named after the pid that it sees itself. An
 * O_PATH descriptor, for mapped_file_open(). -ENOENT where there is none, -EPERM where it is not the process's
 * own or root's, -EINVAL where it is no regular file, -EXDEV where it might not answer, -errno.
 */
int perf_map_file_find(int process_dir, struct file_identity *ret) MUST_CHECK;

#endif
