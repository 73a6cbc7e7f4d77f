// SPDX-License-Identifier: Apache-2.0
/*
 * Where finished profiles go: Pyroscope endpoints, a directory. Handing a profile over never blocks
 * and never fails towards the caller: it is delivered, waits within a byte budget, or is counted as
 * dropped with a reason.
 */
#ifndef EXPORT_WRITER_H
#define EXPORT_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "export/pprof.h"
#include "export/write_stats.h"
#include "http/http.h"
#include "loop/loop.h"
#include "target/labels.h"

/* Argument names and defaults of pyroscope.write's endpoint block. Strings owned. */
struct write_endpoint_options {
	char *url; /* base URL; /push.v1.PusherService/Push is appended */
	char *name; /* for logs and metrics; NULL: the URL */
	int64_t remote_timeout_ns; /* 10 s */
	int64_t min_backoff_ns, max_backoff_ns; /* 500 ms, 5 m */
	unsigned max_backoff_retries; /* 10 attempts in all; 0: no end */
	bool retry_on_http_429; /* true */
	char *tenant_id; /* X-Scope-OrgID */
	struct http_client_options http;
};

struct write_options {
	struct write_endpoint_options *endpoints;
	size_t endpoint_count;
	struct labels external_labels; /* override those of the target; "" removes (kept apart) */
	char **external_label_removals; /* names given with an empty value */
	size_t external_label_removal_count;
	size_t max_pending_bytes; /* profiles waiting in memory, all endpoints together; 16 MiB */
	struct {
		char *path; /* undelivered profiles are kept there; NULL: in memory only */
		uint64_t max_bytes; /* of all endpoints, shared out evenly; 256 MiB */
		int64_t max_age_ns; /* older profiles are dropped, also those in memory; 1 h, 0: never */
		int64_t sync_ns; /* how long what is written may be unsynced; 1 s */
	} spool;
	char *directory; /* also (or only) keep profiles as files here; NULL: no */
	uint64_t directory_max_bytes; /* oldest files go first; 64 MiB */
	int64_t directory_max_age_ns; /* 0: files do not get too old */
};

void write_endpoint_options_init(struct write_endpoint_options *o);
void write_options_init(struct write_options *o);
void write_options_release(struct write_options *o);

enum writer_event {
	WRITER_FIRST_DELIVERY,
	WRITER_UNREACHABLE,
	WRITER_REACHABLE_AGAIN,
	WRITER_REJECTED,
	WRITER_LABELS_REPAIRED,
	WRITER_DROPPED,
	WRITER_SPOOL_FOUND,
	WRITER_SPOOL_FAILED,
	WRITER_SPOOL_LEFT,
};

struct writer_ops {
	/*
	 * Changes worth a line, once per change: first delivery, unreachable (err: why; after the
	 * second failure in a row), reachable again (err: how long, how much waited), rejected and
	 * dropped (err: why; once per reason and hour, and dropped from writer_free() where something
	 * was left), labels repaired (err; once per service, endpoint is ""), profiles of an
	 * earlier run found in the spool (err: how many), the spool cannot be written (err: why;
	 * once per reason and hour), profiles are left in a spool that the following configuration
	 * does not use, or that an earlier run left beside those of this one (err: how many, or their
	 * bytes, and where; endpoint is "" then). The messages are safe to print.
	 */
	void (*event)(void *ctx, enum writer_event event, const char *endpoint,
		const struct error *err);
};

struct writer;

/*
 * Takes over the contents of *options. err: a bad URL, a spool that another process has open, ...
 * previous (may be NULL): the writer that this one follows; it keeps what it has and finishes that, its
 * spools are shared as long as both live, and only the new one takes from them; the same holds for those
 * it followed itself. The counters of endpoints that are in both (by name and URL) go on.
 */
int writer_new(struct loop *loop, struct http *http, struct write_options *options,
	const struct writer_ops *ops, void *ctx, struct writer *previous, struct writer **ret,
	struct error *err);
/*
 * The same in two steps: all that can fail, with nothing changed for `previous`, and what cannot be undone.
 * In between nothing but writer_free() may be done to it. The same `previous` for both.
 */
int writer_prepare(struct loop *loop, struct http *http, struct write_options *options,
	const struct writer_ops *ops, void *ctx, struct writer *previous, struct writer **ret,
	struct error *err);
void writer_take_over(struct writer *w, struct writer *previous);
/* What is still pending goes to the spool, or is dropped and told. */
void writer_free(struct writer *w);

/*
 * labels: the target's, as after relabeling with service_name and __name__ set; the writer drops those
 * that start with "__" except __name__ and __delta__, adds external labels, and keeps to the server's
 * limits: a profile that is too large goes in parts, and none gets the millisecond of another one of its
 * series, which moves its time a little where it must. The profile stays the caller's.
 */
void writer_add(struct writer *w, const struct labels *labels, const struct pprof *profile);

/* A profile that is encoded already, and what is known of it. */
struct encoded_profile {
	const void *data; /* gzip'ed pprof */
	size_t len;
	int64_t time_ns; /* as in the profile; 0: none, the server takes the time of its arrival */
	uint64_t value; /* the sum of its sample values */
};

/* The same for an encoded one, which is sent as it is; copied. */
void writer_add_encoded(struct writer *w, const struct labels *labels,
	const struct encoded_profile *profile);
/*
 * The profiles of another interval follow. What of those before is still undelivered is put on disk, where
 * there is a spool, so that a crash costs one interval at most.
 */
void writer_begin_interval(struct writer *w);
/* Nothing pending in memory at any endpoint. */
bool writer_idle(const struct writer *w);
/*
 * From now on each profile gets at most one more attempt, also those added later; waits (back-off) are
 * cut short. What is being sent is not sent again.
 */
void writer_drain(struct writer *w);
/* The end: ends what is being sent; what is pending goes to the spool, or is dropped and told. */
void writer_end(struct writer *w);
/* Endpoints first, then the directory where there is one. */
size_t writer_endpoint_count(const struct writer *w);
/* Copies how things stand; ret->name is valid as long as the writer. endpoint: below the count. */
void writer_stats(const struct writer *w, size_t endpoint, struct write_stats *ret);

#endif
