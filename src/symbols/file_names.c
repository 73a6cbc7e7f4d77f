// SPDX-License-Identifier: Apache-2.0
/*
 * What a dso is to the profiler, without the process: one file, its debug files, one chain of sources. The
 * memory is the user's own, so that budgets are only what keeps a damaged file from filling it.
 */
#include "symbols/file_names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/hex.h"
#include "symbols/dso_files.h"
#include "symbols/name_chain.h"

#define MAX_BYTES (UINT64_C(1) << 30)
#define LINES_MAX (512 << 20) /* of line programs; Chrome has 400 MiB */

struct file_names {
	struct dso_files_budget budget;
	struct dso_files files;
	struct name_store store;
	struct name_chain chain;
	char *name; /* the path's last component */
	char build_id[2 * BUILD_ID_MAX + 1];
};

int file_names_new(int fd, const struct file_names_options *options, struct file_names **ret)
{
	struct file_identity identity;
	int r = file_identity_of(fd, &identity);

	if (r < 0) {
		close(fd);
		return r;
	}
	struct file_names *n = xcalloc(1, sizeof(*n));
	const char *slash = strrchr(options->path, '/');

	dso_files_budget_init(&n->budget, -1);
	n->budget.lines_max = LINES_MAX;
	n->budget.work_left = UINT64_MAX;
	dso_files_init(&n->files, &n->budget, &identity);
	dso_files_hold(&n->files, fd);
	name_store_init(&n->store, MAX_BYTES);
	n->store.demangle = options->demangle;
	name_chain_init(&n->chain);
	n->name = xstrdup(slash && slash[1] ? slash + 1 : options->path);
	r = dso_files_read(&n->files);
	if (r < 0) {
		file_names_free(n);
		return r;
	}
	const struct elf_image *image = &n->files.main.image;

	hex_encode(n->build_id, image->build_id, image->build_id_len);
	if (options->host)
		n->budget.host = *options->host;
	if (dso_files_want_debug(&n->files))
		dso_files_look_for_debug(&n->files, options->root, options->path);
	n->budget.host.fd = -1; /* it is not ours to close */
	*ret = n;
	return 0;
}

void file_names_free(struct file_names *n)
{
	if (!n)
		return;
	name_chain_drop_tables(&n->store, &n->chain);
	name_chain_drop_names(&n->store, &n->chain);
	name_store_release(&n->store);
	dso_files_release(&n->files);
	dso_files_budget_release(&n->budget);
	free(n->name);
	free(n);
}

void file_names_find(struct file_names *n, uint64_t address, struct file_name *ret)
{
	struct name_files files = dso_files_names(&n->files);
	struct name_answer answer;
	struct name_line line;

	*ret = (struct file_name){.missing = MISSING_MAPPING};
	if (!elf_image_is_code(&n->files.main.image, address))
		return;
	ret->missing = name_chain_find(&n->store, &n->chain, &files, address, n->name, &answer);
	ret->function = answer.text;
	ret->origin = answer.origin;
	ret->offset = answer.text ? address - answer.start : 0;
	name_chain_line(&n->store, &n->chain, &files, address, address, &line);
	ret->file = line.file;
	ret->line = line.line;
}

const char *file_names_build_id(const struct file_names *n)
{
	return n->build_id;
}
