// SPDX-License-Identifier: Apache-2.0
/*
 * Opens the file behind a mapping of a process that may be hostile: never a file outside the process's
 * root, never another file than the mapped one, never a pipe or device, and never one whose file system
 * could keep us waiting for somebody else's server.
 */
#ifndef PROC_MAPPED_FILE_H
#define PROC_MAPPED_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "proc/maps.h"

/* Which contents: the same identity means the same bytes, as far as the file system tells. */
struct file_identity {
	uint64_t dev, inode, size;
	int64_t mtime_ns, ctime_ns;
};

static inline bool file_identity_equal(const struct file_identity *a, const struct file_identity *b)
{
	return a->dev == b->dev && a->inode == b->inode && a->size == b->size &&
		a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}

/*
 * Finds the mapped file: an O_PATH descriptor, which touches nothing, and its identity. -ENOENT where
 * it is not to be had (deleted, and map_files not permitted), -ESTALE where the path leads to another
 * file by now, -EINVAL where it is no regular file, -errno.
 */
int mapped_file_find(int process_dir, const struct map_entry *entry,
	struct file_identity *ret) MUST_CHECK;

/*
 * The same for a mapping that was there a while ago: what is mapped in its place by now, and what its path leads
 * to, count only if they are that file. own: the directory is of the process that had the mapping; another's
 * (a parent's, who has the same root most likely) does as well, but then the device must be the very same,
 * which it is not on overlayfs before 6.8.
 */
int mapped_file_find_again(int process_dir, const struct map_entry *entry, bool own,
	struct file_identity *ret) MUST_CHECK;

/*
 * A readable descriptor of what mapped_file_find() returned. -EXDEV where its file system is not one
 * that answers by itself (FUSE, network file systems, unknown ones); -errno.
 */
int mapped_file_open(int process_dir, int path_fd) MUST_CHECK;

/*
 * An O_PATH descriptor of what lies there beneath the process's root, whatever it is, found without asking
 * a file system: -ESTALE where the kernel does not have it in its cache, -errno.
 */
int path_find_cached(int process_dir, const char *path) MUST_CHECK;

/* Whether a file or directory is on such a file system: 0, -EXDEV; -ENOENT where the process does not see
 * its mount, -errno. */
int mapped_file_is_local(int process_dir, int path_fd) MUST_CHECK;

/* The identity that an open file has now; asks no server. 0 or -errno, -EINVAL for no regular file. */
int file_identity_of(int fd, struct file_identity *ret) MUST_CHECK;

#endif
