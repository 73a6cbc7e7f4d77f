// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes to be parsed, wherever they are: parsers of files from containers read through this and open
 * nothing. There is no mapping of the file: its owner could cut it short under us (SIGBUS).
 */
#ifndef SYMBOLS_BYTE_SOURCE_H
#define SYMBOLS_BYTE_SOURCE_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/macros.h"

struct byte_source {
	uint64_t size;
	int fd; /* -1: the bytes are at `data` */
	const uint8_t *data;
};

static inline struct byte_source byte_source_fd(int fd, uint64_t size)
{
	return (struct byte_source){.size = size, .fd = fd};
}

static inline struct byte_source byte_source_memory(const void *data, size_t size)
{
	return (struct byte_source){.size = size, .fd = -1, .data = data};
}

/* Exactly len bytes: 0, -ENODATA where they lie beyond the end, -errno. */
MUST_CHECK static inline int byte_source_read(const struct byte_source *s, uint64_t offset,
	void *buf, size_t len)
{
	if (offset > s->size || len > s->size - offset || offset > INT64_MAX)
		return -ENODATA;
	if (s->fd < 0) {
		if (len)
			memcpy(buf, s->data + offset, len);
		return 0;
	}
	for (size_t done = 0; done < len;) {
		ssize_t n = pread(s->fd, (char *)buf + done, len - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
		done += (size_t)n;
	}
	return 0;
}

#endif
