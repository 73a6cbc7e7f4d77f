// SPDX-License-Identifier: Apache-2.0
/*
 * What became of the profiles at one endpoint (or directory) since the start; writer_stats() fills it.
 * Plain numbers, for whoever shows them: the metrics page, log lines, tests. Exactly, for profiles,
 * bytes and value alike:
 *
 *	added + recovered = sent + waiting + spooled + the sum of dropped
 */
#ifndef EXPORT_WRITE_STATS_H
#define EXPORT_WRITE_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Some profiles: how many, their bytes as requests, and the sum of their sample values (CPU ns). */
struct write_count {
	uint64_t profiles, bytes, value;
};

/* Why a profile was given up; write_drop_names has the words for metrics. */
enum write_drop {
	WRITE_DROP_REJECTED, /* the server will never take it (4xx); of a directory: could not be written */
	WRITE_DROP_RETRIES, /* max_backoff_retries attempts failed */
	WRITE_DROP_MEMORY, /* more waited than max_pending_bytes */
	WRITE_DROP_SPOOL, /* more waited on disk than spool.max_bytes */
	WRITE_DROP_AGE, /* older than the server takes (spool.max_age) */
	WRITE_DROP_FUTURE, /* the clock was set back: further ahead than the server takes */
	WRITE_DROP_SIZE, /* a single stack larger than the server takes */
	WRITE_DROP_DAMAGED, /* unreadable when it was to be sent from the disk */
	WRITE_DROP_SHUTDOWN, /* undelivered at the end, and no spool took it */
	WRITE_DROP_LEFT, /* in a spool that a new configuration took away from the endpoint; still there */
	WRITE_DROP_COUNT,
};
extern const char *const write_drop_names[WRITE_DROP_COUNT];

/* Attempts that the server answered, by how long that took: bucket i holds those of at most bound i
 * (each in one bucket only), the last one the rest. */
#define WRITE_LATENCY_BOUNDS 12
extern const int64_t write_latency_bounds_ns[WRITE_LATENCY_BOUNDS];

struct write_stats {
	const char *name; /* endpoint or directory; never shows credentials */
	bool is_directory; /* of write.file: only added, sent, dropped, reachable and last_success count */
	bool reachable; /* the last finished attempt reached the server */
	struct write_count added; /* handed over */
	struct write_count recovered; /* found in the spool when it was opened, or a former one */
	struct write_count sent; /* acknowledged by the server; of a directory: written */
	struct write_count waiting; /* in memory now, being sent or not */
	struct write_count
		spooled; /* on disk only, now; a former spool's as long as that is open */
	struct write_count dropped[WRITE_DROP_COUNT];
	uint64_t retries; /* attempts after the first one of a profile */
	uint64_t latency[WRITE_LATENCY_BOUNDS + 1];
	int64_t latency_sum_ns;
	int64_t last_success_ns; /* CLOCK_REALTIME; 0: never */
	/* Start of the interval of the oldest profile in memory and on disk, CLOCK_REALTIME; 0: none. */
	int64_t oldest_waiting_ns, oldest_spooled_ns;
	bool has_spool;
	uint64_t spool_bytes, spool_segments; /* files of the spool and what they take */
	uint64_t spool_damaged; /* places in its files that were no record and were skipped */
	uint64_t spool_errors; /* writes that failed (a full disk) */
};

void write_count_add(struct write_count *to, const struct write_count *c);
void write_count_sub(struct write_count *from, const struct write_count *c);
struct write_count write_stats_dropped(const struct write_stats *s);
/* Adds the counters of another endpoint's life, and what waits in its memory; of a spool, only what was
 * recovered from one that it left. */
void write_stats_add(struct write_stats *to, const struct write_stats *s);
void write_stats_latency(struct write_stats *s, int64_t ns);

#endif
