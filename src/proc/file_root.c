// SPDX-License-Identifier: Apache-2.0
/*
 * A mapped file pins its path in the dentry cache, so that it can be walked without asking any file system
 * (mapped_file.c). Nobody pins the path of a debug file: walking to it asks every file system on the way.
 * So the walk starts where the file system is one that answers by itself and crosses no mount
 * (RESOLVE_NO_XDEV): at the root, and, if that ends at a mount, at `dir`. The way to a mount point is pinned
 * like that to a mapped file, so `dir` is walked in the cache alone.
 */
#include "proc/file_root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"

/* A rename anywhere makes a cached walk give up; it is tried again this often. */
#define CACHED_TRIES 4
#define MAX_PATH     4096 /* PATH_MAX, the kernel's bound */

static int walk(int at, const char *path, unsigned long long resolve)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_NO_MAGICLINKS | resolve,
	};
	long fd = syscall(SYS_openat2, at, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

static int root_id_at(int dir, const char *path, int flags, struct root_id *ret)
{
	struct statx st;

	*ret = (struct root_id){0};
	if (statx(dir, path, AT_STATX_DONT_SYNC | flags, STATX_INO, &st) < 0)
		return -errno;
	*ret = (struct root_id){makedev(st.stx_dev_major, st.stx_dev_minor), st.stx_ino, 0};
	return 0;
}

static uint64_t mount_namespace_of(int process_dir)
{
	struct statx st;

	return statx(process_dir, "ns/mnt", AT_STATX_DONT_SYNC, STATX_INO, &st) < 0 ? 0
										    : st.stx_ino;
}

int root_id_of_process(int process_dir, struct root_id *ret)
{
	int r = root_id_at(process_dir, "root", 0, ret);

	if (r == 0)
		ret->mount_namespace = mount_namespace_of(process_dir);
	return r;
}

int file_root_of_process(int process_dir, struct file_root *ret)
{
	int fd = openat(process_dir, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*ret = (struct file_root){
		.fd = fd,
		.process_dir = process_dir,
		.local = mapped_file_is_local(process_dir, fd) == 0,
	};
	root_id_at(fd, "", AT_EMPTY_PATH, &ret->id);
	ret->id.mount_namespace = mount_namespace_of(process_dir);
	return 0;
}

int file_root_of_directory(const char *path, struct file_root *ret)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*ret = (struct file_root){.fd = fd, .process_dir = -1, .local = true};
	return 0;
}

void file_root_release(struct file_root *root)
{
	if (root->fd >= 0)
		close(root->fd);
	root->fd = -1;
}

static int walk_from_root(const struct file_root *root, const char *dir, const char *name)
{
	char path[MAX_PATH];
	unsigned long long resolve = root->process_dir < 0 ? 0 : RESOLVE_NO_XDEV;
	int len = snprintf(path, sizeof(path), "%s/%s", dir, name);

	if (len < 0 || (size_t)len >= sizeof(path))
		return -ENAMETOOLONG;
	return root->local ? walk(root->fd, path, RESOLVE_IN_ROOT | resolve) : -EXDEV;
}

static int walk_from_dir(const struct file_root *root, const char *dir, const char *name)
{
	int base cleanup_close = -EAGAIN;

	for (int i = 0; i < CACHED_TRIES && base == -EAGAIN; i++)
		base = walk(root->fd, dir, RESOLVE_IN_ROOT | RESOLVE_CACHED);
	if (base < 0)
		return base == -ENOENT ? -ENOENT : -EXDEV;
	if (mapped_file_is_local(root->process_dir, base) < 0)
		return -EXDEV;
	return walk(base, name, RESOLVE_BENEATH | RESOLVE_NO_XDEV);
}

static int open_trusted(int path_fd)
{
	char link[32];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", path_fd);
	int fd = open(link, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int file_root_open(const struct file_root *root, const char *dir, const char *name,
	struct file_identity *ret)
{
	int path_fd cleanup_close = walk_from_root(root, dir, name);

	if (path_fd == -EXDEV && root->process_dir >= 0)
		path_fd = walk_from_dir(root, dir, name);
	if (path_fd < 0)
		return path_fd;
	int r = file_identity_of(path_fd, ret);

	if (r < 0)
		return r;
	return root->process_dir < 0 ? open_trusted(path_fd)
				     : mapped_file_open(root->process_dir, path_fd);
}
