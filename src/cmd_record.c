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

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "base/units.h"
#include "commands.h"
#include "first_look.h"
#include "options.h"
#include "pipeline.h"
#include "record_output.h"
#include "startup.h"

#define ROUND_NS   (NSEC_PER_SEC / 2)
#define MAX_LENGTH (24 * 3600 * NSEC_PER_SEC)

struct recording {
	struct record_output output;
	struct option_list only; /* --container */
	int64_t length_ns;
	struct config config;
	struct loop *loop;
	struct pipeline pipeline;
	struct collect_tally total;
	struct loop_signal signals;
	struct loop_timer round_timer;
	int64_t start_ns;
	bool interrupted, progress;
	struct first_look first;
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

	if (pipeline_round(&r->pipeline, &tally, &err) < 0)
		fprintf(stderr, "dockprof: %s\n", err.message);
	r->total.ticks += tally.ticks;
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
	int e = loop_new(&r->loop);

	r->signals.on_signal = on_signal;
	if (e == 0)
		e = loop_watch_signals(r->loop, &r->signals, signals);
	if (e == 0)
		e = pipeline_init(&r->pipeline, r->loop, &r->config.ebpf, &first_look_ops,
			&r->first, err);
	return e;
}

/* Sampling starts when the engines have told of their containers, so that the length is exact. */
static int find_containers(struct recording *r, struct error *err)
{
	int e = pipeline_apply(&r->pipeline, &r->config, err);

	return e < 0
		? e
		: first_look_wait(&r->first, r->loop, r->pipeline.discover, &r->interrupted, err);
}

/* Names on the command line that nothing answers to are a mistake, said with what there is. */
static int check_selection(const struct recording *r, struct error *err)
{
	struct strbuf names cleanup_strbuf = STRBUF_INIT;

	for (size_t i = 0; i < r->only.count; i++) {
		struct recording one = {.only = {.values = &r->only.values[i], .count = 1}};
		bool found = false;

		strbuf_reset(&names);
		list_for_each(n, &discover_targets(r->pipeline.discover)->targets) {
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
	int e = pipeline_start(&r->pipeline, err);

	if (e < 0)
		return e;
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
	collect_flush(&r->pipeline.collect, on_profile, r);
	return record_output_finish(&r->output, &r->pipeline.collect.quality, err);
}

static void recording_release(struct recording *r)
{
	record_output_release(&r->output);
	pipeline_release(&r->pipeline);
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
		return usage("--format=%s: choose one of " RECORD_FORMATS, args->format);
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
		{"format", 'f', OPTION_STRING, "FORMAT",
			"text (default), folded, json, pprof, svg, html or speedscope",
			&args.format},
		{"output", 'o', OPTION_STRING, "FILE|DIR",
			"where to (default: the terminal; dockprof.pb.gz, .svg, .html)",
			&args.output},
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
			    "  dockprof record -d 1m --format html -o all.html\n"
			    "  dockprof record -d 1m --format folded | flamegraph.pl > all.svg\n",
		.options = specs,
	};
	enum options_outcome outcome = options_parse(&command, argc, argv);

	if (outcome != OPTIONS_RUN) {
		free(r.only.values);
		return (int)outcome;
	}
	int code = execute(&r, &args);

	recording_release(&r);
	return code;
}
