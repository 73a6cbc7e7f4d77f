// SPDX-License-Identifier: Apache-2.0
/*
 * Keeps the tables that user stacks are walked by: which code the processes have, and its rows, loaded page
 * by page as they are needed and dropped when they are not. The kernel walks by them as they are; where
 * it could not go on, unwinder_walk() does, from a copy of the stack, and loads what it needs on
 * its way. That is how tables come to be loaded at all.
 */
#ifndef UNWIND_UNWINDER_H
#define UNWIND_UNWINDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/unwind.h"
#include "proc/process.h"
#include "symbols/process_maps.h"
#include "unwind/slab.h"

/* Memory that the walker in the kernel reads, or that of a test. All of it outlives the unwinder. */
struct unwind_store {
	struct slab_source chunks;
	struct unwind_rule *rules; /* rule_count, zeroed; at most UNWIND_RULES_MAX */
	size_t rule_count;
	struct unwind_binary *binaries; /* UNWIND_BINARIES_MAX, zeroed */
	/*
	 * Tells the kernel of a process, in place of any other with that pid, unless that is a later one or a
	 * later image of it; mappings: a ref. quiet: addresses outside them are no news for the rest of the interval.
	 */
	int (*set_process)(void *ctx, const struct process_id *id, uint32_t mappings,
		uint32_t count, bool quiet);
	/* Unless the pid is another process's by now. */
	void (*forget_process)(void *ctx, const struct process_id *id);
	/*
	 * Returns when no program runs any more that ran before. What runs from then on marks all pages that it uses, also
	 * where it has found before what it needs of them.
	 */
	void (*quiesce)(void *ctx);
	/*
	 * Makes the file of the mapping that holds the address readable again, if it can. The mapping's
	 * module, or NULL; it lives as long as the process is known.
	 */
	struct dso *(*reopen)(void *ctx, const struct process_id *id, uint64_t address);
	void *ctx;
};

/* For counters and people: "root", "no_mapping", ... */
extern const char *const unwind_end_names[UNWIND_END_COUNT];

struct unwinder_stats {
	size_t table_bytes; /* of chunks, in the kernel */
	size_t table_used; /* of that, not free */
	size_t bytes; /* in user space */
	size_t rules, pages, binaries, processes;
	uint64_t pages_loaded, pages_evicted;
	uint64_t restarts; /* all pages were dropped, for there were too many different rules */
	uint64_t no_room; /* pages, or mappings of processes, that there was no memory for */
	uint64_t walks; /* of kept stacks */
};

struct unwinder;

struct unwinder *unwinder_new(const struct unwind_store *store, struct dso_cache *dsos,
	size_t max_bytes);
/* Before the dso_cache. NULL is fine. */
void unwinder_free(struct unwinder *u);

/*
 * What the process has mapped, each time that was read anew; the list is not kept. An empty one says that
 * its mappings cannot be read: it is walked by frame pointers.
 */
void unwinder_set_process(struct unwinder *u, const struct process_id *id,
	const struct process_maps *maps);
bool unwinder_knows_process(const struct unwinder *u, const struct process_id *id);
/* The kernel is not to ask for more of its mappings in this interval: they were just read. */
void unwinder_quiet_process(struct unwinder *u, const struct process_id *id);
void unwinder_forget_process(struct unwinder *u, const struct process_id *id);

/* Loads the rows for an address of the process, if they are not. False where it has none or no room. */
bool unwinder_load(struct unwinder *u, const struct process_id *id, uint64_t address);

/* A stack as it was: registers at the frame where to begin, and memory from its red zone, stack_start, on. */
struct kept_stack {
	struct unwind_regs regs;
	bool exact; /* regs.ip was interrupted; it is not where a call or system call returns to */
	bool leaf_known; /* regs.leaf is of this frame */
	uint8_t jumps; /* between stacks, so far */
	size_t frames; /* walked before this one */
	uint64_t stack_start;
	size_t stack_size;
	const uint8_t *stack;
	size_t code_size; /* of the code from regs.ip on, 0 where there is none */
	const uint8_t *code;
};

/*
 * Walks it, with the tables of a process told by unwinder_set_process() (one that was not is walked by
 * frame pointers). Writes at most `max` addresses, leaf first, and their number. Returns how it ended.
 */
enum unwind_end unwinder_walk(struct unwinder *u, const struct process_id *id,
	const struct kept_stack *stack, uint64_t *ips, size_t max, size_t *ret_count);

/* After a round, when the kernel has quiesced: drops what is not used and over budget. */
void unwinder_end_round(struct unwinder *u);
void unwinder_stats(const struct unwinder *u, struct unwinder_stats *ret);

#endif
