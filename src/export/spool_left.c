// SPDX-License-Identifier: Apache-2.0
#include "export/spool_left.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/strbuf.h"
#include "export/spool_segment.h"

/* flags: O_NOFOLLOW */
static DIR *open_directory(int at, const char *name, int flags)
{
	int fd cleanup_close = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir)
		(void)steal_fd(&fd);
	return dir;
}

/* By this dockprof or another one, which sends what is there. */
static bool is_in_use(DIR *dir)
{
	int fd cleanup_close =
		openat(dirfd(dir), SPOOL_LOCK_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

static uint64_t segment_bytes(DIR *dir)
{
	uint64_t bytes = 0, id;

	for (const struct dirent *entry; (entry = readdir(dir));) {
		struct stat st;

		if (segment_parse_name(entry->d_name, &id) &&
			fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			S_ISREG(st.st_mode))
			bytes += (uint64_t)st.st_size;
	}
	return bytes;
}

void spool_find_left(const char *path,
	void (*found)(void *ctx, const char *directory, uint64_t bytes), void *ctx)
{
	DIR *all cleanup_closedir = open_directory(AT_FDCWD, path, 0);
	unsigned looked_at = 0;

	for (const struct dirent *entry; all && (entry = readdir(all));) {
		struct strbuf name cleanup_strbuf = STRBUF_INIT;
		DIR *dir cleanup_closedir = entry->d_name[0] == '.'
			? NULL
			: open_directory(dirfd(all), entry->d_name, O_NOFOLLOW);
		uint64_t bytes = dir && !is_in_use(dir) ? segment_bytes(dir) : 0;

		if (dir && ++looked_at > SPOOL_LEFT_MAX)
			return;
		strbuf_addf(&name, "%s/%s", path, entry->d_name);
		if (bytes)
			found(ctx, name.buf, bytes);
	}
}
