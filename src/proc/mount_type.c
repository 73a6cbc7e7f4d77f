// SPDX-License-Identifier: Apache-2.0
/*
 * statmount(2) finds a mount by an id that is never used again (Linux 6.8), in the namespace that is named likewise
 * (6.11). Debian 12's headers have neither, so what the kernel calls these things stands here.
 */
#include "proc/mount_type.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

#define NR_STATMOUNT       457 /* on all architectures */
#define MASK_MNT_ID_UNIQUE 0x4000U /* STATX_MNT_ID_UNIQUE */
#define MASK_FS_TYPE       0x20U /* STATMOUNT_FS_TYPE */
#define IOCTL_MNTNS_ID     _IOR(0xb7, 0x5, uint64_t) /* NS_GET_MNTNS_ID */

/* struct mnt_id_req */
struct request {
	uint32_t size, unused;
	uint64_t mount_id, mask, namespace_id;
};
_Static_assert(sizeof(struct request) == 32, "MNT_ID_REQ_SIZE_VER1");

/* struct statmount */
struct answer {
	uint32_t size, options;
	uint64_t mask;
	uint32_t dev_major, dev_minor;
	uint64_t magic;
	uint32_t flags, type; /* in text */
	uint64_t other[59];
	char text[MOUNT_TYPE_MAX];
};
_Static_assert(offsetof(struct answer, text) == 512, "as in linux/mount.h");

static int unique_id(int path_fd, uint64_t *ret)
{
	struct statx st;

	if (statx(path_fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, MASK_MNT_ID_UNIQUE, &st) < 0)
		return -errno;
	*ret = st.stx_mnt_id;
	return st.stx_mask & MASK_MNT_ID_UNIQUE ? 0 : -ENOSYS;
}

static int namespace_id(int process_dir, uint64_t *ret)
{
	int fd cleanup_close = openat(process_dir, "ns/mnt", O_RDONLY | O_CLOEXEC);

	return fd < 0 || ioctl(fd, IOCTL_MNTNS_ID, ret) < 0 ? -errno : 0;
}

int mount_type(int process_dir, int path_fd, char ret[MOUNT_TYPE_MAX])
{
	struct request request = {.size = sizeof(request), .mask = MASK_FS_TYPE};
	struct answer answer = {0};
	int r = unique_id(path_fd, &request.mount_id);

	if (r == 0)
		r = namespace_id(process_dir, &request.namespace_id);
	if (r < 0)
		return r;
	if (syscall(NR_STATMOUNT, &request, &answer, sizeof(answer), 0) < 0)
		return -errno;
	if (!(answer.mask & MASK_FS_TYPE) || answer.type >= sizeof(answer.text))
		return -EINVAL;
	memcpy(ret, answer.text + answer.type, sizeof(answer.text) - answer.type);
	ret[sizeof(answer.text) - answer.type - 1] = '\0';
	return 0;
}
