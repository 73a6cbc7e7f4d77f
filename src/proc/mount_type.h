// SPDX-License-Identifier: Apache-2.0
/* What a mount is, asked of the kernel by itself: no list of all mounts is read. */
#ifndef PROC_MOUNT_TYPE_H
#define PROC_MOUNT_TYPE_H

#include "base/macros.h"

#define MOUNT_TYPE_MAX 64

/*
 * The type ("ext4") of the file system whose mount the descriptor, which may be O_PATH, is on; a FUSE file
 * system's without what stands behind the dot in mountinfo. Asks no server. -ENOENT where the mount is not in the mount
 * namespace that the process is in now; -ENOSYS, -EINVAL, -ENOTTY before Linux 6.11, -EPERM, -errno.
 */
int mount_type(int process_dir, int path_fd, char ret[MOUNT_TYPE_MAX]) MUST_CHECK;

#endif
