// SPDX-License-Identifier: Apache-2.0
/* A file by what maps show of it (device, inode, path) and the root of the process whose maps they are. */
#ifndef SYMBOLS_MAPPED_AS_H
#define SYMBOLS_MAPPED_AS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hashmap.h"
#include "proc/file_root.h"
#include "proc/maps.h"

/* In a table of such ones; `path` is the owner's. */
struct mapped_as {
	struct hashmap_entry entry;
	uint32_t dev_major, dev_minor;
	uint64_t inode;
	const char *path;
	struct root_id root;
	bool of_overlay_root; /* the file and the root are of one overlay, and maps say so */
	bool unusable; /* never found */
};

void mapped_as_init_table(struct hashmap *table);
/* path_fd: the file that was found there through that process, < 0: none was. */
void mapped_as_add(struct hashmap *table, struct mapped_as *file, const struct map_entry *entry,
	const struct root_id *root, int process_dir, int path_fd);
/* That of a process whose root is this one, or not known. NULL where there is none. */
struct mapped_as *mapped_as_find(const struct hashmap *table, const struct map_entry *entry,
	const struct root_id *root);

#endif
