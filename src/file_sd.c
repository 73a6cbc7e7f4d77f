// SPDX-License-Identifier: Apache-2.0
/*
 * inotify only says that something in a directory changed; what changed is found by looking at all
 * files of the patterns again and comparing (device, inode, size, mtime). So a missed or doubled
 * notification does no harm, and a file system without inotify is merely slower. A file that could not be
 * read is tried at each look, since permissions and descriptors change without a trace in these.
 */
#include "file_sd.h"

#include <errno.h>
#include <fnmatch.h>
#include <glob.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"

#define SETTLE_NS (50 * NSEC_PER_MSEC) /* editors write in several steps */
#define MAX_FILES 1000

struct followed {
	struct list_node node;
	char *path;
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime;
	int unreadable; /* the -errno with which it could not be read at last; 0: it could */
	bool present; /* in the look that is going on */
};

struct file_sd {
	struct loop *loop;
	const struct file_sd_options *options;
	const struct file_sd_ops *ops;
	void *ctx;
	struct loop_fd inotify;
	struct loop_timer settle, refresh;
	struct list_node files;
};

static struct followed *find(struct file_sd *sd, const char *path)
{
	list_for_each(n, &sd->files) {
		struct followed *f = list_entry(n, struct followed, node);

		if (strcmp(f->path, path) == 0)
			return f;
	}
	return NULL;
}

static void followed_free(struct followed *f)
{
	list_remove(&f->node);
	free(f->path);
	free(f);
}

static bool unchanged(const struct followed *f, const struct stat *st)
{
	return f->dev == st->st_dev && f->ino == st->st_ino && f->size == st->st_size &&
		f->mtime.tv_sec == st->st_mtim.tv_sec && f->mtime.tv_nsec == st->st_mtim.tv_nsec;
}

/* What is wrong with the text stays so until the text changes. */
static bool is_of_text(int code)
{
	return code == -EINVAL || code == -EFBIG;
}

static void read_file(struct file_sd *sd, struct followed *f, bool changed)
{
	struct labels *sets = NULL;
	size_t count = 0;
	struct error err = {0};
	int before = f->unreadable, r = config_load_target_file(f->path, &sets, &count, &err);

	f->unreadable = r < 0 && !is_of_text(r) ? r : 0;
	if (r < 0) {
		if (changed || r != before)
			sd->ops->trouble(sd->ctx, f->path, &err);
		return;
	}
	sd->ops->file(sd->ctx, f->path, sets, count);
	for (size_t i = 0; i < count; i++)
		labels_release(&sets[i]);
	free(sets);
}

static void look_at(struct file_sd *sd, const char *path)
{
	struct followed *f = find(sd, path);
	struct stat st;

	if (stat(path, &st) < 0)
		return;
	if (!f) {
		f = xcalloc(1, sizeof(*f));
		f->path = xstrdup(path);
		list_append(&sd->files, &f->node);
	}
	f->present = true;
	bool changed = !unchanged(f, &st);

	if (!changed && !f->unreadable)
		return;
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	f->size = st.st_size;
	f->mtime = st.st_mtim;
	read_file(sd, f, changed);
}

/* A directory that cannot be read now says nothing of what is in it. */
static int on_glob_error(const char *path, int code)
{
	(void)path;
	return code != ENOENT && code != ENOTDIR;
}

/* Those that would be found, if it could be looked. */
static void keep_matching(struct file_sd *sd, const char *pattern)
{
	list_for_each(n, &sd->files) {
		struct followed *f = list_entry(n, struct followed, node);

		if (fnmatch(pattern, f->path, FNM_PATHNAME) == 0)
			f->present = true;
	}
}

static void look_at_pattern(struct file_sd *sd, const char *pattern)
{
	glob_t found = {0};
	int r = glob(pattern, 0, on_glob_error, &found);

	for (size_t i = 0; r == 0 && i < found.gl_pathc && i < MAX_FILES; i++)
		look_at(sd, found.gl_pathv[i]);
	globfree(&found);
	if (r != 0 && r != GLOB_NOMATCH)
		keep_matching(sd, pattern);
}

static void look(struct file_sd *sd)
{
	list_for_each(n, &sd->files)
		list_entry(n, struct followed, node)->present = false;
	for (size_t i = 0; i < sd->options->file_count; i++)
		look_at_pattern(sd, sd->options->files[i]);
	list_for_each_safe(n, &sd->files) {
		struct followed *f = list_entry(n, struct followed, node);

		if (f->present)
			continue;
		sd->ops->file(sd->ctx, f->path, NULL, 0);
		followed_free(f);
	}
	loop_timer_start(&sd->refresh, sd->options->refresh_interval_ns);
}

static void on_settled(struct loop_timer *t)
{
	look(container_of(t, struct file_sd, settle));
}

static void on_refresh(struct loop_timer *t)
{
	look(container_of(t, struct file_sd, refresh));
}

static void on_inotify(struct loop_fd *fd, uint32_t events)
{
	struct file_sd *sd = container_of(fd, struct file_sd, inotify);
	char buffer[4096] __attribute__((aligned(8)));

	(void)events;
	while (read(fd->fd, buffer, sizeof(buffer)) > 0)
		;
	loop_timer_start(&sd->settle, SETTLE_NS);
}

static void watch_directory(struct file_sd *sd, const char *pattern)
{
	char *copy cleanup_free = xstrdup(pattern);

	/* A directory that is not there (yet) is looked at by the refresh. */
	inotify_add_watch(sd->inotify.fd, dirname(copy),
		IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE | IN_ATTRIB);
}

int file_sd_new(struct loop *loop, const struct file_sd_options *options,
	const struct file_sd_ops *ops, void *ctx, struct file_sd **ret, struct error *err)
{
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (fd < 0)
		return error_set_errno(err, -errno, "inotify");
	struct file_sd *sd = xcalloc(1, sizeof(*sd));

	*sd = (struct file_sd){.loop = loop, .options = options, .ops = ops, .ctx = ctx};
	list_init(&sd->files);
	loop_timer_init(loop, &sd->settle, on_settled);
	loop_timer_init(loop, &sd->refresh, on_refresh);
	sd->inotify = (struct loop_fd){.fd = fd, .on_event = on_inotify};
	int r = loop_fd_add(loop, &sd->inotify, EPOLLIN);

	if (r < 0) {
		file_sd_free(sd);
		return error_set_errno(err, r, "epoll");
	}
	for (size_t i = 0; i < options->file_count; i++)
		watch_directory(sd, options->files[i]);
	look(sd);
	*ret = sd;
	return 0;
}

void file_sd_free(struct file_sd *sd)
{
	if (!sd)
		return;
	loop_fd_remove(&sd->inotify);
	close(sd->inotify.fd);
	loop_timer_stop(&sd->settle);
	loop_timer_stop(&sd->refresh);
	list_for_each_safe(n, &sd->files)
		followed_free(list_entry(n, struct followed, node));
	free(sd);
}
