// SPDX-License-Identifier: Apache-2.0
/* Whole small files. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stddef.h>

#include "base/macros.h"
#include "base/strbuf.h"

/*
 * Appends the file's contents to `out`. dirfd as for openat(2). 0, or -errno; -EFBIG where it holds
 * more than `max` bytes (out is then unchanged). For trusted paths: it follows links and may block.
 */
int file_read_at(int dirfd, const char *path, size_t max, struct strbuf *out) MUST_CHECK;
/* The same for an open descriptor, from its current offset. */
int file_read_fd(int fd, size_t max, struct strbuf *out) MUST_CHECK;
/* Writes everything; 0 or -errno. */
int file_write_all(int fd, const void *data, size_t len) MUST_CHECK;
/* Writes to a new file beside `path` and renames it: readers see the old or the whole new file. */
int file_replace(const char *path, const void *data, size_t len) MUST_CHECK;
/* Makes the directory, and those above it, where they are missing. 0 or -errno. */
int file_make_directories(const char *path, unsigned mode) MUST_CHECK;

#endif
