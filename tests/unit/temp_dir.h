// SPDX-License-Identifier: Apache-2.0
/* A directory of a test's own. */
#ifndef TESTS_TEMP_DIR_H
#define TESTS_TEMP_DIR_H

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"

struct temp_dir {
	char path[40];
	int fd; /* O_PATH */
};

static inline void temp_dir_init(struct temp_dir *d)
{
	strcpy(d->path, "/tmp/dockprof-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(d->path));
	d->fd = open(d->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(d->fd, 0);
}

/* Makes the file, or replaces its contents. */
static inline void temp_dir_write(const struct temp_dir *d, const char *name, const char *text,
	size_t len)
{
	int fd cleanup_close = openat(d->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(file_write_all(fd, text, len), 0);
}

static inline void temp_dir_release(struct temp_dir *d)
{
	char *command cleanup_free = xasprintf("rm -rf %s", d->path);

	close(d->fd);
	ck_assert_int_eq(system(command), 0);
}

#endif
