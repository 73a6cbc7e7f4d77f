// SPDX-License-Identifier: Apache-2.0
/*
 * The files that name one module: the mapped one, its separate debug file, and what its .gnu_debugdata
 * holds. They are held open within a number of descriptors for all modules, and inflated or summed up
 * within a number of bytes per round.
 */
#ifndef SYMBOLS_DSO_FILES_H
#define SYMBOLS_DSO_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "proc/file_root.h"
#include "symbols/debug_file.h"
#include "symbols/debugdata.h"
#include "symbols/name_source.h"

/* What all modules share. */
struct dso_files_budget {
	struct list_node open; /* modules that hold descriptors, least recently used first */
	size_t open_count, max_open;
	struct list_node inflated; /* modules whose .gnu_debugdata is, least recently used first */
	size_t inflated_bytes;
	uint64_t work_left; /* this round: bytes to be inflated and summed up */
	size_t lines_max; /* bytes of line programs of one file; 0: no lines are asked for */
	struct file_root host; /* whose debug files may be used by build id, .fd -1: nobody's */
};

/* LOST: it was held, and its descriptor was given up with that of the file itself. */
enum debug_state { DEBUG_UNTRIED, DEBUG_NONE, DEBUG_HELD, DEBUG_LOST };

struct dso_files {
	struct dso_files_budget *budget;
	struct list_node open_node;
	int fd; /* -1: not held */
	struct file_identity identity;
	const uint8_t *memory; /* the vDSO's image, else NULL */
	size_t memory_size;
	struct elf_file main; /* after dso_files_read() */
	enum debug_state debug_state;
	struct debug_file debug;
	struct file_identity debug_identity; /* of the last one that was held */
	bool no_debugdata, debugdata_waits;
	struct debugdata *debugdata; /* NULL: not inflated now */
	struct list_node inflated_node;
	struct eh_frame *eh_frame; /* NULL: not looked at now */
	uint64_t eh_frame_charged; /* of its work */
	bool no_lines;
	struct line_table *lines; /* NULL: not read now */
	uint32_t generation; /* one more whenever there is another debug file */
};

void dso_files_budget_init(struct dso_files_budget *budget, int host_dir);
void dso_files_budget_renew(struct dso_files_budget *budget); /* a round ends */
void dso_files_budget_release(struct dso_files_budget *budget);

void dso_files_init(struct dso_files *files, struct dso_files_budget *budget,
	const struct file_identity *identity);
void dso_files_release(struct dso_files *files);

/* Takes over the descriptor of the mapped file. */
void dso_files_hold(struct dso_files *files, int fd);
void dso_files_close(struct dso_files *files);
/* They were used just now. */
void dso_files_touch(struct dso_files *files);
/* Reads the mapped file's headers: 0; -ESTALE where it is another file by now, -ENOEXEC, -errno. */
int dso_files_read(struct dso_files *files) MUST_CHECK;
/* Whether the mapped file still is what it was: one that was written to is another file. */
bool dso_files_unchanged(const struct dso_files *files);
/* Whether its debug file is on another file system, which somebody else may have in its place. */
bool dso_files_are_mixed(const struct dso_files *files);
/* Whether a debug file would be of use and should be looked for. */
bool dso_files_want_debug(const struct dso_files *files);
/* Whether nothing that would make other names waits to be looked at. */
bool dso_files_settled(const struct dso_files *files);
/* Looks for it, beneath the root under which the file's path is `path`, after dso_files_read(). */
void dso_files_look_for_debug(struct dso_files *files, const struct file_root *root,
	const char *path);

/* For name_chain_find(); borrows `files`, which must be held or memory. */
struct name_files dso_files_names(struct dso_files *files);
/* What was made of the files while names were asked for. */
void dso_files_drop(struct dso_files *files);

#endif
