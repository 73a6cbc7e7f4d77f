// SPDX-License-Identifier: Apache-2.0
/*
 * Two ways lead to a mapped file. /proc/PID/map_files/START-END is the mapped inode itself, deleted or
 * not, whatever the path says; following it takes CAP_CHECKPOINT_RESTORE (5.9) or CAP_SYS_ADMIN. Else
 * the path of the maps line is walked beneath /proc/PID/root with openat2(2), and the file found there
 * must have the mapping's inode number and device. Two kinds of file systems show another device in maps
 * than in stat: btrfs (one per subvolume) and overlayfs (kernels before 6.8 show the layer's file, and with
 * xino the upper bits of the inode number differ); for these the lower half of the inode number decides.
 *
 * Nothing here may wait for a file system that a container serves itself:
 * - O_PATH does not call open, and statx with AT_STATX_DONT_SYNC answers from what the kernel has;
 * - the walk is RESOLVE_CACHED (5.12): a mapped file pins its path in the dentry cache, so if the walk
 *   would have to ask the file system, the path leads elsewhere by now;
 * - the descriptor for reading comes last, and only on a file system from the list below. Its type is looked
 *   up by mount id with statmount(2), else in /proc/PID/mountinfo, because statfs(2) would ask the server.
 *   While the file's descriptor is open its mount stays, so its id is no other's. memfds have no mount
 *   there; they are known by the device of one of our own.
 * An overlay whose lower layer is a FUSE mount passes. Making one takes CAP_SYS_ADMIN in the container.
 */
#include "proc/mapped_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/macros.h"
#include "proc/mount_type.h"

/* A rename anywhere makes a cached walk give up; it is tried again this often. */
#define CACHED_TRIES 4

static const char *const local_file_systems[] = {
	"bcachefs",
	"btrfs",
	"erofs",
	"exfat",
	"ext2",
	"ext3",
	"ext4",
	"f2fs",
	"hugetlbfs",
	"iso9660",
	"jfs",
	"nilfs2",
	"ntfs3",
	"overlay",
	"ramfs",
	"reiserfs",
	"rootfs",
	"squashfs",
	"tmpfs",
	"udf",
	"vfat",
	"xfs",
	"zfs",
};

static int64_t statx_ns(const struct statx_timestamp *t)
{
	return t->tv_sec * NSEC_PER_SEC + t->tv_nsec;
}

static int stat_cached(int fd, struct statx *ret)
{
	unsigned mask = STATX_BASIC_STATS | STATX_MNT_ID;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, mask, ret) < 0)
		return -errno;
	return S_ISREG(ret->stx_mode) ? 0 : -EINVAL;
}

int file_identity_of(int fd, struct file_identity *ret)
{
	struct statx st;
	int r = stat_cached(fd, &st);

	if (r < 0)
		return r;
	*ret = (struct file_identity){
		.dev = makedev(st.stx_dev_major, st.stx_dev_minor),
		.inode = st.stx_ino,
		.size = st.stx_size,
		.mtime_ns = statx_ns(&st.stx_mtime),
		.ctime_ns = statx_ns(&st.stx_ctime),
	};
	return 0;
}

static int find_by_mapping(int process_dir, const struct map_entry *entry)
{
	char name[64];

	snprintf(name, sizeof(name), "map_files/%llx-%llx", (unsigned long long)entry->start,
		(unsigned long long)entry->end);
	int fd = openat(process_dir, name, O_PATH | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int walk(int root, const char *path, unsigned long long resolve)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve,
	};
	long fd = syscall(SYS_openat2, root, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

int path_find_cached(int process_dir, const char *path)
{
	int root cleanup_close = openat(process_dir, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = -EAGAIN;

	if (root < 0)
		return -errno;
	for (int i = 0; i < CACHED_TRIES && fd == -EAGAIN; i++)
		fd = walk(root, path, RESOLVE_CACHED);
	if (fd == -EINVAL) /* before 5.12 */
		fd = walk(root, path, 0);
	return fd == -EAGAIN ? -ESTALE : fd;
}

static bool same_file(const struct file_identity *found, const struct map_entry *entry)
{
	if (found->dev == makedev(entry->dev_major, entry->dev_minor))
		return found->inode == entry->inode;
	/* Devices of such file systems have no major number. */
	return major(found->dev) == 0 && (uint32_t)found->inode == (uint32_t)entry->inode;
}

int mapped_file_find(int process_dir, const struct map_entry *entry, struct file_identity *ret)
{
	int fd cleanup_close = find_by_mapping(process_dir, entry);
	bool by_path = fd < 0;

	if (by_path)
		fd = entry->deleted ? -ENOENT : path_find_cached(process_dir, entry->path);
	if (fd < 0)
		return fd;
	int r = file_identity_of(fd, ret);

	if (r < 0)
		return r;
	if (by_path && !same_file(ret, entry))
		return -ESTALE;
	return steal_fd(&fd);
}

int mapped_file_find_again(int process_dir, const struct map_entry *entry, bool own,
	struct file_identity *ret)
{
	int fd cleanup_close = own ? find_by_mapping(process_dir, entry) : -ENOENT;

	if (fd >= 0 && file_identity_of(fd, ret) == 0 && same_file(ret, entry))
		return steal_fd(&fd);
	if (entry->deleted)
		return -ENOENT;
	int by_path cleanup_close = path_find_cached(process_dir, entry->path);
	int r = by_path < 0 ? by_path : file_identity_of(by_path, ret);

	if (r < 0)
		return r;
	bool same = own ? same_file(ret, entry)
			: ret->dev == makedev(entry->dev_major, entry->dev_minor) &&
			ret->inode == entry->inode;

	return same ? steal_fd(&by_path) : -ESTALE;
}

static int is_local(const char *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(local_file_systems); i++)
		if (strcmp(local_file_systems[i], type) == 0)
			return 0;
	return -EXDEV;
}

/*
 * The file's own mount decides; where the process does not see it (it has entered another mount namespace since it
 * mapped the file), another mount of the same device. A process that has changed its root (chroot) may see no mount at
 * all; process 1 sees those of the host.
 */
static int mount_is_local(int process_dir, int path_fd, const struct statx *st)
{
	char type[MOUNT_TYPE_MAX];
	int r = mount_type(process_dir, path_fd, type);

	if (r < 0)
		r = mount_type_listed(process_dir, "mountinfo", st, type);
	if (r == -ENOENT)
		r = mount_type_listed(process_dir, "../1/mountinfo", st, type);
	return r < 0 ? r : is_local(type);
}

/* Whether the file lies on the kernel's own tmpfs mount, as memfds and shared memory do. */
static bool is_memfd(const struct statx *st)
{
	int fd cleanup_close = memfd_create("dockprof", MFD_CLOEXEC);
	struct statx ours;

	return fd >= 0 && stat_cached(fd, &ours) == 0 && ours.stx_dev_major == st->stx_dev_major &&
		ours.stx_dev_minor == st->stx_dev_minor;
}

int mapped_file_is_local(int process_dir, int path_fd)
{
	struct statx st;
	unsigned mask = STATX_BASIC_STATS | STATX_MNT_ID;

	if (statx(path_fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, mask, &st) < 0)
		return -errno;
	return mount_is_local(process_dir, path_fd, &st);
}

int mapped_file_open(int process_dir, int path_fd)
{
	struct statx st;
	char link[32];
	int r = stat_cached(path_fd, &st);

	if (r < 0)
		return r;
	r = mount_is_local(process_dir, path_fd, &st);
	if (r == -ENOENT)
		r = is_memfd(&st) ? 0 : -EXDEV;
	if (r < 0)
		return r;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", path_fd);
	int fd = open(link, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}
