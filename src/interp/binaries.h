// SPDX-License-Identifier: Apache-2.0
/* Which of the mapped files hold a language runtime: each file is looked into once. */
#ifndef INTERP_BINARIES_H
#define INTERP_BINARIES_H

#include "base/hashmap.h"
#include "interp/runtime.h"
#include "proc/mapped_file.h"

struct binary {
	struct hashmap_entry entry;
	struct file_identity identity;
	const struct runtime *runtime; /* NULL: it holds none */
	void *found; /* what runtime->detect() returned */
	struct elf_image image; /* for its segments; only where there is a runtime */
};

struct binaries {
	struct hashmap by_identity;
	struct hashmap
		native; /* what is believed to hold none for some rounds, for a quick no: lines in maps, numbers */
	struct hashmap
		native_modules; /* numbers of files that have been looked into and hold none */
};

void binaries_init(struct binaries *b);
void binaries_release(struct binaries *b);

/*
 * The runtime in the file behind a mapping of the process whose directory this is, NULL where it holds none
 * or cannot be read. *ret_bias: what the mapping adds to the file's own addresses. Valid until the next call.
 */
const struct binary *binaries_get(struct binaries *b, int process_dir,
	const struct map_entry *entry, uint64_t *ret_bias);
/* By the numbers that the symbolizer gives to files and never to others. */
bool binaries_is_native(const struct binaries *b, uint32_t module_id);
/*
 * No runtime was found in a process that maps that file: true for ever if the file was looked into and is known
 * to hold none; for some rounds if it was not, its line in maps having been believed, or it could not be had just
 * then; not at all if it holds one.
 */
void binaries_set_native(struct binaries *b, uint32_t module_id,
	const struct file_identity *identity);
/* Files that hold none may be others by now. */
void binaries_end_round(struct binaries *b);

#endif
