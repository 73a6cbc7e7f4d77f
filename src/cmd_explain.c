// SPDX-License-Identifier: Apache-2.0
/*
 * The agent that runs knows best: it has seen the samples. Where none runs (or its socket is not to be
 * had), the same view is made here: the same rules and sources, and a look of some seconds through a
 * sampler of our own, or without one where that is not permitted.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "commands.h"
#include "control.h"
#include "explain.h"
#include "first_look.h"
#include "options.h"
#include "pipeline.h"
#include "startup.h"

#define LOOK_ROUNDS 4
#define LOOK_NS     (NSEC_PER_SEC / 2)

struct look {
	struct config config;
	struct loop *loop;
	struct pipeline pipeline;
	/* Where nothing can be sampled. */
	struct http *http;
	struct discover *discover;
	struct status *status;
	struct first_look first;
	struct error no_samples;
};

static void look_release(struct look *l)
{
	status_free(l->status);
	discover_free(l->discover);
	if (l->http)
		http_free(l->http);
	pipeline_release(&l->pipeline);
	loop_free(l->loop);
	config_release(&l->config);
}

static int wait_a_while(struct loop *loop, int64_t ns)
{
	int64_t end = clock_monotonic_ns() + ns;
	int r = 0;

	while (r == 0 && clock_monotonic_ns() < end)
		r = loop_turn(loop, end - clock_monotonic_ns());
	return r;
}

static int sample(struct look *l, struct error *err)
{
	int r = pipeline_apply(&l->pipeline, &l->config, err);

	if (r == 0)
		r = first_look_wait(&l->first, l->loop, l->pipeline.discover, NULL, err);
	if (r == 0)
		r = pipeline_start(&l->pipeline, err);
	l->status = status_new(l->pipeline.discover, &l->pipeline.attribution, "/proc");
	for (int i = 0; r == 0 && i < LOOK_ROUNDS; i++) {
		struct collect_tally tally;

		r = wait_a_while(l->loop, LOOK_NS);
		status_begin_round(l->status);
		if (r == 0)
			r = pipeline_round(&l->pipeline, &tally, err);
		if (r == 0)
			status_end_round(l->status, &tally, l->pipeline.ebpf.sample_rate);
	}
	return r;
}

static int look_without_samples(struct look *l, struct error *err)
{
	int r = http_new(l->loop, &l->http, err);

	if (r == 0)
		r = discover_new(l->loop, l->http, &first_look_ops, &l->first, &l->discover);
	if (r == 0)
		r = discover_apply(l->discover, &l->config, err);
	if (r == 0)
		r = first_look_wait(&l->first, l->loop, l->discover, NULL, err);
	if (r == 0)
		l->status = status_new(l->discover, NULL, "/proc");
	return r;
}

static int look(struct look *l, struct error *err)
{
	int r = loop_new(&l->loop);

	if (r < 0)
		return error_set_errno(err, r, "cannot make an event loop");
	if (pipeline_init(&l->pipeline, l->loop, &l->config.ebpf, &first_look_ops, &l->first,
		    &l->no_samples) == 0)
		return sample(l, err);
	return look_without_samples(l, err);
}

static int explain_here(const char *config, const char *why, enum explain_format format,
	const char *word)
{
	struct strbuf out cleanup_strbuf = STRBUF_INIT;
	struct look l = {0};
	struct error err = {0};

	if (config_load_or_report(config, &l.config) < 0)
		return EXIT_USAGE;
	int r = look(&l, &err);

	if (r < 0) {
		fprintf(stderr, "dockprof: %s\n", err.message[0] ? err.message : strerror(-r));
		look_release(&l);
		return exit_code_of(r);
	}
	char *note cleanup_free = l.discover
		? xasprintf("%s; nothing can be sampled here: %s", why, l.no_samples.message)
		: xasprintf("%s; this is what a look of %d seconds saw", why, LOOK_ROUNDS / 2);
	struct explain_view view = {
		.status = l.status,
		.discover = l.discover ? l.discover : l.pipeline.discover,
		.interp = l.pipeline.languages.interp,
		.proc = "/proc",
		.note = note,
	};
	int code = explain(&out, &view, format, word);

	fputs(out.buf, stdout);
	look_release(&l);
	return code;
}

static int explain_by_agent(const char *socket, const char *request, struct error *err)
{
	struct strbuf out cleanup_strbuf = STRBUF_INIT;
	int code = control_ask(socket, request, &out, err);

	fputs(out.buf, stdout);
	return code;
}

/* Which socket the agent of this machine has, as far as its file says. */
static char *socket_of(const char *path)
{
	struct config_problems problems = {0};
	struct config config = {0};
	char *socket = xstrdup(CONTROL_DEFAULT_PATH);

	if (access(path, R_OK) == 0 && config_load(path, &config, &problems, NULL) == 0) {
		free(socket);
		socket = xstrdup(config.control.socket);
		config_release(&config);
	}
	config_problems_release(&problems);
	return socket;
}

static int run(const char *config, const char *socket, bool json, const char *word)
{
	char *request cleanup_free =
		xasprintf("explain %s%s%s", json ? "json" : "text", *word ? " " : "", word);
	char *found cleanup_free = socket ? xstrdup(socket) : socket_of(CONFIG_DEFAULT_PATH);
	enum explain_format format = json ? EXPLAIN_JSON : EXPLAIN_TEXT;
	struct error err = {.message = "no agent was asked"};
	int code = -ENOENT;

	if (config && !socket)
		return explain_here(config, "by the rules of --config.file", format, word);
	if (*found)
		code = explain_by_agent(found, request, &err);
	if (code >= 0)
		return code;
	if (socket || (code != -ENOENT && code != -ECONNREFUSED && code != -EACCES)) {
		fprintf(stderr, "dockprof: %s\n", err.message);
		return EXIT_FAILED;
	}
	char *why cleanup_free = xasprintf("no agent runs here (%s)", err.message);

	if (!config && access(CONFIG_DEFAULT_PATH, R_OK) == 0)
		config = CONFIG_DEFAULT_PATH;
	return explain_here(config, why, format, word);
}

int cmd_explain(int argc, char **argv)
{
	struct option_list words = {0};
	const char *config = NULL, *socket = NULL;
	bool json = false;
	const struct option_spec specs[] = {
		{"json", 0, OPTION_FLAG, NULL, "for machines", &json},
		{"config.file", 0, OPTION_STRING, "FILE",
			"do not ask the agent; use the rules and sources of this file", &config},
		{"socket", 0, OPTION_STRING, "PATH",
			"of the agent (default " CONTROL_DEFAULT_PATH ")", &socket},
		{NULL, 0, OPTION_FLAG, NULL, NULL, NULL},
	};
	const struct command_spec command = {
		.usage =
			"dockprof explain [CONTAINER] [--json] [--config.file=FILE] [--socket=PATH]",
		.about =
			"Why is my container (not) there, and what is it doing? Its labels, what each rule\n"
			"does to them, its processes, whether samples arrive and how good they are, and for\n"
			"each trouble what you can do. CONTAINER is a name, a compose service, or the first\n"
			"digits of an id; without it, every container gets a line.\n"
			"Asks the agent that runs; without one it looks for two seconds itself.",
		.examples = "  dockprof explain web\n"
			    "  docker exec dockprof dockprof explain web\n"
			    "  dockprof explain --json | jq '.containers[] | {name, state}'\n",
		.options = specs,
		.arguments = &words,
		.max_arguments = 1,
	};
	enum options_outcome outcome = options_parse(&command, argc, argv);
	int code = outcome == OPTIONS_RUN
		? run(config, socket, json, words.count ? words.values[0] : "")
		: (int)outcome;

	free(words.values);
	return code;
}
