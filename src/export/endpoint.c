// SPDX-License-Identifier: Apache-2.0
/*
 * Deliveries wait in a queue and are sent, a few at a time. Trouble is a property of the endpoint, not
 * of the delivery that met it:
 *
 *	fine ----- an attempt failed -----> hold (back-off, or the server's Retry-After)
 *	 ^  up to MAX_IN_FLIGHT              |  nobody is sent
 *	 |                                   v  time is up
 *	 +-- the server took or refused --- probe: one is sent --- failed ---> hold, longer
 *
 * so that a server which is down is asked by one request at a time, however many profiles wait for it.
 * A delivery that failed goes to the end of the queue: if it is itself the reason (a request the server
 * chokes on), it does not stand in the way of the others. It is given up after max_backoff_retries
 * attempts of its own; where there is a spool (endpoint_spool.c) only those count between which others
 * were delivered, and what the server's being away lasts is up to max_age.
 *
 * A 2xx status settles a delivery even if the rest of the answer is lost, since the server keeps no
 * identity of what it took and another attempt would count the profile twice.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "base/units.h"
#include "export/endpoint_inside.h"
#include "export/push_request.h"
#include "export/window.h"

/* Pyroscope 2 answers after it has flushed a segment, every 500 ms: 32 profiles a second get through. */
#define MAX_IN_FLIGHT      16
/* Of these, for fresh profiles only. */
#define KEPT_FREE          2
/* Pyroscope refuses profiles older than an hour, so a longer wait helps nobody. */
#define MAX_RETRY_AFTER_NS (3600 * NSEC_PER_SEC)
/* One failure may be a server that restarts a worker; the second in a row is worth a line. */
#define FAILURES_TOLD      2
#define REASONS_TOLD       8 /* different ones per hour */
#define REASON_PERIOD      (3600 * NSEC_PER_SEC)
#define ANSWER_MAX         4096 /* bytes of a refusal that are read */
#define ANSWER_SHOWN       300 /* bytes of it in a message */

static void pump(struct endpoint *e);

static uint64_t waiting(const struct endpoint *e)
{
	return e->stats.waiting.profiles + (e->spool ? spool_count(e->spool).profiles : 0);
}

/* The server took or refused something. While holding, that was begun before the trouble: no sign. */
static void trouble_over(struct endpoint *e)
{
	struct strbuf lasted cleanup_strbuf = STRBUF_INIT;
	struct error err = {0};

	if (loop_timer_running(&e->hold))
		return;
	if (e->spool && e->failures >= FAILURES_TOLD)
		spool_rewind(e->spool); /* attempts took them in turn, now the oldest are first */
	e->failures = 0;
	backoff_reset(&e->backoff);
	if (!e->trouble_told)
		return;
	e->trouble_told = false;
	int64_t ns = clock_monotonic_ns() - e->trouble_since_ns;

	duration_add(&lasted, ns - ns % NSEC_PER_SEC);
	error_set(&err, 0, "%s, %" PRIu64 " profiles waited", lasted.buf, waiting(e));
	endpoint_tell(e, WRITER_REACHABLE_AGAIN, &err);
}

static void hold(struct endpoint *e, int64_t retry_after_ns, const struct error *err)
{
	int64_t asked = MIN(retry_after_ns, MAX_RETRY_AFTER_NS);
	int64_t now = clock_monotonic_ns();

	if (!e->failures++)
		e->trouble_since_ns = now;
	/* Others that were in flight fail for the same reason: no reason to wait longer. */
	if (!loop_timer_running(&e->hold))
		loop_timer_start_at(&e->hold, now + MAX(backoff_next_ns(&e->backoff), asked));
	else if (now + asked > e->hold.due_ns)
		loop_timer_start_at(&e->hold, now + asked);
	if (e->failures >= FAILURES_TOLD && !e->trouble_told) {
		e->trouble_told = true;
		endpoint_tell(e, WRITER_UNREACHABLE, err);
	}
}

/* Of one that the spool does not take. */
static void wait_in_memory(struct endpoint *e, struct delivery *d)
{
	unsigned max = e->options.max_backoff_retries;

	if (max && d->attempts >= max)
		endpoint_drop(e, d, WRITE_DROP_RETRIES,
			"a profile is given up after max_backoff_retries attempts");
	else
		list_append(&e->waiting, &d->of_endpoint);
}

/* Whether it is the reason itself: others got through, again and again, and this one does not. */
static bool is_poison(const struct endpoint *e, const struct delivery *d)
{
	unsigned max = e->options.max_backoff_retries;

	return d->ticket && spool_blame(d->ticket, e->stats.sent.profiles) >= max && max;
}

static void attempt_failed(struct delivery *d, int64_t retry_after_ns, const struct error *err)
{
	struct endpoint *e = d->endpoint;

	if (e->draining) {
		if (!endpoint_to_spool(e, d))
			endpoint_drop(e, d, WRITE_DROP_SHUTDOWN, NULL);
		return;
	}
	hold(e, retry_after_ns, err);
	if (is_poison(e, d))
		endpoint_drop(e, d, WRITE_DROP_RETRIES,
			"a profile is given up after max_backoff_retries attempts while others "
			"were taken");
	else if (!endpoint_to_spool(e, d))
		wait_in_memory(e, d);
	endpoint_spool_waiting(e);
}

static const char *advice(long status)
{
	switch (status) {
	case 401:
	case 403:
		return "; check the endpoint's credentials (basic_auth, bearer_token, "
		       "authorization, oauth2, headers) and its tenant_id";
	case 404:
	case 405:
		return "; is the endpoint's url that of a Pyroscope server?";
	case 407:
		return "; the proxy does not take the user and password in proxy_url";
	case 413:
		return "; the server, or a proxy before it, does not take requests of this size";
	default:
		return "";
	}
}

static void explain_answer(const struct http_result *result, struct error *err)
{
	struct strbuf body cleanup_strbuf = STRBUF_INIT;

	text_add_safe(&body, result->body, result->body_len, ANSWER_SHOWN);
	error_set(err, -EPROTO, "HTTP %ld%s%s%s", result->status, body.len ? ": " : "", body.buf,
		advice(result->status));
}

static void refused(struct delivery *d, const struct error *err)
{
	struct endpoint *e = d->endpoint;

	endpoint_drop(e, d, WRITE_DROP_REJECTED, NULL);
	endpoint_tell_once(e, WRITER_REJECTED, err);
	trouble_over(e);
}

static bool may_be_tried_again(const struct endpoint *e, long status)
{
	return status >= 500 || status == 408 || (status == 429 && e->options.retry_on_http_429);
}

/* Pyroscope answers application/proto, and nothing else to what it took. */
static bool is_web_page(const struct http_result *result)
{
	return result->status >= 200 && result->status < 300 &&
		strncasecmp(result->content_type, "text/html", 9) == 0;
}

static void on_done(void *ctx, const struct http_result *result)
{
	struct delivery *d = ctx;
	struct endpoint *e = d->endpoint;
	struct error err = {0};

	d->http = NULL;
	list_remove(&d->of_endpoint);
	e->in_flight_count--;
	e->stats.reachable = result->status != 0;
	if (result->status)
		write_stats_latency(&e->stats, clock_monotonic_ns() - d->begun_ns);
	if (is_web_page(result)) {
		error_set(&err, -EPROTO,
			"HTTP %ld and a web page: a proxy or portal answers in the server's place",
			result->status);
		attempt_failed(d, -1, &err);
	} else if (result->status >= 200 && result->status < 300) {
		endpoint_delivered(e, d);
		trouble_over(e);
	} else if (result->code) {
		error_set(&err, result->code, "%s", result->message);
		attempt_failed(d, -1, &err);
	} else {
		explain_answer(result, &err);
		if (may_be_tried_again(e, result->status))
			attempt_failed(d, result->retry_after_ns, &err);
		else
			refused(d, &err);
	}
	pump(e);
}

/* An answer to a delivered profile says nothing more. */
static int ignore_data(void *ctx, const char *data, size_t len)
{
	(void)ctx;
	(void)data;
	(void)len;
	return 0;
}

static int request(struct endpoint *e, struct delivery *d, struct error *err)
{
	const struct http_request_header headers[] = {
		{"Content-Type", "application/proto"},
		{"Connect-Protocol-Version", "1"},
		{"X-Scope-OrgID", e->options.tenant_id},
	};
	const struct http_request_options options = {
		.method = "POST",
		.url = e->url,
		.headers = headers,
		.header_count = ARRAY_SIZE(headers) - (e->options.tenant_id ? 0 : 1),
		.body = d->parcel->request,
		.body_len = d->parcel->len,
		.body_borrowed = true,
		.timeout_ns = e->options.remote_timeout_ns,
		.max_body = ANSWER_MAX,
		.on_data = ignore_data,
		.on_done = on_done,
		.ctx = d,
	};

	return http_request_start(e->client, &options, &d->http, err);
}

static void send(struct endpoint *e, struct delivery *d)
{
	struct error err = {0};

	list_remove(&d->of_endpoint);
	if (d->attempts++)
		e->stats.retries++;
	if (request(e, d, &err) < 0) {
		attempt_failed(d, -1, &err);
		return;
	}
	d->begun_ns = clock_monotonic_ns();
	list_append(&e->in_flight, &d->of_endpoint);
	e->in_flight_count++;
}

/* Those that waited in memory too long, or that a clock which was set back has made strange. */
static bool may_be_sent(struct endpoint *e, struct delivery *d)
{
	int64_t now = clock_realtime_ns(), time_ns = d->parcel->time_ns;

	if (window_is_past(time_ns, e->max_age_ns, now))
		endpoint_drop(e, d, WRITE_DROP_AGE,
			"profiles are older than the server takes (spool.max_age)");
	else if (window_is_future(time_ns, now))
		endpoint_drop(e, d, WRITE_DROP_FUTURE,
			"profiles are more than ten minutes ahead of the clock, which was set back");
	else
		return true;
	return false;
}

static struct delivery *next_delivery(struct endpoint *e)
{
	while (!list_empty(&e->waiting)) {
		struct delivery *d = list_entry(e->waiting.next, struct delivery, of_endpoint);

		if (may_be_sent(e, d))
			return d;
	}
	return e->in_flight_count < MAX_IN_FLIGHT - KEPT_FREE ? endpoint_take(e) : NULL;
}

static bool may_send(const struct endpoint *e)
{
	if (loop_timer_running(&e->hold))
		return false;
	return e->in_flight_count < (e->failures && !e->draining ? 1 : MAX_IN_FLIGHT);
}

static void pump(struct endpoint *e)
{
	struct delivery *d;

	while (may_send(e) && (d = next_delivery(e)))
		send(e, d);
}

static void on_hold_over(struct loop_timer *timer)
{
	pump(container_of(timer, struct endpoint, hold));
}

void endpoint_add(struct endpoint *e, struct parcel *parcel)
{
	struct delivery *d = delivery_new(parcel, e);
	struct write_count count = parcel_count(parcel);

	write_count_add(&e->stats.added, &count);
	write_count_add(&e->stats.waiting, &count);
	if (!e->failures || !endpoint_to_spool(e, d))
		list_append(&e->waiting, &d->of_endpoint);
	pump(e);
}

void endpoint_make_room(struct delivery *d)
{
	struct endpoint *e = d->endpoint;

	if (!endpoint_to_spool(e, d))
		endpoint_drop(e, d, WRITE_DROP_MEMORY,
			"the oldest profiles made room: more wait for this endpoint than memory "
			"is set aside for");
}

bool endpoint_idle(const struct endpoint *e)
{
	return list_empty(&e->waiting) && list_empty(&e->in_flight);
}

void endpoint_set_max_age(struct endpoint *e, int64_t max_age_ns)
{
	e->max_age_ns = max_age_ns;
}

void endpoint_start(struct endpoint *e)
{
	endpoint_own_spool(e);
	pump(e);
}

void endpoint_drain(struct endpoint *e)
{
	e->draining = true;
	loop_timer_stop(&e->hold);
	pump(e);
}

static int check_url(const char *url, struct error *err)
{
	if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
		return error_set(err, -EINVAL,
			"the url of a write endpoint starts with http:// or https://");
	return 0;
}

int endpoint_new(struct loop *loop, struct http *http, struct write_endpoint_options *options,
	const struct writer_ops *ops, void *ctx, struct endpoint **ret, struct error *err)
{
	struct strbuf name cleanup_strbuf = STRBUF_INIT;
	struct endpoint *e = xcalloc(1, sizeof(*e));
	size_t len = strlen(options->url);

	e->options = *options;
	write_endpoint_options_init(options);
	while (len && e->options.url[len - 1] == '/')
		len--;
	e->url = xasprintf("%.*s" PUSH_PATH, (int)len, e->options.url);
	if (!e->options.name) {
		http_show_url(&name, e->options.url);
		e->options.name = strbuf_detach(&name);
	}
	e->name = xstrdup(e->options.name);
	e->stats.name = e->name;
	e->ops = ops;
	e->ctx = ctx;
	list_init(&e->waiting);
	list_init(&e->in_flight);
	parcel_store_init(&e->replays);
	loop_timer_init(loop, &e->hold, on_hold_over);
	backoff_init(&e->backoff, e->options.min_backoff_ns, e->options.max_backoff_ns);
	told_init(&e->told, REASONS_TOLD, REASON_PERIOD);
	if (!e->options.http.max_connections)
		e->options.http.max_connections = MAX_IN_FLIGHT;
	int r = check_url(e->options.url, err);

	if (r == 0)
		r = http_client_new(http, &e->options.http, &e->client, err);
	if (r < 0) {
		error_prefix(err, "write endpoint %s", e->name);
		endpoint_free(e);
		return r;
	}
	*ret = e;
	return 0;
}

static bool is_taken(const char *name, struct endpoint *const *others, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (others[i]->named && strcmp(others[i]->name, name) == 0)
			return true;
	return false;
}

void endpoint_tell_apart(struct endpoint *e, struct endpoint *const *others, size_t count)
{
	char *name;

	if (e->named)
		return;
	name = xstrdup(e->predecessor ? e->predecessor->name : e->options.name);
	for (unsigned n = 2; is_taken(name, others, count); n++) {
		free(name);
		name = xasprintf("%s (%u)", e->options.name, n);
	}
	free(e->name);
	e->name = name;
	e->named = true;
	e->stats.name = name;
}

static void end_all(struct endpoint *e, struct list_node *deliveries)
{
	list_for_each_safe(n, deliveries) {
		struct delivery *d = list_entry(n, struct delivery, of_endpoint);

		http_request_cancel(steal_ptr(&d->http));
		if (!endpoint_to_spool(e, d))
			endpoint_drop(e, d, WRITE_DROP_SHUTDOWN, NULL);
	}
}

void endpoint_end(struct endpoint *e)
{
	struct error err = {0};

	loop_timer_stop(&e->hold);
	e->draining = true;
	end_all(e, &e->in_flight);
	e->in_flight_count = 0;
	end_all(e, &e->waiting);
	uint64_t lost = e->stats.dropped[WRITE_DROP_SHUTDOWN].profiles;

	if (lost == e->lost_told)
		return;
	e->lost_told = lost;
	error_set(&err, -ECANCELED, "%" PRIu64 " profiles could not be delivered before the end",
		lost);
	endpoint_tell(e, WRITER_DROPPED, &err);
}

void endpoint_free(struct endpoint *e)
{
	if (!e)
		return;
	endpoint_end(e);
	endpoint_leave_spool(e);
	endpoint_bequeath(e);
	http_client_free(e->client);
	free(e->url);
	free(e->name);
	free(e->options.url);
	free(e->options.name);
	free(e->options.tenant_id);
	http_client_options_release(&e->options.http);
	free(e);
}
