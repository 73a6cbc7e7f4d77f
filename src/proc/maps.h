// SPDX-License-Identifier: Apache-2.0
/* /proc/PID/maps: which bytes of which files a process has where (proc(5)). */
#ifndef PROC_MAPS_H
#define PROC_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

/* vm.max_map_count is 65530 unless the administrator raised it. */
#define MAPS_MAX_LINES 65536

struct map_entry {
	uint64_t start, end; /* start < end */
	uint64_t offset; /* of start in the file */
	uint64_t inode; /* 0: no file */
	uint32_t dev_major, dev_minor;
	bool executable;
	bool deleted; /* the kernel had marked the path so */
	/*
	 * "" where there is none; a name in brackets for special memory; otherwise a path below the
	 * process's root. It holds whatever bytes the workload chose, but no NUL.
	 */
	const char *path;
};

/* Cuts off the kernel's " (deleted)"; whether it was there. */
bool maps_strip_deleted(char *path);

typedef void (*maps_fn)(void *ctx, const struct map_entry *entry);

/*
 * Parses one line without its newline; the bytes are changed in place and line[len] must be writable.
 * ret->path points into the line. 0 or -EINVAL.
 */
int maps_parse_line(char *line, size_t len, struct map_entry *ret) MUST_CHECK;

/*
 * Calls fn for each mapping, in address order. process_dir: an open /proc/PID. Malformed lines are
 * skipped. 0, -ESRCH or -ENOENT where the process is gone, -E2BIG after MAPS_MAX_LINES, -errno.
 */
int maps_read(int process_dir, maps_fn fn, void *ctx) MUST_CHECK;

#endif
