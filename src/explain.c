// SPDX-License-Identifier: Apache-2.0
/*
 * For a person. Names, labels and paths come from containers and go through base/text, so that none can
 * play with the terminal.
 *
 *	web (4f0c1234abcd)
 *	  profiled as "web": 1234 samples, the last 3s ago
 *
 *	  what is wrong, and below each thing what to do; then cpu, stacks, cgroup, processes, labels,
 *	  rules, modules, delivery
 */
#include "explain.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "commands.h"
#include "explain_json.h"
#include "explanation.h"
#include "label_changes.h"
#include "symbols/frame.h"
#include "quality.h"

#define VALUE_SHOWN    200 /* bytes of a label's value */
#define SENTENCE_SHOWN 1000
#define MODULES_SHOWN  20
#define NAME_COLUMNS   28

static void add_value(struct strbuf *out, const char *s)
{
	text_add_safe(out, s, strlen(s), VALUE_SHOWN);
}

static void add_line(struct strbuf *out, const char *before, const char *sentence)
{
	strbuf_add_str(out, before);
	text_add_sentence(out, sentence, SENTENCE_SHOWN);
	strbuf_add_char(out, '\n');
}

static void add_label(struct strbuf *out, const char *name, const char *value)
{
	strbuf_add_str(out, "    ");
	add_value(out, name);
	strbuf_add_str(out, "=\"");
	add_value(out, value);
	strbuf_add_str(out, "\"\n");
}

static void add_labels(struct strbuf *out, const char *title, const struct labels *labels,
	bool public_only)
{
	strbuf_addf(out, "\n  %s\n", title);
	for (size_t i = 0; i < labels->count; i++)
		if (!public_only || strncmp(labels->list[i].name, "__", 2) != 0)
			add_label(out, labels->list[i].name, labels->list[i].value);
}

struct tracing {
	struct strbuf *out;
	const struct relabel_rules *rules;
};

static void on_change(void *ctx, const char *name, const char *before, const char *after)
{
	struct tracing *t = ctx;

	strbuf_addf(t->out, "        %c ", !before ? '+' : !after ? '-' : '~');
	add_value(t->out, name);
	strbuf_add_str(t->out, "=\"");
	add_value(t->out, before ? before : after);
	if (before && after) {
		strbuf_add_str(t->out, "\" -> \"");
		add_value(t->out, after);
	}
	strbuf_add_str(t->out, "\"\n");
}

static void on_rule(void *ctx, size_t rule, bool kept, const struct labels *before,
	const struct labels *after)
{
	struct tracing *t = ctx;

	strbuf_addf(t->out, "    %zu. %s: ", rule + 1, relabel_rule_where(t->rules, rule));
	add_line(t->out, "", relabel_rule_text(t->rules, rule));
	if (!kept)
		strbuf_add_str(t->out, "        dropped here\n");
	else if (!label_changes(before, after, on_change, t))
		strbuf_add_str(t->out, "        changes nothing\n");
}

static void add_rules(struct strbuf *out, const struct explain_view *view,
	const struct status_entry *e)
{
	const struct relabel_rules *rules = discover_rules(view->discover);
	struct tracing tracing = {.out = out, .rules = rules};
	struct labels labels cleanup_labels = {0};

	strbuf_add_str(out, "\n  rules\n");
	if (!relabel_rules_count(rules))
		strbuf_add_str(out, "    none: every container is kept\n");
	labels_copy(&labels, &e->target->discovered);
	relabel_apply(rules, &labels, on_rule, &tracing);
}

static void add_troubles(struct strbuf *out, const struct explanation *x)
{
	for (size_t i = 0; i < x->trouble_count; i++) {
		add_line(out, "\n  ! ", x->troubles[i].what);
		if (*x->troubles[i].advice)
			add_line(out, "    -> ", x->troubles[i].advice);
	}
}

static void add_quality(struct strbuf *out, const struct target_quality *q)
{
	struct strbuf stacks cleanup_strbuf = STRBUF_INIT, names cleanup_strbuf = STRBUF_INIT;

	quality_describe_stacks(q, &stacks);
	quality_describe_names(q, &names);
	if (stacks.len)
		add_line(out, "  stacks  ", stacks.buf);
	if (names.len)
		add_line(out, "  names   ", names.buf);
}

static void add_facts(struct strbuf *out, const struct status_entry *e)
{
	struct strbuf proof cleanup_strbuf = STRBUF_INIT;

	strbuf_add_char(out, '\n');
	status_add_proof(&proof, e);
	if (e->state == STATUS_PROFILED || e->cpu.verdict != CPU_UNKNOWN)
		add_line(out, "  cpu     ", proof.buf);
	if (e->target && e->target->quality.frames)
		add_quality(out, &e->target->quality);
	if (e->cgroup_path)
		add_line(out, "  cgroup  ", e->cgroup_path);
	else if (*e->id)
		add_line(out, "  cgroup  ",
			e->cgroup || e->cgroup_v1 ? "known to the kernel, its "
						    "directory was not found"
						  : "none was found");
}

static void add_processes(struct strbuf *out, const struct explanation *x)
{
	double ticks = (double)sysconf(_SC_CLK_TCK);

	if (!x->process_count)
		return;
	strbuf_add_str(out,
		"\n  processes\n    PID      THREADS  CPU        LANGUAGE     COMMAND\n");
	for (size_t i = 0; i < x->process_count; i++) {
		const struct process_stat *p = &x->processes[i].stat;
		struct strbuf language cleanup_strbuf = STRBUF_INIT;

		explained_language(&x->processes[i], &language);
		strbuf_addf(out, "    %-8" PRIu32 " %-8" PRIu32 " %-10.2f %-12s ", p->pid,
			p->threads, (double)p->cpu_ticks / ticks, language.buf);
		add_line(out, "", p->comm);
	}
	if (x->more_processes)
		strbuf_add_str(out, "    ... and more\n");
}

static void add_modules(struct strbuf *out, const struct target_quality *q)
{
	const struct target_module **modules cleanup_free = modules_sorted(q);

	if (!q->module_count)
		return;
	strbuf_add_str(out, "\n  modules (share of its user frames, named, why not)\n");
	for (size_t i = 0; i < q->module_count && i < MODULES_SHOWN; i++) {
		const struct target_module *m = modules[i];
		unsigned cause = module_cause(m);

		strbuf_addf(out, "    %5.1f %%  %5.1f %%  ",
			100.0 * (double)m->frames / (double)MAX(q->frames, UINT64_C(1)),
			100.0 * (double)m->named / (double)MAX(m->frames, UINT64_C(1)));
		text_add_sentence(out, m->path, VALUE_SHOWN);
		if (m->named < m->frames)
			strbuf_addf(out, "  (%s)", name_missing_text((enum name_missing)cause));
		strbuf_add_char(out, '\n');
	}
}

static void add_delivery(struct strbuf *out, const struct writer *writer)
{
	struct write_stats s;

	for (size_t i = 0; writer && i < writer_endpoint_count(writer); i++) {
		writer_stats(writer, i, &s);
		strbuf_addf(out,
			"%s    %s: %" PRIu64 " profiles of all containers delivered, %" PRIu64
			" wait, %" PRIu64 " were given up\n",
			i ? "" : "\n  delivery\n", s.name, s.sent.profiles,
			s.waiting.profiles + s.spooled.profiles, write_stats_dropped(&s).profiles);
	}
}

static void add_entry(struct strbuf *out, const struct explain_view *view,
	const struct status_entry *e)
{
	struct strbuf reason cleanup_strbuf = STRBUF_INIT;
	struct explanation x;

	explanation_make(&x, view, e);
	text_add_sentence(out, e->name, VALUE_SHOWN);
	if (*e->id)
		strbuf_addf(out, " (%.12s)", e->id);
	status_add_reason(&reason, view->status, e);
	add_line(out, "\n  ", reason.buf);
	add_troubles(out, &x);
	add_facts(out, e);
	add_processes(out, &x);
	if (e->target) {
		add_labels(out, "discovered labels", &e->target->discovered, false);
		add_rules(out, view, e);
		if (e->target->verdict == TARGET_PROFILED)
			add_labels(out, "final labels", &e->target->labels, true);
		add_modules(out, &e->target->quality);
	}
	add_delivery(out, view->writer);
	explanation_release(&x);
}

static void add_cell(struct strbuf *out, const char *text, size_t columns)
{
	size_t start = out->len;

	text_add_sentence(out, text, columns);
	do
		strbuf_add_char(out, ' ');
	while (out->len - start < columns + 1);
}

static void add_all(struct strbuf *out, const struct explain_view *view)
{
	const struct status_entry *const *list;
	size_t count = status_list(view->status, &list);

	add_cell(out, "CONTAINER", NAME_COLUMNS);
	strbuf_add_str(out, "STATE         WHY\n");
	for (size_t i = 0; i < count; i++) {
		struct strbuf reason cleanup_strbuf = STRBUF_INIT;

		status_add_reason(&reason, view->status, list[i]);
		add_cell(out, list[i]->name, NAME_COLUMNS);
		strbuf_addf(out, "%-13s ", status_state_name(list[i]->state));
		add_line(out, "", reason.buf);
	}
}

static void add_not_found(struct strbuf *out, const char *word, const struct status_match *m)
{
	strbuf_add_str(out, "no container, service or id \"");
	add_value(out, word);
	strbuf_add_str(out, "\" is known");
	for (size_t i = 0; i < STATUS_SUGGESTIONS && m->suggestions[i]; i++) {
		strbuf_add_str(out, i ? ", " : "; did you mean ");
		add_value(out, m->suggestions[i]);
	}
	strbuf_add_str(out, m->suggestions[0] ? "?\n" : "; `dockprof explain` lists all\n");
}

static int explain_text(struct strbuf *out, const struct explain_view *view, const char *word)
{
	struct status_match match;

	if (view->note)
		add_line(out, "note: ", view->note);
	if (!*word) {
		add_all(out, view);
		return EXIT_OK;
	}
	status_find(view->status, word, &match);
	int code = match.count ? EXIT_OK : EXIT_FAILED;

	for (size_t i = 0; i < match.count; i++) {
		if (i)
			strbuf_add_char(out, '\n');
		add_entry(out, view, match.list[i]);
	}
	if (!match.count)
		add_not_found(out, word, &match);
	status_match_release(&match);
	return code;
}

int explain(struct strbuf *out, const struct explain_view *view, enum explain_format format,
	const char *word)
{
	return format == EXPLAIN_JSON ? explain_json(out, view, word)
				      : explain_text(out, view, word);
}
