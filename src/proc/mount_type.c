// SPDX-License-Identifier: Apache-2.0
/*
 * statmount(2) finds a mount by an id that is never used again (Linux 6.8), in the namespace that is named likewise
 * (6.11). Debian 12's headers have neither, so what the kernel calls these things stands here. Before, the list of
 * all mounts is read; while the descriptor is open its mount stays, so that mount's id there is no other's.
 */
#include "proc/mount_type.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/macros.h"
#include "base/strbuf.h"

/* fs.mount-max is 100000; containers have tens. What lies beyond is refused, not scanned. */
#define MOUNTINFO_MAX (4 << 20)

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

/* At the end of a line of mountinfo; "" where there is none. */
static void take_type(const char *line, char ret[MOUNT_TYPE_MAX])
{
	const char *dash = strstr(line, " - "), *type = dash ? dash + 3 : "";
	size_t len = MIN(strcspn(type, " ."), (size_t)MOUNT_TYPE_MAX - 1);

	memcpy(ret, type, len);
	ret[len] = '\0';
}

/*
 * "36 35 98:0 /root /mount/point options [optional ...] - type source super-options", where blanks in names
 * are escaped.
 */
int mount_type_listed(int process_dir, const char *mountinfo, const struct statx *st,
	char ret[MOUNT_TYPE_MAX])
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;
	int r = file_read_at(process_dir, mountinfo, MOUNTINFO_MAX, &text);
	bool own = false, found = false;

	if (r < 0)
		return r;
	for (char *line = text.buf, *next; *line && !own; line = next) {
		unsigned long long id;
		unsigned major, minor;

		next = strchrnul(line, '\n');
		if (*next)
			*next++ = '\0';
		if (sscanf(line, "%llu %*u %u:%u ", &id, &major, &minor) != 3)
			continue;
		own = st->stx_mask & STATX_MNT_ID && id == st->stx_mnt_id;
		if (!own && (major != st->stx_dev_major || minor != st->stx_dev_minor))
			continue;
		take_type(line, ret);
		found = true;
	}
	return found ? 0 : -ENOENT;
}

static int ask(int process_dir, int path_fd, char ret[MOUNT_TYPE_MAX])
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

static int look_up(int process_dir, int path_fd, char ret[MOUNT_TYPE_MAX])
{
	struct statx st;

	if (statx(path_fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &st) < 0)
		return -errno;
	if (!(st.stx_mask & STATX_MNT_ID))
		return -ENOSYS;
	st.stx_dev_major = st.stx_dev_minor = 0; /* no mount has that */
	return mount_type_listed(process_dir, "mountinfo", &st, ret);
}

int mount_type(int process_dir, int path_fd, char ret[MOUNT_TYPE_MAX])
{
	int r = ask(process_dir, path_fd, ret);

	return r == 0 || r == -ENOENT ? r : look_up(process_dir, path_fd, ret);
}
