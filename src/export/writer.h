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
#include "http/http.h"
#include "loop/loop.h"
#include "target/labels.h"

/* Argument names and defaults of pyroscope.write's endpoint block. Strings owned. */
struct write_endpoint_options {
	char *url; /* base URL; /push.v1.PusherService/Push is appended */
	char *name; /* for logs; NULL: the URL */
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
	char *directory; /* also (or only) keep profiles as files here; NULL: no */
	uint64_t directory_max_bytes; /* oldest files go first; 64 MiB */
};

void write_endpoint_options_init(struct write_endpoint_options *o);
void write_options_init(struct write_options *o);
void write_options_release(struct write_options *o);

/* What happened to profiles at one endpoint, since the start. */
struct write_stats {
	const char *name; /* endpoint or directory; never shows credentials */
	uint64_t sent, sent_bytes, retries;
	uint64_t dropped_rejected, dropped_retries, dropped_memory, dropped_shutdown;
	uint64_t pending, pending_bytes;
	bool reachable; /* the last finished attempt reached the server */
};

enum writer_event {
	WRITER_FIRST_DELIVERY,
	WRITER_UNREACHABLE,
	WRITER_REACHABLE_AGAIN,
	WRITER_REJECTED,
	WRITER_LABELS_REPAIRED,
	WRITER_DROPPED,
};

struct writer_ops {
	/*
	 * Changes worth a line, once per change: first delivery, unreachable (err: why; after the
	 * second failure in a row), reachable again (err: how long, how much waited), rejected and
	 * dropped (err: why; once per reason and hour, and dropped from writer_free() where something
	 * was left), labels repaired (err; once per service, endpoint is ""). The messages are safe
	 * to print.
	 */
	void (*event)(void *ctx, enum writer_event event, const char *endpoint,
		const struct error *err);
};

struct writer;

/* Takes over the contents of *options. err: a bad URL, an unreadable secret file, ... */
int writer_new(struct loop *loop, struct http *http, struct write_options *options,
	const struct writer_ops *ops, void *ctx, struct writer **ret, struct error *err);
void writer_free(struct writer *w);

/*
 * labels: the target's, as after relabeling with service_name and __name__ set; the writer drops those
 * that start with "__" except __name__ and __delta__, adds external labels, and keeps to the server's
 * limits. profile: gzip'ed pprof, copied. time_ns as in the profile; Pyroscope's older storage shows one
 * profile per series and millisecond only, so two of a target must not have the same.
 */
void writer_add(struct writer *w, const struct labels *labels, const void *profile, size_t len,
	int64_t time_ns);
/* Nothing pending at any endpoint. */
bool writer_idle(const struct writer *w);
/*
 * From now on each profile gets at most one more attempt, also those added later; waits (back-off) are
 * cut short. What is being sent is not sent again.
 */
void writer_drain(struct writer *w);
size_t writer_endpoint_count(const struct writer *w);
void writer_stats(const struct writer *w, size_t endpoint, struct write_stats *ret);

#endif
