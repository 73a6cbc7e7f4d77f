// SPDX-License-Identifier: Apache-2.0
/*
 * One round: drain the kernel's counts, charge each stack to its target, name its frames, and add it to
 * the target's profile.
 */
#ifndef COLLECT_H
#define COLLECT_H

#include <stdbool.h>
#include <stdint.h>

#include "attribution.h"
#include "base/error.h"
#include "base/hashmap.h"
#include "config/config.h"
#include "export/pprof.h"
#include "interp/interp.h"
#include "profiler/profiler.h"
#include "symbols/symbolizer.h"
#include "target/target.h"

/*
 * Where the ticks of an interval went. ticks = filtered + exported + carried_out - carried_in +
 * unknown + the sum of lost, exactly.
 */
struct collect_tally {
	uint64_t ticks; /* CPUs that are idle have none */
	uint64_t filtered; /* not a container, dropped, the agent itself */
	uint64_t exported; /* in profiles handed over by collect_flush() */
	uint64_t carried_in, carried_out; /* held over for a container nobody has told of yet */
	uint64_t unknown; /* a container, but the source that may know it is out of reach */
	uint64_t lost[LOSS_COUNT];
	int64_t duration_ns;
};

struct collect {
	struct profiler *profiler; /* not owned, may be replaced between rounds */
	struct symbolizer *symbolizer; /* not owned */
	struct attribution *attribution; /* not owned */
	struct interp *interp; /* not owned; NULL: no language frames */
	enum comm_mode comm;
	unsigned sample_rate;
	/* Inside. */
	struct hashmap profiles; /* by target */
	struct list_node carried, carrying; /* of this round, for the next */
	size_t carried_count;
	int64_t start_real_ns, start_mono_ns; /* of the profiles that are being filled */
	struct collect_tally *tally; /* of the round that runs */
	struct target_quality quality; /* of all targets, since the start */
	struct frame **frames;
	uint32_t profile_number; /* of the last one */
};

void collect_init(struct collect *c);
void collect_release(struct collect *c);
/* The first interval begins now. */
void collect_start(struct collect *c);

/*
 * Drains one interval into the profiles of the targets. complete: all sources have told what they know,
 * so a container still unknown after a round is another engine's and counts as filtered; else it waits.
 */
int collect_round(struct collect *c, bool complete, struct collect_tally *ret, struct error *err);

/* Hands over all profiles, which the callback then owns (NULL: frees them); the next ones begin now. */
void collect_flush(struct collect *c,
	void (*on_profile)(void *ctx, struct target *t, struct pprof *profile), void *ctx);

#endif
