// SPDX-License-Identifier: Apache-2.0
/*
 * Carries messages between the profiler, which meets processes and threads, and interp/, which knows language
 * runtimes; and fetches stacks early, so that names are read from processes that will not live long.
 */
#ifndef LANGUAGES_H
#define LANGUAGES_H

#include <stdint.h>

#include "base/error.h"
#include "config/config.h"
#include "interp/interp.h"
#include "loop/loop.h"
#include "profiler/profiler.h"

struct languages {
	struct interp *interp; /* NULL: no runtime is to be walked */
	struct profiler *profiler; /* not owned */
	struct loop_timer timer;
	int64_t fetched_ns; /* when the stacks were fetched last */
	int64_t fetch_pause_ns; /* until the next time */
};

/* 0, also where none is enabled, or -errno. */
int languages_init(struct languages *l, struct loop *loop, const struct ebpf_options *options,
	struct error *err);
/* A zero-initialised one is fine. */
void languages_release(struct languages *l);
/* Before anything is told. */
void languages_use(struct languages *l, struct profiler *profiler);

/* What the profiler tells (struct profiler_ops), and the symbolizer. */
void languages_process_seen(struct languages *l, const struct process_id *id);
void languages_process_mapped(struct languages *l, const struct process_id *id,
	const struct process_maps *maps);
void languages_thread_unknown(struct languages *l, const struct process_id *id);
void languages_records_seen(struct languages *l, const struct process_id *id,
	const struct interp_frame *records, size_t count);

#endif
