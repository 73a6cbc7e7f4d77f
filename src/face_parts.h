// SPDX-License-Identifier: Apache-2.0
/* What the parts of the face share: face.c (who is asked), face_metrics.c, face_status.c (targets,
 * containers, health), face_profiles.c (profiles of the past and of the next seconds). */
#ifndef FACE_PARTS_H
#define FACE_PARTS_H

#include <stdint.h>

#include "base/hashmap.h"
#include "base/list.h"
#include "export/history.h"
#include "face.h"
#include "web/json.h"
#include "web/metrics.h"
#include "web/server.h"

#define FACE_MAX_SERVICES 500 /* with counters of their own; more are counted together */

/* Since the start. */
struct face_totals {
	struct collect_tally ticks;
	uint64_t rounds, failed_rounds;
	int64_t start_ns, last_round_ns; /* CLOCK_REALTIME */
	int64_t reload_ns; /* CLOCK_REALTIME of the last good one */
	bool reload_good;
};

struct face_service {
	struct hashmap_entry entry;
	struct list_node node;
	char *name;
	uint64_t profiles, stacks, ticks, cpu_ns;
};

struct face {
	struct loop *loop;
	struct face_view view;
	const char *address;
	const struct face_ops *ops;
	void *ctx;
	struct web *web; /* NULL: off, or it cannot listen */
	char *wanted; /* the address it listens on or tries to; NULL: none */
	char *listening; /* what that was made of */
	bool complained;
	int64_t listen_again_ns; /* CLOCK_MONOTONIC; not before then */
	struct loop_timer apply_timer;
	struct history *history;
	struct face_totals totals;
	struct hashmap services;
	struct list_node service_list;
	struct list_node waiting; /* struct tap: /debug/profile */
	size_t waiting_count;
};

/* Answers and ends the exchange. */
void face_text(struct web_exchange *x, unsigned status, const char *text);
void face_json(struct web_exchange *x, unsigned status, struct strbuf *body);
/* Prometheus' form of an error. */
void face_error(struct web_exchange *x, unsigned status, const char *type, const char *message);

void face_count_profile(struct face *f, const struct target *t, const struct pprof *p);
void face_metrics(struct face *f, struct web_exchange *x, const struct web_request *r);

void face_ready(struct face *f, struct web_exchange *x, const struct web_request *r);
void face_targets(struct face *f, struct web_exchange *x, const struct web_request *r);
void face_containers(struct face *f, struct web_exchange *x, const struct web_request *r);
void face_config(struct face *f, struct web_exchange *x, const struct web_request *r);
void face_info(struct face *f, struct web_exchange *x, const struct web_request *r);
/* The key under which the history has what this target did. */
const char *face_history_id(const struct status_entry *e);

void face_flamegraph(struct face *f, struct web_exchange *x, const struct web_request *r);
void face_download(struct face *f, struct web_exchange *x, const struct web_request *r);
void face_debug_profile(struct face *f, struct web_exchange *x, const struct web_request *r);
void face_tap(struct face *f, const struct target *t, const struct pprof *p);
void face_taps_free(struct face *f);

#endif
