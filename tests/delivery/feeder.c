// SPDX-License-Identifier: Apache-2.0
/*
 * An agent without a kernel: it makes up profiles, hands them to the writer of a configuration, and says
 * what became of them. For tests that need to know exactly what was sampled.
 *
 * usage: feeder CONFIG [NAME=NUMBER]...
 *
 *	targets=4 stacks=20 depth=5	what one interval has
 *	intervals=3 interval_ms=200	how often
 *	settle_ms=0			how long to wait after the last one for everything to be delivered
 *	drain_ms=4000			how long the end may take
 *	first=0				number of the first interval; each stack is named after it
 *	silent=0			1: no line per interval
 *
 * Standard output: "interval N VALUE" after each one was handed over, and in the end one JSON object per
 * endpoint. SIGTERM ends it early, as it ends the agent.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/memory.h"
#include "config/config.h"
#include "export/writer.h"
#include "tests/unit/frames.h"

#define DEPTH_MAX 64
#define TICK_NS   10000000

enum parameter {
	TARGETS,
	STACKS,
	DEPTH,
	INTERVALS,
	INTERVAL_MS,
	SETTLE_MS,
	DRAIN_MS,
	FIRST,
	SILENT,
	PARAMETERS,
};

static const char *const names[PARAMETERS] = {"targets", "stacks", "depth", "intervals",
	"interval_ms", "settle_ms", "drain_ms", "first", "silent"};

struct feeder {
	long values[PARAMETERS];
	struct config config;
	struct loop *loop;
	struct http *http;
	struct writer *writer;
	struct loop_signal signals;
	bool stopping;
	uint64_t sampled;
	size_t rss_kb; /* at its highest after an interval */
	size_t built_kb; /* the same, when a profile was made and not handed over yet */
};

static void on_event(void *ctx, enum writer_event event, const char *endpoint,
	const struct error *err)
{
	(void)ctx;
	fprintf(stderr, "event %d %s %s\n", (int)event, endpoint, err ? err->message : "");
}

static void on_signal(struct loop_signal *s, int signo)
{
	(void)signo;
	container_of(s, struct feeder, signals)->stopping = true;
}

static void add_stack(struct pprof *p, const struct feeder *f, long interval, long target,
	long stack)
{
	static const struct module module = {.id = 1,
		.path = "/bin/app",
		.name = "app",
		.build_id = ""};
	struct frame frames[DEPTH_MAX];
	char text[DEPTH_MAX][64];
	long depth = f->values[DEPTH];

	for (long k = 0; k < depth; k++) {
		if (k == 0)
			snprintf(text[k], sizeof(text[k]), "i%ld.t%ld.s%ld", interval, target,
				stack);
		else
			snprintf(text[k], sizeof(text[k]), "f%ld_%ld", k, (stack >> k) % 500);
		frames[k] = (struct frame){
			.module = &module,
			.address = k ? (uint64_t)((stack >> k) % 500 * 64 + k)
				     : (uint64_t)stack + 100000,
			.function = text[k],
			.origin = NAME_SYMTAB,
		};
	}
	pprof_add(p,
		&(struct pprof_sample){
			.frames = frame_pointers(frames, (size_t)depth),
			.frame_count = (size_t)depth,
			.count = (uint64_t)(1 + stack % 3),
		});
}

static size_t rss_kb(void)
{
	unsigned long size, resident = 0;
	FILE *statm = fopen("/proc/self/statm", "r");

	if (!statm)
		return 0;
	if (fscanf(statm, "%lu %lu", &size, &resident) != 2)
		resident = 0;
	fclose(statm);
	return resident * 4;
}

static void add_profile(struct feeder *f, long interval, long target, int64_t time_ns)
{
	struct labels labels cleanup_labels = {0};
	char service[32];
	struct pprof *p = pprof_new(&(struct pprof_options){
		.time_ns = time_ns,
		.duration_ns = f->values[INTERVAL_MS] * NSEC_PER_MSEC,
		.period_ns = TICK_NS,
	});

	snprintf(service, sizeof(service), "service%ld", target);
	labels_set(&labels, "service_name", service);
	labels_set(&labels, "__name__", "process_cpu");
	for (long i = 0; i < f->values[STACKS]; i++)
		add_stack(p, f, interval, target, i);
	f->sampled += pprof_total(p) * TICK_NS;
	f->built_kb = MAX(f->built_kb, rss_kb());
	writer_add(f->writer, &labels, p);
	pprof_free(p);
}

/* Not getrusage(): that counts the parent before exec() as well. */
static long peak_kb(void)
{
	FILE *status = fopen("/proc/self/status", "r");
	char line[256];
	long kb = 0;

	while (status && fgets(line, sizeof(line), status))
		if (sscanf(line, "VmHWM: %ld kB", &kb) == 1)
			break;
	if (status)
		fclose(status);
	return kb;
}

static int run_until(struct feeder *f, int64_t end_ns, bool until_idle)
{
	for (;;) {
		int64_t left = end_ns - clock_monotonic_ns();

		if (left <= 0 || (until_idle && writer_idle(f->writer)))
			return 0;
		int r = loop_turn(f->loop, MIN(left, 20 * NSEC_PER_MSEC));

		if (r < 0 || (f->stopping && !until_idle))
			return r;
	}
}

static bool all_delivered(const struct feeder *f)
{
	struct write_stats s;

	for (size_t i = 0; i < writer_endpoint_count(f->writer); i++) {
		writer_stats(f->writer, i, &s);
		if (s.waiting.profiles || s.spooled.profiles)
			return false;
	}
	return true;
}

static void feed(struct feeder *f)
{
	int64_t next = clock_monotonic_ns();

	for (long i = 0; i < f->values[INTERVALS] && !f->stopping; i++) {
		int64_t time_ns = clock_realtime_ns();
		uint64_t before = f->sampled;

		writer_begin_interval(f->writer);
		for (long t = 0; t < f->values[TARGETS]; t++)
			add_profile(f, f->values[FIRST] + i, t, time_ns);
		memory_trim();
		f->rss_kb = MAX(f->rss_kb, rss_kb());
		if (!f->values[SILENT]) {
			printf("interval %ld %" PRIu64 "\n", f->values[FIRST] + i,
				f->sampled - before);
			fflush(stdout);
		}
		/* Some time for the server, also where this machine is too slow for the interval. */
		next = MAX(next + f->values[INTERVAL_MS] * NSEC_PER_MSEC,
			clock_monotonic_ns() + NSEC_PER_MSEC);
		if (run_until(f, next, false) < 0)
			return;
	}
	int64_t end = clock_monotonic_ns() + f->values[SETTLE_MS] * NSEC_PER_MSEC;

	while (!f->stopping && !all_delivered(f) && clock_monotonic_ns() < end)
		if (run_until(f, clock_monotonic_ns() + 20 * NSEC_PER_MSEC, false) < 0)
			return;
}

static void show_count(const char *name, const struct write_count *c)
{
	printf(", \"%s\": [%" PRIu64 ", %" PRIu64 ", %" PRIu64 "]", name, c->profiles, c->bytes,
		c->value);
}

static void show(const struct feeder *f)
{
	struct write_stats s;

	for (size_t i = 0; i < writer_endpoint_count(f->writer); i++) {
		writer_stats(f->writer, i, &s);
		printf("{\"sampled\": %" PRIu64 ", \"rss_kb\": %zu, \"max_rss_kb\": %zu",
			f->sampled, rss_kb(), f->rss_kb);
		printf(", \"built_kb\": %zu, \"peak_kb\": %ld", f->built_kb, peak_kb());
		printf(", \"retries\": %" PRIu64 ", \"damaged\": %" PRIu64 ", \"errors\": %" PRIu64
		       ", \"spool_bytes\": %" PRIu64,
			s.retries, s.spool_damaged, s.spool_errors, s.spool_bytes);
		show_count("added", &s.added);
		show_count("recovered", &s.recovered);
		show_count("sent", &s.sent);
		show_count("waiting", &s.waiting);
		show_count("spooled", &s.spooled);
		for (int k = 0; k < WRITE_DROP_COUNT; k++) {
			char name[64];

			snprintf(name, sizeof(name), "dropped_%s", write_drop_names[k]);
			if (s.dropped[k].profiles)
				show_count(name, &s.dropped[k]);
		}
		printf("}\n");
	}
	fflush(stdout);
}

static int parse(struct feeder *f, int argc, char **argv)
{
	const long defaults[PARAMETERS] = {4, 20, 5, 3, 200, 0, 4000, 0, 0};

	memcpy(f->values, defaults, sizeof(defaults));
	for (int i = 2; i < argc; i++) {
		size_t len = strcspn(argv[i], "="), k = 0;

		while (k < PARAMETERS &&
			(strlen(names[k]) != len || strncmp(argv[i], names[k], len) != 0))
			k++;
		if (k == PARAMETERS || !argv[i][len])
			return -EINVAL;
		f->values[k] = atol(argv[i] + len + 1);
	}
	return argc > 1 && f->values[DEPTH] > 0 && f->values[DEPTH] < DEPTH_MAX ? 0 : -EINVAL;
}

static int start(struct feeder *f, const char *path, struct error *err)
{
	static const int signals[] = {SIGTERM, SIGINT, 0};
	static const struct writer_ops ops = {.event = on_event};
	struct config_problems problems = {0};
	int r = config_load(path, &f->config, &problems, err);

	if (r < 0)
		return r;
	f->signals.on_signal = on_signal;
	r = loop_new(&f->loop);
	if (r == 0)
		r = loop_watch_signals(f->loop, &f->signals, signals);
	if (r == 0)
		r = http_new(f->loop, &f->http, err);
	if (r == 0)
		r = writer_new(f->loop, f->http, &f->config.write, &ops, f, NULL, &f->writer, err);
	return r;
}

int main(int argc, char **argv)
{
	struct feeder f = {0};
	struct error err = {0};

	if (parse(&f, argc, argv) < 0) {
		fprintf(stderr, "usage: feeder CONFIG [NAME=NUMBER]...\n");
		return 2;
	}
	int r = start(&f, argv[1], &err);

	if (r < 0) {
		fprintf(stderr, "feeder: %s %s\n", strerror(-r), err.message);
		return 1;
	}
	feed(&f);
	writer_drain(f.writer);
	r = run_until(&f, clock_monotonic_ns() + f.values[DRAIN_MS] * NSEC_PER_MSEC, true);
	writer_end(f.writer);
	show(&f);
	writer_free(f.writer);
	http_free(f.http);
	loop_free(f.loop);
	config_release(&f.config);
	return r < 0;
}
