// SPDX-License-Identifier: Apache-2.0
/*
 * The three layouts below /sys/fs/cgroup, and where CPU time is accounted in each:
 *
 *	v2      cgroup.controllers           docker/<id>/cpu.stat             usage_usec 1234
 *	v1      cpuacct/  memory/ ...        cpuacct/docker/<id>/cpuacct.usage        1234567
 *	hybrid  as v1, and unified/          as v1, and unified/docker/<id>/cpu.stat
 *
 * cpu.stat tells of usage_usec in every v2 cgroup, also where the cpu controller is off.
 */
#include "proc/cgroup_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/strbuf.h"

#define ACCOUNT_MAX 4096 /* cpu.stat has some ten lines */

static int open_hierarchy(struct cgroup_tree *tree, const char *fs, const char *below,
	const char *mark, bool v1)
{
	char *path cleanup_free = xasprintf("%s%s", fs, below);
	int fd cleanup_close = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (faccessat(fd, mark, F_OK, 0) < 0)
		return errno == ENOENT ? -ENODEV : -errno;
	*tree = (struct cgroup_tree){.fd = steal_fd(&fd), .v1 = v1, .path = steal_ptr(&path)};
	return 0;
}

int cgroup_trees_open(struct cgroup_tree ret[CGROUP_TREES], const char *fs)
{
	int r = open_hierarchy(&ret[0], fs, "", "cgroup.controllers", false);
	int count = 0;

	if (r == 0)
		return 1;
	if (r != -ENODEV)
		return r == -ENOENT ? -ENODEV : r;
	if (open_hierarchy(&ret[count], fs, "/cpuacct", "cpuacct.usage", true) == 0 ||
		open_hierarchy(&ret[count], fs, "/cpu,cpuacct", "cpuacct.usage", true) == 0)
		count++;
	if (open_hierarchy(&ret[count], fs, "/unified", "cgroup.controllers", false) == 0)
		count++;
	return count ? count : -ENODEV;
}

bool cgroup_tree_same(const struct cgroup_tree *a, const struct cgroup_tree *b)
{
	struct stat x, y;

	return fstat(a->fd, &x) == 0 && fstat(b->fd, &y) == 0 && x.st_dev == y.st_dev &&
		x.st_ino == y.st_ino;
}

void cgroup_tree_release(struct cgroup_tree *tree)
{
	if (tree->path)
		close(tree->fd);
	free(tree->path);
	*tree = (struct cgroup_tree){.fd = -1};
}

struct walk {
	bool (*visit)(void *ctx, const char *path, const char *name);
	void *ctx;
	struct strbuf path;
	size_t dirs;
};

static bool is_child(const struct dirent *e)
{
	return e->d_type == DT_DIR && strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
}

static int walk_below(struct walk *w, int parent, const char *name, unsigned depth)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	/* Gone meanwhile, or not ours to see: the rest of the tree still counts. */
	if (fd < 0)
		return depth ? 0 : -errno;
	DIR *dir cleanup_closedir = fdopendir(fd);

	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	size_t len = w->path.len;
	struct dirent *e;
	int r = 0;

	while (r == 0 && (e = readdir(dir))) {
		if (!is_child(e))
			continue;
		if (++w->dirs > CGROUP_TREE_DIRS)
			return -E2BIG;
		strbuf_addf(&w->path, len ? "/%s" : "%s", e->d_name);
		if (w->visit(w->ctx, w->path.buf, e->d_name) && depth < CGROUP_TREE_DEPTH)
			r = walk_below(w, dirfd(dir), e->d_name, depth + 1);
		strbuf_set_len(&w->path, len);
	}
	return r;
}

int cgroup_tree_walk(const struct cgroup_tree *tree,
	bool (*visit)(void *ctx, const char *path, const char *name), void *ctx)
{
	struct walk w = {.visit = visit, .ctx = ctx, .path = STRBUF_INIT};

	if (!tree->path)
		return -ENODEV;
	int r = walk_below(&w, tree->fd, ".", 0);

	strbuf_release(&w.path);
	return r;
}

int cgroup_tree_cpu(const struct cgroup_tree *tree, const char *path, uint64_t *ret_ns)
{
	char *file cleanup_free = xasprintf("%s/%s", path, tree->v1 ? "cpuacct.usage" : "cpu.stat");
	struct strbuf text cleanup_strbuf = STRBUF_INIT;

	if (!tree->path)
		return -ENODEV;
	int r = file_read_at(tree->fd, file, ACCOUNT_MAX, &text);

	/* A cgroup that is removed while it is read answers ENODEV. */
	if (r < 0)
		return r == -ENODEV ? -ENOENT : r;
	const char *value = tree->v1 ? text.buf : strstr(text.buf, "usage_usec ");

	if (!value)
		return -EPROTO;
	value += tree->v1 ? 0 : strlen("usage_usec ");
	*ret_ns = strtoull(value, NULL, 10) * (tree->v1 ? 1 : 1000);
	return 0;
}
