// SPDX-License-Identifier: Apache-2.0
/* What a mount is, asked of the kernel by itself where it knows how to be: then no list of all mounts is read. */
#ifndef PROC_MOUNT_TYPE_H
#define PROC_MOUNT_TYPE_H

#include "base/macros.h"

#define MOUNT_TYPE_MAX 64

struct statx;

/*
 * The type ("ext4") of the file system whose mount the descriptor, which may be O_PATH, is on; a FUSE file
 * system's without what stands behind the dot in mountinfo. Asks no server. -ENOENT where the mount is not in the mount
 * namespace that the process is in now; before Linux 6.11 also where it is not beneath its root; -ENOSYS before 5.8; -errno.
 */
int mount_type(int process_dir, int path_fd, char ret[MOUNT_TYPE_MAX]) MUST_CHECK;

/*
 * The same from a list of mounts ("mountinfo"), for what a file's statx says. Where its own mount is not there, that of
 * another mount of the same device, which is the same file system. -ENOENT, -errno.
 */
int mount_type_listed(int process_dir, const char *mountinfo, const struct statx *st,
	char ret[MOUNT_TYPE_MAX]) MUST_CHECK;

#endif
