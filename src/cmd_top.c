// SPDX-License-Identifier: Apache-2.0
/*
 * A recording that shows each interval and forgets it: the same sources, rules and rounds as the agent's,
 * through a sampler of its own, so that it works beside a running agent and without one.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/macros.h"
#include "base/units.h"
#include "commands.h"
#include "first_look.h"
#include "options.h"
#include "pipeline.h"
#include "startup.h"
#include "top_table.h"

#define DEFAULT_INTERVAL_NS (2 * NSEC_PER_SEC)
#define SHORTEST_NS         (200 * NSEC_PER_MSEC)
#define LONGEST_NS          (3600 * NSEC_PER_SEC)
#define PLAIN_WIDTH         120 /* where the output is no terminal */

struct top {
	struct config config;
	struct loop *loop;
	struct pipeline pipeline;
	struct first_look first;
	struct loop_signal signals;
	struct loop_timer timer;
	int64_t interval_ns;
	unsigned long left; /* tables still to show; 0: no end */
	bool endless, interrupted, terminal;
	struct top_table table;
};

static void on_profile(void *ctx, struct target *t, struct pprof *profile)
{
	struct top *top = ctx;

	top_table_add(&top->table, t, profile);
	pprof_free(profile);
}

static struct top_format format_of(const struct top *t)
{
	struct top_format f = {
		.width = PLAIN_WIDTH,
		.hz = t->pipeline.ebpf.sample_rate,
		.cpus = (unsigned)MAX(sysconf(_SC_NPROCESSORS_ONLN), 1L),
	};
	struct winsize size;

	if (!t->terminal)
		return f;
	f.color = !getenv("NO_COLOR");
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
		f.width = size.ws_col;
		f.height = size.ws_row;
	}
	return f;
}

static void show(struct top *t, const struct collect_tally *tally)
{
	struct strbuf out cleanup_strbuf = STRBUF_INIT;
	struct top_format f = format_of(t);

	/* Home, and what was there before goes. */
	strbuf_add_str(&out, t->terminal ? "\x1b[H\x1b[J" : "");
	top_table_render(&out, &t->table, tally, &f);
	strbuf_add_str(&out, t->terminal ? "" : "\n");
	fwrite(out.buf, 1, out.len, stdout);
	if (fflush(stdout) != 0)
		loop_stop(t->loop);
}

static void on_round(struct loop_timer *timer)
{
	struct top *t = container_of(timer, struct top, timer);
	struct collect_tally tally;
	struct error err = {0};

	if (pipeline_round(&t->pipeline, &tally, &err) < 0)
		fprintf(stderr, "dockprof: %s\n", err.message);
	collect_flush(&t->pipeline.collect, on_profile, t);
	pipeline_forget_gone(&t->pipeline);
	show(t, &tally);
	top_table_release(&t->table);
	if (!t->endless && --t->left == 0)
		loop_stop(t->loop);
	else
		loop_timer_start(&t->timer, t->interval_ns);
}

static void on_signal(struct loop_signal *s, int signo)
{
	struct top *t = container_of(s, struct top, signals);

	(void)signo;
	t->interrupted = true;
	loop_stop(t->loop);
}

static int run(struct top *t, struct error *err)
{
	static const int signals[] = {SIGINT, SIGTERM, 0};
	int r = loop_new(&t->loop);

	t->signals.on_signal = on_signal;
	if (r == 0)
		r = loop_watch_signals(t->loop, &t->signals, signals);
	if (r == 0)
		r = pipeline_init(&t->pipeline, t->loop, &t->config.ebpf, &first_look_ops,
			&t->first, err);
	if (r == 0)
		r = pipeline_apply(&t->pipeline, &t->config, err);
	if (r == 0)
		r = first_look_wait(&t->first, t->loop, t->pipeline.discover, &t->interrupted, err);
	if (r == 0 && !t->interrupted)
		r = pipeline_start(&t->pipeline, err);
	if (r < 0 || t->interrupted)
		return r;
	loop_timer_init(t->loop, &t->timer, on_round);
	loop_timer_start(&t->timer, t->interval_ns);
	return loop_run(t->loop);
}

static int usage(const char *fmt, const char *value)
{
	fputs("dockprof: ", stderr);
	fprintf(stderr, fmt, value);
	fputc('\n', stderr);
	return EXIT_USAGE;
}

static int execute(struct top *t, const char *config, const char *interval, const char *count)
{
	struct error err = {0};
	char *end;

	t->interval_ns = DEFAULT_INTERVAL_NS;
	if (interval &&
		(duration_parse(interval, &t->interval_ns) < 0 || t->interval_ns < SHORTEST_NS ||
			t->interval_ns > LONGEST_NS))
		return usage("--interval=%s: write a duration from 200ms to 1h", interval);
	t->left = count ? strtoul(count, &end, 10) : 0;
	if (count && (*end || *count < '0' || *count > '9'))
		return usage("--count=%s: write how many tables to show, 0 for no end", count);
	t->endless = t->left == 0;
	t->terminal = isatty(STDOUT_FILENO);
	log_setup(LOG_LEVEL_WARN, LOG_FORMAT_LOGFMT);
	if (config_load_or_report(config, &t->config) < 0)
		return EXIT_USAGE;
	int r = run(t, &err);

	if (r == 0)
		return EXIT_OK;
	fprintf(stderr, "dockprof: %s\n", err.message[0] ? err.message : strerror(-r));
	return exit_code_of(r);
}

int cmd_top(int argc, char **argv)
{
	const char *config = NULL, *interval = NULL, *count = NULL;
	struct top t = {0};
	const struct option_spec specs[] = {
		{"interval", 'd', OPTION_STRING, "TIME", "between two tables (default 2s)",
			&interval},
		{"count", 'n', OPTION_STRING, "N", "end after so many tables", &count},
		{"config.file", 0, OPTION_STRING, "FILE",
			"rules and sources (default: all containers)", &config},
		{NULL, 0, OPTION_FLAG, NULL, NULL, NULL},
	};
	const struct command_spec command = {
		.usage = "dockprof top [-d TIME] [-n N] [--config.file=FILE]",
		.about =
			"Shows which containers use the CPU right now, and in which functions, until Ctrl-C.\n"
			"Where the output is no terminal the tables follow one another without colours.",
		.examples = "  dockprof top\n"
			    "  dockprof top -d 5s -n 1\n",
		.options = specs,
	};
	enum options_outcome outcome = options_parse(&command, argc, argv);

	if (outcome != OPTIONS_RUN)
		return (int)outcome;
	int code = execute(&t, config, interval, count);

	top_table_release(&t.table);
	pipeline_release(&t.pipeline);
	loop_free(t.loop);
	config_release(&t.config);
	return code;
}
