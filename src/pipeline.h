// SPDX-License-Identifier: Apache-2.0
/*
 * From ticks to profiles: sources, targets, the sampler, attribution, names and rounds, joined. What
 * happens to the profiles, and when rounds are, is its owner's business (agent.c, cmd_record.c).
 */
#ifndef PIPELINE_H
#define PIPELINE_H

#include "attribution.h"
#include "base/error.h"
#include "collect.h"
#include "config/config.h"
#include "discover.h"
#include "http/http.h"
#include "languages.h"
#include "loop/loop.h"
#include "pid_targets.h"
#include "profiler/process_events.h"
#include "profiler/profiler.h"
#include "symbols/symbolizer.h"

struct pipeline {
	struct loop *loop; /* not owned */
	struct http *http;
	struct discover *discover;
	struct attribution attribution;
	struct pid_targets pids;
	struct loop_timer pid_timer; /* when the loop turns, for all that changed by then */
	struct profiler *profiler;
	struct symbolizer *symbolizer;
	struct languages languages;
	struct process_events *process_events; /* NULL where the machine forbids them */
	struct collect collect;
	struct ebpf_options ebpf; /* in force */
	const struct discover_ops *ops;
	void *ctx;
};

/*
 * Makes everything, sampling not yet begun. ops are told what discover.h says, after the pipeline has
 * acted on it. On failure pipeline_release() is still to be called. Errors as of profiler_new().
 */
int pipeline_init(struct pipeline *p, struct loop *loop, const struct ebpf_options *ebpf,
	const struct discover_ops *ops, void *ctx, struct error *err);
/* A zero-initialised one is fine. */
void pipeline_release(struct pipeline *p);

/* Takes sources and rules out of *config, at first and on each reload; see discover_apply(). */
int pipeline_apply(struct pipeline *p, struct config *config, struct error *err);
/* Starts the ticks and the first interval. */
int pipeline_start(struct pipeline *p, struct error *err);
/* One round; the profiles stay open until collect_flush(). */
int pipeline_round(struct pipeline *p, struct collect_tally *ret, struct error *err);
/* After the profiles of a round were flushed: forgets targets and cgroups that are gone. */
void pipeline_forget_gone(struct pipeline *p);

#endif
