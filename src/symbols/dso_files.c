// SPDX-License-Identifier: Apache-2.0
/*
 *	dso_files ──┬─> fd of the mapped file ──> elf_file ──> .gnu_debugdata, inflated for one round
 *	            └─> fd of its debug file ───> elf_file
 *
 * Both descriptors come and go together. A file that was written to since is another file: its headers and
 * tables are of no use any more, so identities are compared before each reading.
 *
 * Checking a CRC takes 1 s per GB, inflating 5 to 10, and both are done for whoever names a file: so they
 * have a budget per round. Where it is spent, there is neither for now, and the next round asks again.
 */
#include "symbols/dso_files.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "symbols/eh_frame.h"
#include "symbols/line_table.h"

#define MAX_OPEN     2048 /* descriptors held: those of a hundred containers with twenty files each */
#define OPEN_SHARE   4 /* of the descriptors that the process may have; the usual limit is 1024 */
/* Of .gnu_debugdata; while one more is inflated, half of it. All of a container's libraries fit. */
#define INFLATED_MAX (32u << 20)
#define ROUND_WORK   (UINT64_C(256) << 20)
#define LINE_WORK    10 /* running a byte of a line program takes as long as summing up so many */

void dso_files_budget_init(struct dso_files_budget *budget, int host_dir)
{
	struct rlimit limit = {.rlim_cur = 1024};

	getrlimit(RLIMIT_NOFILE, &limit);
	*budget = (struct dso_files_budget){
		.work_left = ROUND_WORK,
		.max_open = (size_t)MIN(limit.rlim_cur / OPEN_SHARE, (rlim_t)MAX_OPEN),
		.host = {.fd = -1},
	};
	list_init(&budget->open);
	list_init(&budget->inflated);
	if (host_dir < 0 || file_root_of_process(host_dir, &budget->host) < 0)
		budget->host.fd = -1;
}

void dso_files_budget_renew(struct dso_files_budget *budget)
{
	budget->work_left = ROUND_WORK;
}

void dso_files_budget_release(struct dso_files_budget *budget)
{
	file_root_release(&budget->host);
}

static void charge(struct dso_files_budget *budget, uint64_t work)
{
	budget->work_left -= MIN(budget->work_left, work);
}

void dso_files_init(struct dso_files *files, struct dso_files_budget *budget,
	const struct file_identity *identity)
{
	*files = (struct dso_files){
		.budget = budget,
		.fd = -1,
		.identity = *identity,
		.debug = {.fd = -1},
	};
	list_init(&files->open_node);
	list_init(&files->inflated_node);
}

void dso_files_release(struct dso_files *files)
{
	dso_files_drop(files);
	dso_files_close(files);
	elf_image_release(&files->main.image);
}

void dso_files_close(struct dso_files *files)
{
	if (files->fd < 0)
		return;
	dso_files_drop(files);
	close(files->fd);
	files->fd = -1;
	list_remove(&files->open_node);
	files->budget->open_count--;
	if (files->debug_state != DEBUG_HELD)
		return;
	debug_file_release(&files->debug);
	files->debug_state = DEBUG_LOST;
	files->budget->open_count--;
}

/* Room for one more descriptor, though not at the expense of `keep`. */
static void make_room(struct dso_files_budget *budget, const struct dso_files *keep)
{
	list_for_each_safe(n, &budget->open) {
		struct dso_files *files = list_entry(n, struct dso_files, open_node);

		if (budget->open_count < budget->max_open)
			return;
		if (files != keep)
			dso_files_close(files);
	}
}

static struct byte_source source_of(const struct dso_files *files)
{
	if (files->memory)
		return byte_source_memory(files->memory, files->memory_size);
	return byte_source_fd(files->fd, files->identity.size);
}

void dso_files_hold(struct dso_files *files, int fd)
{
	make_room(files->budget, files);
	files->fd = fd;
	files->main.source = source_of(files);
	list_append(&files->budget->open, &files->open_node);
	files->budget->open_count++;
}

void dso_files_touch(struct dso_files *files)
{
	if (files->fd < 0)
		return;
	list_remove(&files->open_node);
	list_append(&files->budget->open, &files->open_node);
}

static bool is_still(int fd, const struct file_identity *identity)
{
	struct file_identity now;

	return fd >= 0 && file_identity_of(fd, &now) == 0 && file_identity_equal(&now, identity);
}

bool dso_files_unchanged(const struct dso_files *files)
{
	return files->memory || is_still(files->fd, &files->identity);
}

bool dso_files_are_mixed(const struct dso_files *files)
{
	return files->debug_state == DEBUG_HELD && files->debug.identity.dev != files->identity.dev;
}

static bool unchanged(void *owner)
{
	const struct dso_files *files = owner;

	if (files->memory)
		return true;
	if (!dso_files_unchanged(files) || files->debug_state == DEBUG_LOST)
		return false;
	return files->debug_state != DEBUG_HELD ||
		is_still(files->debug.fd, &files->debug.identity);
}

int dso_files_read(struct dso_files *files)
{
	files->main.source = source_of(files);
	if (!dso_files_unchanged(files))
		return -ESTALE;
	int r = elf_image_read(&files->main.source, &files->main.image);

	if (r == 0 && (files->memory || files->main.image.symtab.size))
		files->debug_state = DEBUG_NONE; /* it would have no more to say */
	return r;
}

bool dso_files_want_debug(const struct dso_files *files)
{
	return files->debug_state == DEBUG_UNTRIED || files->debug_state == DEBUG_LOST;
}

bool dso_files_settled(const struct dso_files *files)
{
	return files->debug_state != DEBUG_UNTRIED && !files->debugdata_waits;
}

static void hold_debug(struct dso_files *files, const struct debug_file *found)
{
	if (!file_identity_equal(&found->identity, &files->debug_identity))
		files->generation++;
	make_room(files->budget, files);
	files->budget->open_count++;
	files->debug = *found;
	files->debug_identity = found->identity;
	files->debug_state = DEBUG_HELD;
	files->no_lines = false; /* perhaps it has them */
}

void dso_files_look_for_debug(struct dso_files *files, const struct file_root *root,
	const char *path)
{
	struct dso_files_budget *budget = files->budget;
	struct debug_file found;
	uint64_t work = 0;

	if (!budget->work_left)
		return;
	struct debug_search search = {
		.main = &files->main,
		.path = path,
		.root = root,
		.host = budget->host.fd >= 0 ? &budget->host : NULL,
	};
	int r = debug_file_find(&search, &found, &work);

	charge(budget, work);
	if (r == 0) {
		hold_debug(files, &found);
		return;
	}
	if (files->debug_state == DEBUG_LOST)
		files->generation++;
	files->debug_state = DEBUG_NONE;
}

static void drop_debugdata(struct dso_files *files)
{
	if (!files->debugdata)
		return;
	files->budget->inflated_bytes -= files->debugdata->bytes.size;
	list_remove(&files->inflated_node);
	debugdata_release(files->debugdata);
	free(files->debugdata);
	files->debugdata = NULL;
}

/* Those that are needed again are inflated again, at the expense of the round's work. */
static void drop_inflated(struct dso_files_budget *budget, size_t max, const struct dso_files *keep)
{
	list_for_each_safe(n, &budget->inflated) {
		struct dso_files *files = list_entry(n, struct dso_files, inflated_node);

		if (budget->inflated_bytes <= max)
			return;
		if (files != keep)
			drop_debugdata(files);
	}
}

static void hold_debugdata(struct dso_files *files, const struct debugdata *data)
{
	files->debugdata = xmemdup(data, sizeof(*data));
	files->budget->inflated_bytes += data->bytes.size;
	list_append(&files->budget->inflated, &files->inflated_node);
	drop_inflated(files->budget, INFLATED_MAX, files);
}

static const struct elf_file *get_debugdata(void *owner, bool for_table)
{
	struct dso_files *files = owner;
	struct debugdata data = {0};
	size_t work = 0;

	if (files->debugdata) {
		list_remove(&files->inflated_node);
		list_append(&files->budget->inflated, &files->inflated_node);
		return &files->debugdata->file;
	}
	if (files->no_debugdata)
		return NULL;
	if (!files->budget->work_left) {
		files->debugdata_waits |= for_table;
		return NULL;
	}
	drop_inflated(files->budget, INFLATED_MAX / 2, NULL);
	int r = debugdata_read(&files->main.source, &data, &work);

	charge(files->budget, work);
	if (r < 0) {
		files->no_debugdata = true;
		return NULL;
	}
	hold_debugdata(files, &data);
	return &files->debugdata->file;
}

void dso_files_drop(struct dso_files *files)
{
	drop_debugdata(files);
	eh_frame_free(files->eh_frame);
	files->eh_frame = NULL;
	line_table_free(files->lines);
	files->lines = NULL;
}

static struct eh_frame *get_eh_frame(void *owner)
{
	struct dso_files *files = owner;

	if (!files->eh_frame) {
		/* With a table of its own it costs next to nothing. */
		bool scan = !files->main.image.named[ELF_EH_FRAME_HDR].size;

		if ((scan && !files->budget->work_left) || !dso_files_unchanged(files))
			return NULL;
		files->eh_frame = eh_frame_new(&files->main.source, &files->main.image);
		files->eh_frame_charged = 0;
	}
	uint64_t work = eh_frame_scan_work(files->eh_frame);

	/* What a look-up had to read is found here by the next one. */
	charge(files->budget, work - files->eh_frame_charged);
	files->eh_frame_charged = work;
	return files->eh_frame;
}

/* Of the file itself, else of its debug file. */
static void read_lines(struct dso_files *files)
{
	const struct dso_files_budget *budget = files->budget;
	int r = line_table_new(&files->main, budget->lines_max, &files->lines);

	if (r < 0 && files->debug_state == DEBUG_HELD)
		r = line_table_new(&files->debug.file, budget->lines_max, &files->lines);
	files->no_lines = r < 0;
	charge(files->budget, r == 0 ? LINE_WORK * line_table_bytes(files->lines) : 0);
}

static int get_line(void *owner, uint64_t address, struct strbuf *file, uint32_t *ret)
{
	struct dso_files *files = owner;
	struct source_line line = {0};

	*ret = 0;
	if (files->no_lines)
		return 0;
	if (!files->budget->work_left)
		return -EAGAIN;
	if (!files->lines)
		read_lines(files);
	if (files->lines && line_table_find(files->lines, address, file, &line))
		*ret = line.line;
	charge(files->budget, LINE_WORK * (uint64_t)line.work);
	return 0;
}

struct name_files dso_files_names(struct dso_files *files)
{
	if (files->debugdata_waits && files->budget->work_left) {
		files->debugdata_waits = false;
		files->generation++; /* the tables were made without it */
	}
	return (struct name_files){
		.main = &files->main,
		.debug = files->debug_state == DEBUG_HELD ? &files->debug.file : NULL,
		.debugdata = get_debugdata,
		.eh_frame = get_eh_frame,
		.line = files->budget->lines_max ? get_line : NULL,
		.unchanged = unchanged,
		.owner = files,
		.generation = files->generation,
	};
}
