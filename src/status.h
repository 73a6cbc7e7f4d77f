// SPDX-License-Identifier: Apache-2.0
/*
 * Why is my container (not) there? One current state per container, process or stranger, with the
 * figures behind it. The log, `explain`, `targets`, the web page and the metrics show this and nothing
 * else.
 */
#ifndef STATUS_H
#define STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attribution.h"
#include "base/strbuf.h"
#include "collect.h"
#include "cpu_proof.h"
#include "discover.h"
#include "target/target.h"

enum status_state {
	STATUS_PROFILED, /* samples arrived in the last minutes */
	STATUS_STARTING, /* to be profiled; its first interval is not over */
	STATUS_IDLE, /* to be profiled, but it used no CPU (or less than one tick sees) */
	STATUS_PAUSED, /* to be profiled, but paused */
	STATUS_DROPPED, /* by a rule */
	STATUS_SELF, /* dockprof's own container */
	STATUS_NO_KEY, /* its labels name no container id and no pid */
	STATUS_NOT_RESOLVED, /* to be profiled, but no cgroup (or process) of it is found */
	STATUS_NOT_SAMPLED, /* to be profiled, uses CPU by the kernel's account, yet no sample arrives */
	STATUS_UNREACHABLE, /* an engine is out of reach, so nobody can tell what it is */
	STATUS_FOREIGN, /* runs, but no engine or file that is followed knows it */
	STATUS_EXITED,
	STATUS_STATE_COUNT,
};

/* Stable, for machines: "profiled", "starting", "idle", ..., "not_resolved". */
const char *status_state_name(enum status_state state);
/* Something is wrong that the user can mend. */
bool status_state_is_trouble(enum status_state state);

/* Pointers are valid until the loop turns. */
struct status_entry {
	enum status_state state;
	const char *id; /* 64 hex digits; "" for processes and where there is none */
	uint32_t pid; /* of a process target, else 0 */
	const char *name; /* for people; from the container, so escape it */
	const char *service_name; /* "" where it has none */
	const struct target
		*target; /* labels, verdict, rule, quality; NULL for strangers and the forgotten */
	cgroup_key cgroup, cgroup_v1; /* that samples fell into; 0: none yet */
	const char *cgroup_root,
		*cgroup_path; /* its directory and where that is; NULL: not found */
	uint64_t samples; /* since it is known */
	int64_t known_since_ns, last_sample_ns; /* CLOCK_REALTIME; 0: none yet */
	int64_t ended_ns; /* CLOCK_REALTIME, of an exited one */
	unsigned intervals; /* that have ended since it is known */
	unsigned troubled; /* ... in a row in which it was in trouble */
	struct cpu_summary cpu;
};

struct status;

/* attribution: NULL where nothing samples (then nothing is ever PROFILED). proc: "/proc". All are
 * borrowed. The address of *attribution must stay, its contents may be made anew. */
struct status *status_new(const struct discover *discover, const struct attribution *attribution,
	const char *proc);
void status_free(struct status *s);

/*
 * Around a round. Right before it: reads the kernel's accounts, so that they end where the interval does, however
 * long the round takes. After it and before targets that are gone are forgotten: counts samples. hz: the rate of
 * that interval.
 */
void status_begin_round(struct status *s);
void status_end_round(struct status *s, const struct collect_tally *tally, unsigned hz);
/* The sampler was made anew (another rate, ...): the interval that ran is not whole. */
void status_interrupt(struct status *s);

/* Something the user should know and can mend, by place (host, file): the latest of each is kept. */
void status_notice(struct status *s, const char *where, const char *message);
struct status_notice {
	const char *where, *message;
	int64_t time_ns; /* CLOCK_REALTIME */
};
size_t status_notices(const struct status *s, const struct status_notice **ret);

/* Everybody as of now, by name; the array is the status' and valid until the loop turns. */
size_t status_list(struct status *s, const struct status_entry *const **ret);
/* Where cgroups are looked for. "" where they cannot be; then *ret_why (may be NULL) says why. */
const char *status_cgroup_root(const struct status *s, const char **ret_why);

/* One line, for a person: "dropped by rule 2 of 3, at FILE:LINE: drop ...". Not escaped. */
void status_add_reason(struct strbuf *out, const struct status *s, const struct status_entry *e);
/* What the user can do about it; nothing where all is well. */
void status_add_advice(struct strbuf *out, const struct status *s, const struct status_entry *e);
/* The CPU proof in words, with the likely cause where samples and account differ. */
void status_add_proof(struct strbuf *out, const struct status_entry *e);

#define STATUS_SUGGESTIONS 3

struct status_match {
	const struct status_entry *
		*list; /* owned; several: replicas of a service, ids that begin so */
	size_t count;
	const char *suggestions
		[STATUS_SUGGESTIONS]; /* names alike, where nothing was found; borrowed */
};

/* By name, else by service (compose's, service_name), else by id or the beginning of one. */
void status_find(struct status *s, const char *word, struct status_match *ret);
void status_match_release(struct status_match *m);

#endif
