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
#include "symbols/demangle.h"
#include "symbols/frame.h"
#include "symbols/process_history.h"

struct symbolizer;

struct process_maps;
struct dso_cache;

/* What others want to know of processes; each may be NULL. */
struct symbolizer_ops {
	/* Its mappings were read, which happens again and again; none: they cannot be. */
	void (*maps_read)(void *ctx, const struct process_id *id, const struct process_maps *maps);
	void (*forgotten)(void *ctx, const struct process_id *id);
};

struct symbolizer_options {
	const struct symbolizer_ops *ops; /* NULL: nobody wants to know */
	void *ctx; /* of ops */
	const char *proc; /* "/proc"; a test points it at a tree of its own */
	size_t max_bytes; /* budget of all symbol tables together; least recently used ones go first */
	size_t max_processes; /* processes whose mappings are held */
};

struct symbolizer_stats {
	size_t bytes; /* held by symbol tables */
	size_t modules, processes;
	uint64_t frames_named; /* by a symbol source: name_is_real() */
	uint64_t frames_unnamed; /* the others, those called after their address included */
	uint64_t missing[MISSING_COUNT]; /* the same by their reason */
	uint64_t maps_unreadable; /* process was gone before its mappings were read */
	uint64_t files_refused; /* not a regular file, too large, not ELF, damaged */
	size_t jit_processes, jit_bytes; /* that hold perf maps or jitdumps; a part of `bytes` */
	uint64_t jit_cut_short; /* such files that were too large */
};

int symbolizer_new(const struct symbolizer_options *options, struct symbolizer **ret,
	struct error *err);
void symbolizer_free(struct symbolizer *s);

/* For people: what is held of each program file and of each process now. */
struct symbolizer_file {
	const struct module *module;
	bool refused; /* it cannot be had, or is no usable ELF file */
	size_t table_bytes, name_bytes, symbols;
	size_t users; /* mappings of processes that are held */
};
struct symbolizer_process {
	uint32_t pid;
	size_t mappings;
	uint64_t rounds_unused;
};

/*
 * A process was sampled for the first time: reads its mappings and opens its files now, while it
 * lives. Never fails towards the caller; what could not be read is counted and shows as unnamed.
 */
void symbolizer_process_seen(struct symbolizer *s, const struct process_id *id);

/* It was found to run code in no mapping that is known: reads them again, within reason. */
void symbolizer_process_changed(struct symbolizer *s, const struct process_id *id);
/*
 * Opens the file of the mapping at `address` again, if its descriptor was given up. The mapping's module, which
 * lives as long as the process is not forgotten; NULL where there is none.
 */
struct dso *symbolizer_file_wanted(struct symbolizer *s, const struct process_id *id,
	uint64_t address);
/* The files that processes map; the symbolizer's. */
struct dso_cache *symbolizer_dsos(struct symbolizer *s);

/*
 * Names `count` (NAMED_FRAMES_MAX at most) user addresses of one process, leaf first. `leaf_exact`: ips[0] is the interrupted
 * instruction; all others are return addresses and are looked up one byte earlier. An address in no
 * known mapping makes it read the mappings again, at most once per round and process. The frames are the
 * symbolizer's, but for their memo; equal ones may be one. They live until the next call or the end of the round.
 */
void symbolizer_user(struct symbolizer *s, const struct process_id *id, const uint64_t *ips,
	size_t count, bool leaf_exact, struct frame **ret_frames);
/* The same for kernel addresses; these frames live until its own next call. */
void symbolizer_kernel(struct symbolizer *s, const uint64_t *ips, size_t count,
	struct frame **ret_frames);

/* How C++ and Rust names are shown from the next round on; DEMANGLE_NONE at first. */
void symbolizer_set_demangle(struct symbolizer *s, enum demangle_mode mode);
/* Whether frames of programs get source lines, where there is debug information; not so by itself. */
void symbolizer_set_lines(struct symbolizer *s, bool lines);

/* To be fed with the events of processes, so that those that died are named as well; the symbolizer's. */
struct process_history *symbolizer_history(struct symbolizer *s);

/* Before a round's samples are taken: of who is gone by now there will be no later ones. */
void symbolizer_begin_round(struct symbolizer *s);
/* A sample of it is named in a later round only: until then it is kept, gone or not. To be said in each round. */
void symbolizer_keep_process(struct symbolizer *s, const struct process_id *id);
/* After a round of naming: frees what is over budget or unused, forgets processes that are gone. */
void symbolizer_end_round(struct symbolizer *s);
const struct symbolizer_stats *symbolizer_stats(const struct symbolizer *s);
void symbolizer_visit_files(const struct symbolizer *s,
	void (*visit)(void *ctx, const struct symbolizer_file *file), void *ctx);
/* Least recently used first; for each process its files by their maps. */
void symbolizer_visit_processes(const struct symbolizer *s,
	void (*visit)(void *ctx, const struct symbolizer_process *process), void *ctx);

#endif
