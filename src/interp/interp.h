// SPDX-License-Identifier: Apache-2.0
/*
 * Language runtimes of all processes: who runs which, what the kernel side must know to walk their frames, and
 * the frames' names. Its owner carries messages between this and the profiler:
 *
 *	process seen -------------------> interp_process_seen() --> ops->describe --> the kernel's map
 *	its mappings were read ---------> interp_process_mapped() --'
 *	a thread nobody knows ----------> interp_threads_missing() --> ops->thread --> the kernel's map
 *	records, as soon as they come --> interp_note(): their names are read
 *	a stack with records -----------> interp_stack() --> all its frames
 *
 * Never fails towards the caller: what is not understood stays native code. Names are read from the process
 * while it lives, so they should be asked for soon.
 */
#ifndef INTERP_INTERP_H
#define INTERP_INTERP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "bpf/interp.h"
#include "interp/stitch.h"
#include "proc/process.h"
#include "symbols/frame.h"
#include "symbols/process_maps.h"

struct interp;

struct interp_options {
	const char *proc; /* "/proc" */
	size_t max_bytes; /* of names; those not used for longest go first */
	size_t max_processes; /* with a runtime */
	bool full_paths; /* "/srv/app.py work" instead of "app.py work" */
	bool internal_frames; /* native frames of the interpreter's loop are shown as well */
};

struct interp_ops {
	/* process: valid during the call; NULL: forget it. */
	void (*describe)(void *ctx, const struct process_id *id,
		const struct interp_process *process);
	void (*thread)(void *ctx, const struct process_id *id, const struct interp_thread *thread);
	/* Has a runtime, `label`, that will not be walked: its version (maybe "") is not known. Once each. */
	void (*unsupported)(void *ctx, const struct process_id *id, const char *label,
		const char *version);
};

struct interp_stats {
	size_t processes; /* that are walked */
	size_t bytes; /* of names */
	uint64_t unsupported; /* processes with a runtime of an unknown version */
	uint64_t read; /* code objects that were not known before */
	uint64_t named; /* answers of interp_name() with a name */
	uint64_t
		gone; /* ... where the process or the code object was gone by then, or unreadable */
};

/* What a process runs, for people. */
enum interp_progress {
	INTERP_BEGINS, /* the interpreter has not begun, or not been found yet */
	INTERP_WALKED,
	INTERP_UNSUPPORTED, /* its version is not known: native frames are all there is */
};

struct interp_about {
	const char *runtime, *version; /* "python", "3.11"; version: "" where it is not known */
	enum interp_progress progress;
};

/* Each lives for a round of naming; `ops` is kept. */
int interp_new(const struct interp_options *options, const struct interp_ops *ops, void *ctx,
	struct interp **ret, struct error *err);
void interp_free(struct interp *in);

/* The process runs: looks for runtimes, if that has not been done. */
void interp_process_seen(struct interp *in, const struct process_id *id);
/*
 * Its mappings, each time that they were read: a program may load its interpreter late. Cheap where it has none but
 * files that others have, too.
 */
void interp_process_mapped(struct interp *in, const struct process_id *id,
	const struct process_maps *maps);
/* The kernel side met threads of the process that it does not know. */
void interp_threads_missing(struct interp *in, const struct process_id *id);
/*
 * Looks again at processes whose interpreter had not begun yet, where it is time to. It is to be called again
 * after as many ns as it returns; 0: there are none.
 */
int64_t interp_poll(struct interp *in);

/*
 * The frame that a record stands for (without INTERP_LAST). It lives until the next call of anything here, its strings
 * until interp_end_round(). NULL where it is not to be shown: the language's own, not the program's.
 */
struct frame *interp_name(struct interp *in, const struct process_id *id,
	const struct interp_frame *record);
/* Reads the records' names while the process lives. */
void interp_note(struct interp *in, const struct process_id *id, const struct interp_frame *records,
	size_t count);
/*
 * Puts the language's frames between the native ones: `frames` holds those of stack->ips, named, and has room for
 * stack->record_count + 1 more (where records are missing, it says so). Returns how many there are then. These are
 * the interp's, but for their memo, and live until the next call of anything here.
 */
size_t interp_stack(struct interp *in, const struct process_id *id,
	const struct stitch_stack *stack, struct frame **frames);

/* False where no runtime of the process is known. Strings live until the next call of anything here. */
bool interp_about(const struct interp *in, uint32_t pid, struct interp_about *ret);

/* After a round of naming: forgets processes that are gone, and names over budget. */
void interp_end_round(struct interp *in);
const struct interp_stats *interp_stats(const struct interp *in);

#endif
