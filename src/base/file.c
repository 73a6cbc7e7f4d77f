// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"

#define CHUNK 4096

int file_read_fd(int fd, size_t max, struct strbuf *out)
{
	size_t start = out->len;

	for (;;) {
		strbuf_grow(out, CHUNK);
		ssize_t n = read(fd, out->buf + out->len, out->alloc - out->len - 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			if (n < 0) {
				int r = -errno;

				strbuf_set_len(out, start);
				return r;
			}
			return 0;
		}
		strbuf_set_len(out, out->len + (size_t)n);
		if (out->len - start > max) {
			strbuf_set_len(out, start);
			return -EFBIG;
		}
	}
}

int file_read_at(int dirfd, const char *path, size_t max, struct strbuf *out)
{
	int fd cleanup_close = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return -errno;
	return file_read_fd(fd, max, out);
}

int file_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int file_replace(const char *path, const void *data, size_t len)
{
	char *beside cleanup_free = xasprintf("%s.tmp.%d", path, (int)getpid());
	int fd cleanup_close = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		return -errno;
	int r = file_write_all(fd, data, len);

	if (r == 0 && rename(beside, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(beside);
	return r;
}

int file_make_directories(const char *path, unsigned mode)
{
	char *part cleanup_free = xstrdup(path);

	for (char *slash = part; (slash = strchr(slash + 1, '/'));) {
		*slash = '\0';
		if (mkdir(part, mode) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return mkdir(path, mode) < 0 && errno != EEXIST ? -errno : 0;
}
