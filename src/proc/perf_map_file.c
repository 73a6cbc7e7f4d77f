// SPDX-License-Identifier: Apache-2.0
/*
 * /tmp is where everybody in the container may write, so the file is to be a regular one, no link, and the
 * process's own: perf makes the same demands. The directory is found in the kernel's cache and must lie on
 * a file system that answers by itself; then looking for the file in it cannot be made to wait.
 */
#include "proc/perf_map_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "proc/status.h"

int perf_map_file_find(int process_dir, struct file_identity *ret)
{
	struct open_how how = {
		.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};
	struct process_status status;
	struct stat st;
	char name[32];
	int r = process_status_read(process_dir, &status);

	if (r < 0)
		return r;
	int tmp cleanup_close = path_find_cached(process_dir, "/tmp");

	r = tmp < 0 ? tmp : mapped_file_is_local(process_dir, tmp);
	if (r < 0)
		return r == -ENOENT && tmp >= 0 ? -EXDEV : r;
	snprintf(name, sizeof(name), "perf-%u.map", status.own_pid);
	int fd cleanup_close = (int)syscall(SYS_openat2, tmp, name, &how, sizeof(how));

	if (fd < 0)
		return -errno;
	r = file_identity_of(fd, ret);
	if (r == 0 && fstat(fd, &st) < 0)
		r = -errno;
	if (r < 0)
		return r;
	return st.st_uid == status.uid || st.st_uid == 0 ? steal_fd(&fd) : -EPERM;
}
