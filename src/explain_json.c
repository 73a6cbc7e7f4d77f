// SPDX-License-Identifier: Apache-2.0
/* Field names as Prometheus' /api/v1/targets has them where it has such a thing (discoveredLabels, labels). */
#include "explain_json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

#include "commands.h"
#include "explanation.h"
#include "label_changes.h"
#include "symbols/frame.h"
#include "web/json.h"
#include "quality.h"

static void text_or_null(struct json *out, const char *key, const char *text)
{
	if (text)
		json_string(out, key, text);
	else
		json_null(out, key);
}

static void time_or_null(struct json *out, const char *key, int64_t ns)
{
	if (ns)
		json_time(out, key, ns);
	else
		json_null(out, key);
}

static void add_labels(struct json *out, const char *key, const struct labels *labels,
	bool public_only)
{
	json_open(out, key, '{');
	for (size_t i = 0; i < labels->count; i++)
		if (!public_only || strncmp(labels->list[i].name, "__", 2) != 0)
			json_string(out, labels->list[i].name, labels->list[i].value);
	json_close(out, '}');
}

static void add_cpu(struct json *out, const struct cpu_summary *cpu)
{
	json_open(out, "cpu", '{');
	json_string(out, "verdict", cpu_verdict_name(cpu->verdict));
	json_double(out, "windowSeconds", (double)cpu->window_ns * 1e-9);
	json_double(out, "sampledSeconds", (double)cpu->sampled_ns * 1e-9);
	json_double(out, "kernelSeconds", (double)cpu->kernel_ns * 1e-9);
	json_double(out, "ratio", cpu->ratio);
	json_double(out, "machineTicksLost", cpu->lost);
	json_close(out, '}');
}

void explain_json_summary(struct json *out, struct status *s, const struct status_entry *e)
{
	struct strbuf reason cleanup_strbuf = STRBUF_INIT, advice cleanup_strbuf = STRBUF_INIT;

	status_add_reason(&reason, s, e);
	status_add_advice(&advice, s, e);
	json_string(out, "name", e->name);
	json_string(out, "containerId", e->id);
	if (e->pid)
		json_number(out, "pid", e->pid);
	json_string(out, "service", e->service_name);
	json_string(out, "state", status_state_name(e->state));
	json_string(out, "reason", reason.buf);
	json_string(out, "advice", advice.buf);
	json_number(out, "samples", (int64_t)e->samples);
	time_or_null(out, "lastSample", e->last_sample_ns);
	time_or_null(out, "knownSince", e->known_since_ns);
	add_cpu(out, &e->cpu);
}

struct tracing {
	struct json *out;
	const struct relabel_rules *rules;
};

static void on_change(void *ctx, const char *name, const char *before, const char *after)
{
	struct tracing *t = ctx;

	json_open(t->out, NULL, '{');
	json_string(t->out, "label", name);
	text_or_null(t->out, "before", before);
	text_or_null(t->out, "after", after);
	json_close(t->out, '}');
}

static void on_rule(void *ctx, size_t rule, bool kept, const struct labels *before,
	const struct labels *after)
{
	struct tracing *t = ctx;

	json_open(t->out, NULL, '{');
	json_string(t->out, "where", relabel_rule_where(t->rules, rule));
	json_string(t->out, "rule", relabel_rule_text(t->rules, rule));
	json_bool(t->out, "kept", kept);
	json_open(t->out, "changes", '[');
	if (kept)
		label_changes(before, after, on_change, t);
	json_close(t->out, ']');
	json_close(t->out, '}');
}

static void add_rules(struct json *out, const struct explain_view *view,
	const struct status_entry *e)
{
	struct tracing t = {.out = out, .rules = discover_rules(view->discover)};
	struct labels labels cleanup_labels = {0};

	json_open(out, "rules", '[');
	labels_copy(&labels, &e->target->discovered);
	relabel_apply(t.rules, &labels, on_rule, &t);
	json_close(out, ']');
}

static void add_module(struct json *out, const struct target_module *m)
{
	unsigned cause = module_cause(m);

	json_open(out, NULL, '{');
	json_string(out, "path", m->path);
	json_number(out, "frames", (int64_t)m->frames);
	json_number(out, "named", (int64_t)m->named);
	if (m->named < m->frames) {
		json_string(out, "cause", name_missing_text((enum name_missing)cause));
		json_string(out, "advice", module_advice(cause));
	}
	json_close(out, '}');
}

static void add_quality(struct json *out, const struct target_quality *q)
{
	const struct target_module **modules cleanup_free = modules_sorted(q);

	json_open(out, "stacks", '{');
	json_number(out, "frames", (int64_t)q->frames);
	json_number(out, "framesNamed", (int64_t)q->frames_named);
	json_number(out, "userStacks", (int64_t)q->user_stacks);
	json_number(out, "userStacksCut", (int64_t)quality_incomplete(q));
	json_open(out, "ends", '{');
	for (int i = 0; i < UNWIND_END_COUNT; i++)
		if (q->ends[i])
			json_number(out, unwind_end_names[i], (int64_t)q->ends[i]);
	json_close(out, '}');
	json_close(out, '}');
	json_open(out, "modules", '[');
	for (size_t i = 0; i < q->module_count; i++)
		add_module(out, modules[i]);
	json_close(out, ']');
}

static void add_process(struct json *out, const struct explained_process *p)
{
	static const char *const progress[] = {
		[INTERP_BEGINS] = "begins",
		[INTERP_WALKED] = "walked",
		[INTERP_UNSUPPORTED] = "unknown",
	};
	const struct interp_about *l = &p->language;

	json_open(out, NULL, '{');
	json_number(out, "pid", p->stat.pid);
	json_string(out, "comm", p->stat.comm);
	json_number(out, "threads", p->stat.threads);
	json_double(out, "cpuSeconds", (double)p->stat.cpu_ticks / (double)sysconf(_SC_CLK_TCK));
	text_or_null(out, "language", l->runtime);
	if (l->runtime) {
		json_string(out, "languageVersion", l->version);
		json_string(out, "languageState", progress[l->progress]);
	}
	json_close(out, '}');
}

static void add_explanation(struct json *out, const struct explain_view *view,
	const struct status_entry *e)
{
	struct explanation x;

	explanation_make(&x, view, e);
	json_open(out, "troubles", '[');
	for (size_t i = 0; i < x.trouble_count; i++) {
		json_open(out, NULL, '{');
		json_string(out, "what", x.troubles[i].what);
		json_string(out, "advice", x.troubles[i].advice);
		json_close(out, '}');
	}
	json_close(out, ']');
	json_open(out, "processes", '[');
	for (size_t i = 0; i < x.process_count; i++) {
		add_process(out, &x.processes[i]);
	}
	json_close(out, ']');
	explanation_release(&x);
}

static void add_entry(struct json *out, const struct explain_view *view,
	const struct status_entry *e, bool whole)
{
	json_open(out, NULL, '{');
	explain_json_summary(out, view->status, e);
	text_or_null(out, "cgroup", e->cgroup_path);
	if (whole) {
		add_explanation(out, view, e);
		if (e->target) {
			add_labels(out, "discoveredLabels", &e->target->discovered, false);
			add_rules(out, view, e);
			add_quality(out, &e->target->quality);
		}
	}
	if (e->target && e->target->verdict == TARGET_PROFILED)
		add_labels(out, "labels", &e->target->labels, true);
	json_close(out, '}');
}

static void add_not_found(struct json *out, const struct status_match *m)
{
	json_string(out, "error", "no container, service or id of that name is known");
	json_open(out, "suggestions", '[');
	for (size_t i = 0; i < STATUS_SUGGESTIONS && m->suggestions[i]; i++)
		json_string(out, NULL, m->suggestions[i]);
	json_close(out, ']');
}

static int add_found(struct json *out, const struct explain_view *view, const char *word)
{
	struct status_match match;

	status_find(view->status, word, &match);
	int code = match.count ? EXIT_OK : EXIT_FAILED;

	json_open(out, "containers", '[');
	for (size_t i = 0; i < match.count; i++)
		add_entry(out, view, match.list[i], true);
	json_close(out, ']');
	if (!match.count)
		add_not_found(out, &match);
	status_match_release(&match);
	return code;
}

int explain_json(struct strbuf *out, const struct explain_view *view, const char *word)
{
	const struct status_entry *const *list;
	struct json j = {.out = out};
	int code = EXIT_OK;

	json_open(&j, NULL, '{');
	text_or_null(&j, "note", view->note);
	if (*word) {
		code = add_found(&j, view, word);
	} else {
		size_t count = status_list(view->status, &list);

		json_open(&j, "containers", '[');
		for (size_t i = 0; i < count; i++)
			add_entry(&j, view, list[i], false);
		json_close(&j, ']');
	}
	json_close(&j, '}');
	strbuf_add_char(out, '\n');
	return code;
}
