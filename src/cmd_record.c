// SPDX-License-Identifier: Apache-2.0
/*
 * A recording is an agent without a writer: the same sources, rules and rounds, but the profiles stay
 * open until the end. Rounds in between only empty the kernel's tables.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attribution.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "base/units.h"
#include "collect.h"
#include "commands.h"
#include "discover.h"
#include "options.h"
#include "record_output.h"
#include "startup.h"

#define PATIENCE_NS (5 * NSEC_PER_SEC) /* for an engine to answer */
#define ROUND_NS    (NSEC_PER_SEC / 2)
#define MAX_LENGTH  (24 * 3600 * NSEC_PER_SEC)

struct recording {
	struct record_output output;
	struct option_list only; /* --container */
	int64_t length_ns;
	struct config config;
	struct loop *loop;
	struct http *http;
	struct discover *discover;
	struct attribution attribution;
	struct profiler *profiler;
	struct symbolizer *symbolizer;
	struct collect collect;
	struct collect_tally total;
	struct loop_signal signals;
	struct loop_timer round_timer;
	int64_t start_ns;
	bool interrupted, progress;
	struct error trouble;
};

static bool selected(const struct recording *r, const struct target *t)
{
	if (!r->only.count)
		return true;
	for (size_t i = 0; i < r->only.count; i++) {
		const char *want = r->only.values[i];

		if (strcmp(want, t->name) == 0 || strcmp(want, t->service_name) == 0 ||
			(strlen(want) >= 4 && strncmp(t->origin, want, strlen(want)) == 0))
			return true;
	}
	return false;
}

static void on_target(void *ctx, const struct target *t, bool news)
{
	struct recording *r = ctx;
	struct target_selector s = target_selector_of(&t->labels);

	(void)news;
	if (s.pid)
		profiler_set_pid(r->profiler, s.pid, !t->gone && t->verdict == TARGET_PROFILED);
	else if (s.container_id)
		attribution_changed(&r->attribution, s.container_id);
}

static void on_engine(void *ctx, const struct docker_discovery *d, enum docker_connection state,
	const struct error *err)
{
	struct recording *r = ctx;

	if (state == DOCKER_CONNECTED || !err)
		return;
	r->trouble = *err;
	error_prefix(&r->trouble, "%s", docker_discovery_host(d));
}

static void on_notice(void *ctx, const char *where, const struct error *err)
{
	(void)ctx;
	fprintf(stderr, "dockprof: %s: %s\n", where, err->message);
}

static const struct discover_ops discover_ops = {
	.target = on_target,
	.engine = on_engine,
	.notice = on_notice,
};

static void on_cgroup_seen(void *ctx, const struct cgroup_chain *v2, const struct cgroup_chain *v1,
	const struct process_id *process)
{
	(void)process;
	attribution_seen(&((struct recording *)ctx)->attribution, v2, v1);
}

static void on_process_seen(void *ctx, const struct process_id *process)
{
	symbolizer_process_seen(((struct recording *)ctx)->symbolizer, process);
}

static const struct profiler_ops profiler_ops = {
	.cgroup_seen = on_cgroup_seen,
	.process_seen = on_process_seen,
};

static void show_progress(const struct recording *r)
{
	int64_t elapsed = clock_monotonic_ns() - r->start_ns;

	if (!r->progress)
		return;
	fprintf(stderr, "\rrecording %.1f s of %.1f s, %llu samples of containers   ",
		(double)MIN(elapsed, r->length_ns) / 1e9, (double)r->length_ns / 1e9,
		(unsigned long long)r->total.exported);
	fflush(stderr);
}

static void round_now(struct recording *r)
{
	struct collect_tally tally;
	struct error err = {0};

	if (collect_round(&r->collect, true, &tally, &err) < 0)
		fprintf(stderr, "dockprof: %s\n", err.message);
	r->total.ticks += tally.ticks;
	r->total.idle += tally.idle;
	r->total.filtered += tally.filtered;
	r->total.exported += tally.exported;
	r->total.unknown += tally.unknown;
	for (int i = 0; i < LOSS_COUNT; i++)
		r->total.lost[i] += tally.lost[i];
	show_progress(r);
}

static void on_round(struct loop_timer *t)
{
	struct recording *r = container_of(t, struct recording, round_timer);
	int64_t left = r->start_ns + r->length_ns - clock_monotonic_ns();

	round_now(r);
	if (left <= 0)
		loop_stop(r->loop);
	else
		loop_timer_start(&r->round_timer, MIN(left, ROUND_NS));
}

static void on_signal(struct loop_signal *s, int signo)
{
	struct recording *r = container_of(s, struct recording, signals);

	(void)signo;
	r->interrupted = true;
	loop_stop(r->loop);
}

static int open_rooms(struct recording *r, struct error *err)
{
	static const int signals[] = {SIGINT, SIGTERM, 0};
	const struct ebpf_options *o = &r->config.ebpf;
	struct profiler_options profiler = {
		.sample_rate = o->sample_rate,
		.user_stacks = o->collect_user_profile,
		.kernel_stacks = o->collect_kernel_profile,
		.self_pid = (uint32_t)getpid(),
		.proc = "/proc",
		.sys = "/sys",
	};
	struct symbolizer_options symbolizer = {
		.proc = "/proc",
		.max_bytes = o->symbols_max_bytes,
		.max_processes = o->max_processes,
	};
	int e = loop_new(&r->loop);

	r->signals.on_signal = on_signal;
	if (e == 0)
		e = loop_watch_signals(r->loop, &r->signals, signals);
	if (e == 0)
		e = http_new(r->loop, &r->http, err);
	if (e == 0)
		e = discover_new(r->loop, r->http, &discover_ops, r, &r->discover);
	if (e == 0)
		e = profiler_new(r->loop, &profiler, &profiler_ops, r, &r->profiler, err);
	if (e == 0)
		e = symbolizer_new(&symbolizer, &r->symbolizer, err);
	return e;
}

/* Sampling starts when the engines have told of their containers, so that the length is exact. */
static int find_containers(struct recording *r, struct error *err)
{
	int64_t deadline = clock_monotonic_ns() + PATIENCE_NS;
	int e = discover_apply(r->discover, &r->config, err);

	while (e == 0 && !discover_complete(r->discover) && !r->interrupted) {
		if (r->trouble.code)
			return error_set(err, r->trouble.code, "%s", r->trouble.message);
		if (clock_monotonic_ns() > deadline)
			return error_set(err, -ETIMEDOUT, "no engine answered within 5 s");
		e = loop_turn(r->loop, PATIENCE_NS);
	}
	return e;
}

/* Names on the command line that nothing answers to are a mistake, said with what there is. */
static int check_selection(const struct recording *r, struct error *err)
{
	struct strbuf names cleanup_strbuf = STRBUF_INIT;

	for (size_t i = 0; i < r->only.count; i++) {
		struct recording one = {.only = {.values = &r->only.values[i], .count = 1}};
		bool found = false;

		strbuf_reset(&names);
		list_for_each(n, &discover_targets(r->discover)->targets) {
			const struct target *t = list_entry(n, struct target, in_table);

			if (t->verdict != TARGET_PROFILED || t->gone)
				continue;
			found = found || selected(&one, t);
			strbuf_add_str(&names, names.len ? ", " : "");
			text_add_safe(&names, t->name, strlen(t->name), 64);
		}
		if (!found)
			return error_set(err, -ESRCH, "no container \"%s\" runs; there is %.300s",
				r->only.values[i], names.len ? names.buf : "none");
	}
	return 0;
}

static void tell_start(const struct recording *r)
{
	struct strbuf length cleanup_strbuf = STRBUF_INIT;

	duration_add(&length, r->length_ns);
	fprintf(stderr, "recording for %s, Ctrl-C ends it early\n", length.buf);
}

static int record(struct recording *r, struct error *err)
{
	r->collect.profiler = r->profiler;
	r->collect.symbolizer = r->symbolizer;
	r->collect.attribution = &r->attribution;
	r->collect.sample_rate = r->config.ebpf.sample_rate;
	r->collect.comm = r->config.ebpf.comm;
	int e = profiler_start(r->profiler, err);

	if (e < 0)
		return e;
	collect_start(&r->collect);
	r->start_ns = clock_monotonic_ns();
	if (!r->progress)
		tell_start(r);
	loop_timer_init(r->loop, &r->round_timer, on_round);
	loop_timer_start(&r->round_timer, MIN(r->length_ns, ROUND_NS));
	e = r->interrupted ? 0 : loop_run(r->loop);
	/* Twice: what was carried over for a container just discovered is judged by the second. */
	round_now(r);
	round_now(r);
	if (r->progress)
		fputs("\r\033[K", stderr);
	return e;
}

static void on_profile(void *ctx, struct target *t, struct pprof *profile)
{
	struct recording *r = ctx;

	if (selected(r, t))
		record_output_add(&r->output, t, profile);
	else
		pprof_free(profile);
}

static int run(struct recording *r, struct error *err)
{
	int e = open_rooms(r, err);

	if (e < 0)
		return e;
	attribution_init(&r->attribution, discover_targets(r->discover));
	r->attribution.profiler = r->profiler;
	e = find_containers(r, err);
	if (e < 0)
		return e;
	e = check_selection(r, err);
	if (e < 0)
		return e;
	e = record(r, err);
	if (e < 0)
		return e;
	record_output_begin(&r->output, &r->total, clock_monotonic_ns() - r->start_ns);
	collect_flush(&r->collect, on_profile, r);
	return record_output_finish(&r->output, &r->collect.quality, err);
}

static void recording_release(struct recording *r)
{
	collect_release(&r->collect);
	record_output_release(&r->output);
	discover_free(r->discover);
	attribution_release(&r->attribution);
	profiler_free(r->profiler);
	symbolizer_free(r->symbolizer);
	if (r->http)
		http_free(r->http);
	loop_free(r->loop);
	config_release(&r->config);
	free(r->only.values);
}

static int usage(const char *fmt, const char *value)
{
	fputs("dockprof: ", stderr);
	fprintf(stderr, fmt, value);
	fputc('\n', stderr);
	return EXIT_USAGE;
}

struct arguments {
	const char *config, *length, *rate, *format, *output, *level;
};

static int apply_arguments(struct recording *r, const struct arguments *args)
{
	enum log_level level = LOG_LEVEL_WARN;
	int64_t number = 0;
	char *end;

	if (args->level && log_level_parse(args->level, &level) < 0)
		return usage("--log.level=%s: choose one of debug, info, warn, error", args->level);
	log_setup(level, LOG_FORMAT_LOGFMT);
	r->length_ns = 10 * NSEC_PER_SEC;
	if (args->length &&
		(duration_parse(args->length, &r->length_ns) < 0 || r->length_ns <= 0 ||
			r->length_ns > MAX_LENGTH))
		return usage("--duration=%s: write a duration up to 24h such as 10s or 1m30s",
			args->length);
	if (args->rate) {
		number = strtol(args->rate, &end, 10);
		if (*end || number < 1 || number > 10000)
			return usage(
				"--frequency=%s: write a number from 1 to 10000 (ticks a second)",
				args->rate);
		r->config.ebpf.sample_rate = (unsigned)number;
	}
	if (record_output_init(&r->output, args->format, args->output) < 0)
		return usage("--format=%s: choose one of text, folded, json, pprof", args->format);
	r->progress = isatty(STDERR_FILENO);
	return EXIT_OK;
}

static int execute(struct recording *r, const struct arguments *args)
{
	struct error err = {0};

	if (config_load_or_report(args->config, &r->config) < 0)
		return EXIT_USAGE;
	int code = apply_arguments(r, args);

	if (code != EXIT_OK)
		return code;
	int e = run(r, &err);

	if (e == 0)
		return EXIT_OK;
	fprintf(stderr, "dockprof: %s\n", err.message[0] ? err.message : strerror(-e));
	return exit_code_of(e);
}

int cmd_record(int argc, char **argv)
{
	struct recording r = {0};
	struct arguments args = {.format = "text"};
	const struct option_spec specs[] = {
		{"duration", 'd', OPTION_STRING, "TIME", "how long (default 10s)", &args.length},
		{"frequency", 'F', OPTION_STRING, "HZ", "ticks a second on each CPU (default 97)",
			&args.rate},
		{"container", 'c', OPTION_LIST, "NAME",
			"only this container: name, service or id; may be repeated", &r.only},
		{"format", 'f', OPTION_STRING, "FORMAT", "text (default), folded, json or pprof",
			&args.format},
		{"output", 'o', OPTION_STRING, "FILE|DIR",
			"where to (default: the terminal; dockprof.pb.gz for pprof)", &args.output},
		{"config.file", 0, OPTION_STRING, "FILE",
			"rules and sources (default: all containers)", &args.config},
		{"log.level", 0, OPTION_STRING, "LEVEL", "debug, info, warn (default) or error",
			&args.level},
		{NULL, 0, OPTION_FLAG, NULL, NULL, NULL},
	};
	const struct command_spec command = {
		.usage =
			"dockprof record [-d TIME] [-F HZ] [--container NAME]... [--format FORMAT] "
			"[-o FILE|DIR]",
		.about =
			"Profiles the containers for some time and shows what they did. Needs no server and no\n"
			"configuration. Ctrl-C ends it early and keeps what was gathered. With -o DIR/ each\n"
			"service gets a file of its own.",
		.examples = "  dockprof record\n"
			    "  dockprof record -d 30s --container web --format pprof -o web.pb.gz\n"
			    "  dockprof record -d 1m --format folded | flamegraph.pl > all.svg\n",
		.options = specs,
	};
	enum options_outcome outcome = options_parse(&command, argc, argv);

	if (outcome != OPTIONS_RUN) {
		free(r.only.values);
		return (int)outcome;
	}
	attribution_init(&r.attribution, NULL);
	collect_init(&r.collect);
	int code = execute(&r, &args);

	recording_release(&r);
	return code;
}
