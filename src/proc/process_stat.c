// SPDX-License-Identifier: Apache-2.0
/*
 *	1234 (any (name) at) all) S 1 1234 1234 0 -1 4194560 ... utime stime ... num_threads ...
 *	                        ^ the last one: a name may hold anything
 */
#include "proc/process_stat.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/strbuf.h"

#define STAT_MAX 4096 /* 52 numbers and a name */

bool process_stat_parse(const char *text, struct process_stat *ret)
{
	const char *open = strchr(text, '('), *close = strrchr(text, ')');
	uint64_t user, system;

	if (!open || !close || close < open || sscanf(text, "%" SCNu32, &ret->pid) != 1)
		return false;
	size_t len = MIN((size_t)(close - open - 1), sizeof(ret->comm) - 1);

	memcpy(ret->comm, open + 1, len);
	ret->comm[len] = '\0';
	/* Fields 3, 14, 15 and 20 of proc(5). */
	if (sscanf(close + 1,
		    " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64
		    " %*d %*d %*d %*d %" SCNu32,
		    &ret->state, &user, &system, &ret->threads) != 4)
		return false;
	ret->cpu_ticks = user + system;
	return true;
}

int process_stat_read(const char *proc, uint32_t pid, struct process_stat *ret)
{
	char *path cleanup_free = xasprintf("%s/%" PRIu32 "/stat", proc, pid);
	struct strbuf text cleanup_strbuf = STRBUF_INIT;
	int r = file_read_at(AT_FDCWD, path, STAT_MAX, &text);

	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	return process_stat_parse(text.buf, ret) ? 0 : -EPROTO;
}
