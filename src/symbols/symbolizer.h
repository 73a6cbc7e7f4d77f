// SPDX-License-Identifier: Apache-2.0
/*
 * Addresses to names. One object serves all processes of the machine and caches by build id; its
 * memory is bounded (see symbolizer_options). It opens files of containers only beneath their root
 * (openat2 RESOLVE_IN_ROOT, O_PATH first, regular files only) and never blocks on them.
 */
#ifndef SYMBOLS_SYMBOLIZER_H
#define SYMBOLS_SYMBOLIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "proc/process.h"
#include "symbols/frame.h"

struct symbolizer;

struct symbolizer_options {
	const char *proc; /* "/proc"; a test points it at a tree of its own */
	size_t max_bytes; /* budget of all symbol tables together; least recently used ones go first */
	size_t max_processes; /* processes whose mappings are held */
};

struct symbolizer_stats {
	size_t bytes; /* held by symbol tables */
	size_t modules, processes;
	uint64_t frames_named, frames_unnamed;
	uint64_t maps_unreadable; /* process was gone before its mappings were read */
	uint64_t files_refused; /* not a regular file, too large, not ELF, damaged */
};

int symbolizer_new(const struct symbolizer_options *options, struct symbolizer **ret,
	struct error *err);
void symbolizer_free(struct symbolizer *s);

/*
 * A process was sampled for the first time: reads its mappings and opens its files now, while it
 * lives. Never fails towards the caller; what could not be read is counted and shows as unnamed.
 */
void symbolizer_process_seen(struct symbolizer *s, const struct process_id *id);

/*
 * Names `count` user addresses of one process, leaf first. `leaf_exact`: ips[0] is the interrupted
 * instruction; all others are return addresses and are looked up one byte earlier. An address in no
 * known mapping makes it read the mappings again, at most once per round and process.
 */
void symbolizer_user(struct symbolizer *s, const struct process_id *id, const uint64_t *ips,
	size_t count, bool leaf_exact, struct frame *ret_frames);
/* The same for kernel addresses. */
void symbolizer_kernel(struct symbolizer *s, const uint64_t *ips, size_t count,
	struct frame *ret_frames);

/* After a round of naming: frees what is over budget or unused, forgets processes that are gone. */
void symbolizer_end_round(struct symbolizer *s);
const struct symbolizer_stats *symbolizer_stats(const struct symbolizer *s);

#endif
