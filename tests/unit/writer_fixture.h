// SPDX-License-Identifier: Apache-2.0
/* What the tests of the writer share: servers with scripts, a writer, its events. */
#ifndef TESTS_WRITER_FIXTURE_H
#define TESTS_WRITER_FIXTURE_H

#include "unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "export/writer.h"
#include "lib/scripted_server.h"

static struct script *scripts[2];

static inline void serve_first(int fd, int connection)
{
	(void)connection;
	script_serve(fd, scripts[0]);
}

static inline void serve_second(int fd, int connection)
{
	(void)connection;
	script_serve(fd, scripts[1]);
}

#define SCRIPT(server, ...) script_set(scripts[server], (const int[]){__VA_ARGS__, 0})

static struct loop *loop;
static struct http *http;
static struct writer *writer;
static struct write_options options;
static struct strbuf events; /* one line per event: number, endpoint, message */

static inline void on_event(void *ctx, enum writer_event event, const char *endpoint,
	const struct error *err)
{
	(void)ctx;
	strbuf_addf(&events, "%d %s %s\n", (int)event, endpoint, err ? err->message : "");
}

static const struct writer_ops ops = {.event = on_event};

static inline void set_up(void)
{
	struct error err = {0};

	for (size_t i = 0; i < 2; i++)
		scripts[i] = script_new();
	strbuf_init(&events);
	write_options_init(&options);
	ck_assert_int_eq(loop_new(&loop), 0);
	ck_assert_msg(http_new(loop, &http, &err) == 0, "%s", err.message);
}

static inline void assert_equal_counts(const struct write_count *a, const struct write_count *b)
{
	ck_assert_uint_eq(a->profiles, b->profiles);
	ck_assert_uint_eq(a->bytes, b->bytes);
	ck_assert_uint_eq(a->value, b->value);
}

/* Whatever a test did: each profile is in exactly one place. */
static inline void assert_balanced(void)
{
	for (size_t i = 0; writer && i < writer_endpoint_count(writer); i++) {
		struct write_stats s;

		writer_stats(writer, i, &s);
		struct write_count in = s.added, out = write_stats_dropped(&s);

		write_count_add(&in, &s.recovered);
		write_count_add(&out, &s.sent);
		write_count_add(&out, &s.waiting);
		write_count_add(&out, &s.spooled);
		assert_equal_counts(&in, &out);
	}
}

static inline void tear_down(void)
{
	assert_balanced();
	writer_free(writer);
	http_free(http);
	loop_free(loop);
	write_options_release(&options);
	strbuf_release(&events);
	for (size_t i = 0; i < 2; i++)
		script_free(scripts[i]);
}

/* Another endpoint; short waits, so that tests are. */
static inline struct write_endpoint_options *add_endpoint(const char *url)
{
	size_t n = options.endpoint_count++;

	options.endpoints = xreallocarray(options.endpoints, n + 1, sizeof(options.endpoints[0]));
	struct write_endpoint_options *o = &options.endpoints[n];

	write_endpoint_options_init(o);
	o->url = xstrdup(url);
	o->name = xasprintf("server%zu", n);
	o->min_backoff_ns = 20 * NSEC_PER_MSEC;
	o->max_backoff_ns = 40 * NSEC_PER_MSEC;
	o->remote_timeout_ns = 2 * NSEC_PER_SEC;
	return o;
}

static inline void start(void)
{
	struct error err = {0};

	ck_assert_msg(writer_new(loop, http, &options, &ops, NULL, NULL, &writer, &err) == 0, "%s",
		err.message);
}

static inline void add_at(const char *service, const char *profile, int64_t time_ns)
{
	struct labels labels cleanup_labels = {0};

	labels_set(&labels, "service_name", service);
	labels_set(&labels, "__name__", "process_cpu");
	labels_set(&labels, "__container_id__", "abc");
	writer_add_encoded(writer, &labels,
		&(struct encoded_profile){
			.data = profile,
			.len = strlen(profile),
			.time_ns = time_ns,
			.value = strlen(profile),
		});
}

static inline void add(const char *service, const char *profile)
{
	add_at(service, profile, clock_realtime_ns());
}

static inline struct write_stats stats(size_t endpoint)
{
	struct write_stats ret;

	writer_stats(writer, endpoint, &ret);
	return ret;
}

static inline uint64_t write_stats_dropped_now(size_t endpoint)
{
	struct write_stats s = stats(endpoint);

	return write_stats_dropped(&s).profiles;
}

static inline void run(int64_t ns)
{
	int64_t end = clock_monotonic_ns() + ns;

	while (clock_monotonic_ns() < end)
		ck_assert_int_eq(loop_turn(loop, 10 * NSEC_PER_MSEC), 0);
}

#define run_until(condition)                                                                       \
	do {                                                                                       \
		int64_t deadline_ = clock_monotonic_ns() + 20 * NSEC_PER_SEC;                      \
		while (!(condition)) {                                                             \
			ck_assert_int_eq(loop_turn(loop, 10 * NSEC_PER_MSEC), 0);                  \
			if (clock_monotonic_ns() > deadline_)                                      \
				ck_abort_msg("never: %s", #condition);                             \
		}                                                                                  \
	} while (0)

static inline size_t count_events(enum writer_event event)
{
	size_t n = 0;

	for (const char *line = events.buf; *line; line = strchr(line, '\n') + 1)
		n += atoi(line) == (int)event;
	return n;
}

static inline int listen_on(int port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(listen(fd, 64), 0);
	return fd;
}

#endif
