// SPDX-License-Identifier: Apache-2.0
/*
 * The files that mapping events named, by device, inode, generation, path and root, and the dso of each as soon as it
 * could be opened. What a process mapped that died at once is mostly here already. The root is a part of it because
 * containers of one image may show the same device and inode, and each may have changed the file or its
 * debug file.
 */
#ifndef SYMBOLS_KNOWN_FILES_H
#define SYMBOLS_KNOWN_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hashmap.h"
#include "base/list.h"
#include "symbols/dso.h"

struct known_file {
	struct hashmap_entry entry;
	struct list_node node, node_of_root,
		node_of_container; /* of unused ones, the longest unused first */
	struct known_root *of;
	size_t refs;
	struct map_entry as_mapped; /* its start, end and offset mean nothing */
	uint64_t generation;
	struct root_id root; /* of the processes that mapped it, as far as known */
	struct dso *dso; /* NULL: not had yet; always one beneath this root */
	uint64_t unused_round;
	int64_t retry_ns; /* CLOCK_MONOTONIC: not tried again before */
	char path[];
};

struct known_files {
	struct hashmap files, roots;
	struct list_node unused;
	struct dso_cache *dsos; /* not owned */
	size_t bytes;
	uint64_t round;
	int64_t openings_ns; /* when there were as many as may be, CLOCK_MONOTONIC */
	uint64_t refused; /* for want of room */
};

void known_files_init(struct known_files *files, struct dso_cache *dsos);
/* All references must have been given back. */
void known_files_release(struct known_files *files);

/* The caller owns a reference. NULL where there are too many, or too many of this root. */
struct known_file *known_file_get(struct known_files *files, const struct map_entry *entry,
	uint64_t generation, const struct root_id *root);
struct known_file *known_file_ref(struct known_file *file);
void known_file_unref(struct known_files *files, struct known_file *file);

/*
 * Whether it is worth the time to open the directory of a process that maps the file: it is not open yet, was
 * not just tried, and not too many were opened lately.
 */
bool known_file_wanted(struct known_files *files, struct known_file *file);
/* Opens it, through a process that maps it or (own false) another one, if the root of that is the file's. */
void known_file_open(struct known_files *files, struct known_file *file, int process_dir,
	const struct map_entry *entry, bool own, int64_t before_ns);

/* Remembers what was found in another way, if it is beneath the file's root. */
void known_file_keep(struct known_files *files, struct known_file *file, struct dso *dso);

/* Forgets what was unused for two rounds. */
void known_files_end_round(struct known_files *files);

#endif
