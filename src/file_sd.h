// SPDX-License-Identifier: Apache-2.0
/*
 * Prometheus' file_sd_configs: files of label sets, followed when they change (inotify on their
 * directories, and a full look each refresh_interval).
 */
#ifndef FILE_SD_H
#define FILE_SD_H

#include "base/error.h"
#include "config/config.h"
#include "loop/loop.h"
#include "target/labels.h"

struct file_sd;

struct file_sd_ops {
	/* All label sets of one file, again after each change; count 0: the file is gone. */
	void (*file)(void *ctx, const char *path, const struct labels *sets, size_t count);
	/* The file cannot be used; what it gave before stays. Once per change of it, or of the reason. */
	void (*trouble)(void *ctx, const char *path, const struct error *err);
};

/* options must outlive it. The first look happens at once, from within this call. */
int file_sd_new(struct loop *loop, const struct file_sd_options *options,
	const struct file_sd_ops *ops, void *ctx, struct file_sd **ret, struct error *err);
void file_sd_free(struct file_sd *sd);

#endif
