// SPDX-License-Identifier: Apache-2.0
/*
 * The agent's face to people, browsers and scrapers: what is where under which path, over the server of
 * web/. It looks at the agent's objects when asked, and keeps the history of past intervals.
 */
#ifndef FACE_H
#define FACE_H

#include <stdbool.h>

#include "base/error.h"
#include "collect.h"
#include "config/config.h"
#include "export/pprof.h"
#include "export/writer.h"
#include "loop/loop.h"
#include "pipeline.h"
#include "status.h"

struct face;

/* What it shows. All borrowed; what the pointers point at may be replaced between two turns. */
struct face_view {
	const struct config *config;
	const struct pipeline *pipeline;
	struct status *const *status;
	struct writer *const *writer;
};

struct face_ops {
	/* Ends the interval that runs, and 0: face_profile() and face_round() have been called on return. Or how many ns
	 * ago the last one ended, where that is too short a time. */
	int64_t (*round)(void *ctx);
	/* As SIGHUP does. 0 or -errno with err. */
	int (*reload)(void *ctx, struct error *err);
};

/* address: from the command line, stronger than the file's; NULL: none was given. */
struct face *face_new(struct loop *loop, const struct face_view *view, const char *address,
	const struct face_ops *ops, void *ctx);
void face_free(struct face *f);

/*
 * At the start: listens where the configuration says. Where that cannot be, one line
 * tells why, the agent goes on, and rounds try again: each one, or fewer where trying takes long.
 */
void face_apply(struct face *f);
/* After a reload; a good one is applied a moment later. */
void face_reloaded(struct face *f, bool good);
/* A profile of a round; it stays the caller's. */
void face_profile(struct face *f, const struct target *t, const struct pprof *p);
/* After them. good: the round read all there was. */
void face_round(struct face *f, const struct collect_tally *tally, bool good);

#endif
