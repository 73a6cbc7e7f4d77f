// SPDX-License-Identifier: Apache-2.0
/*
 * Opens files that nobody has mapped, by a path beneath the root of a process that may be hostile: with
 * the promises of proc/mapped_file.h. Where the path is somebody's choice, so is the file; what it may be
 * believed about is the caller's business.
 */
#ifndef PROC_FILE_ROOT_H
#define PROC_FILE_ROOT_H

#include "base/macros.h"
#include "proc/mapped_file.h"

/* Which directory is a root, zeroed: not known. */
struct root_id {
	uint64_t dev, inode;
	/*
	 * Of the process that had it. Says no more of the directory, but whose it is: a container has one that no
	 * other has, and by default may not have more, as it may have ever other roots (chroot). 0: not known.
	 */
	uint64_t mount_namespace;
};

static inline bool root_id_known(const struct root_id *id)
{
	return id->dev || id->inode;
}

static inline bool root_id_equal(const struct root_id *a, const struct root_id *b)
{
	return a->dev == b->dev && a->inode == b->inode;
}

/* Of the process whose directory this is, now. 0; after -errno it is not known. */
int root_id_of_process(int process_dir, struct root_id *ret);

struct file_root {
	int fd; /* O_PATH, owned; -1: none */
	int process_dir; /* borrowed; -1: the root is trusted, any file system will do */
	struct root_id id; /* of a process's root */
	bool local; /* the root's own file system answers by itself */
};

/* The root of the process whose directory this is. -errno; only after success is *ret to be released. */
int file_root_of_process(int process_dir, struct file_root *ret) MUST_CHECK;
/* A directory that whoever started this program has named. */
int file_root_of_directory(const char *path, struct file_root *ret) MUST_CHECK;
void file_root_release(struct file_root *root);
#define cleanup_file_root __attribute__((cleanup(file_root_release)))

/*
 * A readable descriptor of the regular file dir/name and its identity. Symbolic links lead nowhere
 * outside the root. Where a mount lies on the way, `dir` must be on the far side of it and in use. -ENOENT,
 * -EXDEV where a file system on the way might not answer, -errno.
 */
int file_root_open(const struct file_root *root, const char *dir, const char *name,
	struct file_identity *ret) MUST_CHECK;

#endif
