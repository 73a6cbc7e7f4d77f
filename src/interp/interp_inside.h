// SPDX-License-Identifier: Apache-2.0
/* What struct interp consists of; shared by interp.c and interp_frames.c. */
#ifndef INTERP_INTERP_INSIDE_H
#define INTERP_INTERP_INSIDE_H

#include "base/list.h"
#include "interp/binaries.h"
#include "interp/interp.h"
#include "interp/name_cache.h"
#include "proc/process_dir.h"
#include "symbols/named_frames.h"

#define THREADS_MAX      4096 /* told at a time */
#define RECENT_FUNCTIONS 256 /* a power of two */

struct interp_process_entry {
	struct hashmap_entry entry;
	struct list_node node; /* least recently used first */
	struct process_id id;
	uint32_t number; /* in the name cache */
	const struct runtime *runtime; /* NULL: none yet */
	void *attached; /* NULL: not ready */
	struct interp_description description;
	bool unsupported;
	bool put_off; /* until the next round: its container has been read enough in this one */
	unsigned tries; /* left */
	int64_t look_ns, pause_ns; /* when the next one is due; after the last one */
	struct process_memory memory;
	struct read_budget names_left; /* for names in this round */
	uint64_t mount_namespace; /* a container has its own (proc/file_root.h) */
	int64_t threads_ns; /* when they may be read again */
	uint64_t used_round;
};

/* Whether a native function is one of a runtime's own, asked for in this round. */
struct recent_function {
	const char *function; /* its address is compared; NULL: an empty place */
	const struct runtime *runtime;
	bool internal;
};

/* What interp_stack() works with. */
struct stack_room {
	struct frame **native;
	struct stitched *plan;
	uint8_t *marks;
	size_t capacity; /* of each */
};

/* What the processes of one mount namespace may be read in this round. */
struct shared_budget {
	struct hashmap_entry entry;
	uint64_t mount_namespace;
	struct read_budget left;
};

struct interp {
	struct interp_stats stats;
	struct proc_root proc;
	size_t max_processes;
	bool full_paths, internal_frames;
	const struct interp_ops *ops;
	void *ctx;
	struct hashmap processes, budgets;
	struct read_budget round_left; /* which all budgets are a part of */
	struct list_node by_use;
	uint32_t next_number;
	uint64_t round;
	int64_t look_ns; /* when the next process is to be looked at again; 0: none is */
	struct binaries binaries;
	struct name_cache names;
	struct interp_name name; /* the last one read */
	struct strbuf text;
	struct module modules[INTERP_KINDS]; /* what the frames lie in */
	struct interp_thread threads[THREADS_MAX];
	struct named_frames named; /* in this round; without a module: it is not to be shown */
	struct frame unnamed, cut; /* "[python]", "[truncated]" */
	struct recent_function functions[RECENT_FUNCTIONS];
	struct stack_room room;
};

struct interp_process_entry *interp_find(const struct interp *in, const struct process_id *id);

/* The process's memory is read within this budget, and what others of its container have left, until it ends. */
void interp_begin_reading(struct interp *in, struct interp_process_entry *p,
	struct read_budget *budget);
void interp_end_reading(struct interp_process_entry *p);

/* interp_frames.c: at the beginning; at the end of a round, what its answers point to may go; at the end of all. */
void interp_init_frames(struct interp *in);
void interp_forget_frames(struct interp *in);
void interp_free_frames(struct interp *in);

#endif
