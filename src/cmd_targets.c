// SPDX-License-Identifier: Apache-2.0
/* One look at the engines: what is there, and what the rules make of it. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "commands.h"
#include "discover.h"
#include "first_look.h"
#include "options.h"
#include "startup.h"
#include "status.h"

#define REASON_SHOWN 500 /* bytes; it quotes a rule */

struct look {
	struct loop *loop;
	struct http *http;
	struct discover *discover;
	struct config config;
	struct first_look first;
};

static void look_release(struct look *l)
{
	discover_free(l->discover);
	if (l->http)
		http_free(l->http);
	loop_free(l->loop);
	config_release(&l->config);
}

static int look_around(struct look *l, struct error *err)
{
	int r = loop_new(&l->loop);

	if (r == 0)
		r = http_new(l->loop, &l->http, err);
	if (r == 0)
		r = discover_new(l->loop, l->http, &first_look_ops, &l->first, &l->discover);
	if (r == 0)
		r = discover_apply(l->discover, &l->config, err);
	if (r == 0)
		r = first_look_wait(&l->first, l->loop, l->discover, NULL, err);
	return r;
}

static void add_labels(struct strbuf *out, const struct labels *labels, bool public_only)
{
	bool any = false;

	strbuf_add_char(out, '{');
	for (size_t i = 0; i < labels->count; i++) {
		const struct label *l = &labels->list[i];

		if (public_only && strncmp(l->name, "__", 2) == 0)
			continue;
		if (any)
			strbuf_add_char(out, ',');
		any = true;
		text_add_json(out, l->name, strlen(l->name));
		strbuf_add_char(out, ':');
		text_add_json(out, l->value, strlen(l->value));
	}
	strbuf_add_char(out, '}');
}

static void add_json_string(struct strbuf *out, const char *key, const char *value)
{
	strbuf_addf(out, ",\"%s\":", key);
	text_add_json(out, value, strlen(value));
}

static void add_target(struct strbuf *out, const struct discover *d, const struct target *t)
{
	strbuf_add_str(out, "{\"discoveredLabels\":");
	add_labels(out, &t->discovered, false);
	if (t->verdict == TARGET_PROFILED) {
		strbuf_add_str(out, ",\"labels\":");
		add_labels(out, &t->labels, true);
	} else if (t->verdict == TARGET_DROPPED) {
		add_json_string(out, "droppedBy",
			relabel_rule_where(discover_rules(d), t->dropped_by));
		add_json_string(out, "rule", relabel_rule_text(discover_rules(d), t->dropped_by));
	} else {
		add_json_string(out, "droppedBy",
			t->verdict == TARGET_SELF ? "dockprof itself" : "no container id or pid");
	}
	add_json_string(out, "name", t->name);
	strbuf_add_char(out, '}');
}

static void add_targets(struct strbuf *out, const struct discover *d, bool profiled)
{
	bool any = false;

	strbuf_add_char(out, '[');
	list_for_each(n, &discover_targets(d)->targets) {
		const struct target *t = list_entry(n, struct target, in_table);

		if (t->gone || (t->verdict == TARGET_PROFILED) != profiled)
			continue;
		if (any)
			strbuf_add_char(out, ',');
		any = true;
		add_target(out, d, t);
	}
	strbuf_add_char(out, ']');
}

static void print_json(const struct discover *d)
{
	struct strbuf out cleanup_strbuf = STRBUF_INIT;

	strbuf_add_str(&out, "{\"activeTargets\":");
	add_targets(&out, d, true);
	strbuf_add_str(&out, ",\"droppedTargets\":");
	add_targets(&out, d, false);
	strbuf_add_char(&out, '}');
	puts(out.buf);
}

static void print_cell(const char *text, int width)
{
	struct strbuf safe cleanup_strbuf = STRBUF_INIT;

	text_add_safe(&safe, text, strlen(text), (size_t)width);
	printf("%-*s  ", width, safe.buf);
}

static void print_row(const struct status *status, const struct status_entry *e)
{
	struct strbuf reason cleanup_strbuf = STRBUF_INIT, line cleanup_strbuf = STRBUF_INIT;
	bool profiled = e->target->verdict == TARGET_PROFILED;

	print_cell(profiled ? e->service_name : "-", 24);
	print_cell(e->name, 28);
	status_add_reason(&reason, status, e);
	text_add_sentence(&line, profiled ? "profiled" : reason.buf, REASON_SHOWN);
	printf("%-12.12s  %s\n", *e->id ? e->id : "-", line.buf);
}

/* What runs cannot be told without an agent or a sampler, so kept ones are just "profiled" here. */
static void print_table(const struct discover *d)
{
	struct status *status = status_new(d, NULL, "/proc");
	const struct status_entry *const *list;
	size_t count = status_list(status, &list), profiled, other;

	printf("%-24s  %-28s  %-12s  %s\n", "SERVICE", "CONTAINER", "ID", "STATE");
	for (size_t i = 0; i < count; i++)
		if (list[i]->target && !list[i]->target->gone)
			print_row(status, list[i]);
	discover_count(d, &profiled, &other);
	printf("\n%zu profiled, %zu not\n", profiled, other);
	status_free(status);
}

int cmd_targets(int argc, char **argv)
{
	struct look look = {0};
	struct error err = {0};
	const char *path = NULL;
	bool json = false;
	const struct option_spec specs[] = {
		{"config.file", 0, OPTION_STRING, "FILE", "configuration (default: all containers)",
			&path},
		{"json", 0, OPTION_FLAG, NULL, "as Prometheus' /api/v1/targets names it", &json},
		{NULL, 0, OPTION_FLAG, NULL, NULL, NULL},
	};
	const struct command_spec command = {
		.usage = "dockprof targets [--config.file=FILE] [--json]",
		.about =
			"Lists the containers that run now, the service_name each would be profiled under,\n"
			"and for the others the rule that drops them.",
		.examples = "  dockprof targets --config.file=dockprof.yml\n",
		.options = specs,
	};
	enum options_outcome outcome = options_parse(&command, argc, argv);

	if (outcome != OPTIONS_RUN)
		return (int)outcome;
	if (config_load_or_report(path, &look.config) < 0)
		return EXIT_USAGE;
	int r = look_around(&look, &err);

	if (r < 0)
		fprintf(stderr, "dockprof: %s\n", err.message);
	else if (json)
		print_json(look.discover);
	else
		print_table(look.discover);
	look_release(&look);
	return exit_code_of(r);
}
