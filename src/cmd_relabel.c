// SPDX-License-Identifier: Apache-2.0
/*
 * dockprof relabel: tries the relabel rules of a configuration file on label sets, one JSON object per
 * line of the standard input, and prints what becomes of each: an object, or null where it is dropped.
 * Lines go through one at a time, so it can be driven as a filter and its memory is bounded by a line.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "base/strbuf.h"
#include "base/text.h"
#include "base/utf8.h"
#include "commands.h"
#include "config/config.h"
#include "label_changes.h"
#include "options.h"
#include "relabel/relabel.h"

#define LINE_MAX_BYTES  (16 * 1024 * 1024) /* a container with every label at Docker's limits fits */
#define VALUE_SHOWN_MAX 200 /* bytes of a value in a trace */

/* One line while it is read. */
struct reader {
	struct labels *labels;
	struct strbuf key;
	bool in_object;
	const char *wrong; /* NULL: nothing yet */
};

static int refuse(struct reader *r, const char *why)
{
	r->wrong = why;
	return 0;
}

/* Valid UTF-8 without NULs, as labels are. */
static void repair(struct strbuf *out, const unsigned char *s, size_t len)
{
	strbuf_reset(out);
	for (const unsigned char *end = s + len; s < end; s++) {
		const unsigned char *nul = memchr(s, '\0', (size_t)(end - s));

		utf8_repair(out, (const char *)s, (size_t)((nul ? nul : end) - s));
		s = nul ? nul : end - 1;
	}
}

static int on_map_start(void *ctx)
{
	struct reader *r = ctx;

	if (r->in_object)
		return refuse(r, "a label's value is an object, not a string");
	r->in_object = true;
	return 1;
}

static int on_map_key(void *ctx, const unsigned char *s, size_t len)
{
	repair(&((struct reader *)ctx)->key, s, len);
	return 1;
}

static int on_string(void *ctx, const unsigned char *s, size_t len)
{
	struct reader *r = ctx;
	struct strbuf value cleanup_strbuf = STRBUF_INIT;

	if (!r->in_object)
		return refuse(r, "it is a string, not an object");
	if (r->labels->count >= RELABEL_LABELS_MAX)
		return refuse(r, "it has too many labels");
	repair(&value, s, len);
	labels_set(r->labels, r->key.buf, value.buf);
	return 1;
}

static int on_other(void *ctx)
{
	struct reader *r = ctx;

	return refuse(r, r->in_object ? "a label's value is not a string" : "it is not an object");
}

static int on_boolean(void *ctx, int value)
{
	(void)value;
	return on_other(ctx);
}

static int on_number(void *ctx, const char *s, size_t len)
{
	(void)s;
	(void)len;
	return on_other(ctx);
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_other,
	.yajl_boolean = on_boolean,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_map_start,
	.yajl_map_key = on_map_key,
	.yajl_start_array = on_other,
};

/* NULL, or why the line is no set of labels. */
static const char *parse_labels(const struct strbuf *line, struct labels *labels)
{
	struct reader reader = {.labels = labels, .key = STRBUF_INIT};
	yajl_handle handle = yajl_alloc(&callbacks, NULL, &reader);
	yajl_status status;

	if (!handle)
		return "no memory";
	status = yajl_parse(handle, (const unsigned char *)line->buf, line->len);
	if (status == yajl_status_ok)
		status = yajl_complete_parse(handle);
	if (!reader.wrong && status != yajl_status_ok)
		reader.wrong = "it is not valid JSON";
	yajl_free(handle);
	strbuf_release(&reader.key);
	return reader.wrong;
}

/* False at the end of the input. Of a line that is too long, nothing is kept: *ret_too_long. */
static bool read_line(FILE *in, struct strbuf *line, bool *ret_too_long)
{
	int c;

	strbuf_reset(line);
	*ret_too_long = false;
	while ((c = getc_unlocked(in)) != EOF && c != '\n') {
		if (line->len == LINE_MAX_BYTES) {
			*ret_too_long = true;
			continue;
		}
		strbuf_add_char(line, (char)c);
	}
	return c != EOF || line->len > 0;
}

struct tracer {
	const struct relabel_rules *rules;
	size_t line;
	uint64_t limit_hits; /* of all rules, as far as the user knows */
};

/* Whether a rule has given up since this was asked last. */
static bool gave_up(struct tracer *t)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < relabel_rules_count(t->rules); i++)
		sum += relabel_rule_stats(t->rules, i)->limit_hits;
	bool more = sum != t->limit_hits;

	t->limit_hits = sum;
	return more;
}

static void print_change(void *ctx, const char *name, const char *before, const char *after)
{
	struct strbuf out cleanup_strbuf = STRBUF_INIT;

	(void)ctx;
	strbuf_addf(&out, "  %c ", !before ? '+' : !after ? '-' : '~');
	text_add_safe(&out, name, strlen(name), VALUE_SHOWN_MAX);
	strbuf_add_str(&out, "=\"");
	text_add_safe(&out, before ? before : after, strlen(before ? before : after),
		VALUE_SHOWN_MAX);
	strbuf_add_char(&out, '"');
	if (before && after) {
		strbuf_add_str(&out, " -> \"");
		text_add_safe(&out, after, strlen(after), VALUE_SHOWN_MAX);
		strbuf_add_char(&out, '"');
	}
	fprintf(stderr, "%s\n", out.buf);
}

static void on_rule(void *ctx, size_t rule, bool kept, const struct labels *before,
	const struct labels *after)
{
	struct tracer *t = ctx;

	fprintf(stderr, "line %zu: %s: %s\n", t->line, relabel_rule_where(t->rules, rule),
		relabel_rule_text(t->rules, rule));
	if (!kept)
		fputs("  dropped\n", stderr);
	else if (!label_changes(before, after, print_change, NULL))
		fputs("  no change\n", stderr);
	if (gave_up(t))
		fputs("  gave up at a limit: a value is too long, or the regex takes too much\n",
			stderr);
}

static void print_labels(const struct labels *labels)
{
	struct strbuf out cleanup_strbuf = STRBUF_INIT;

	strbuf_add_char(&out, '{');
	for (size_t i = 0; i < labels->count; i++) {
		const struct label *l = &labels->list[i];

		if (i)
			strbuf_add_char(&out, ',');
		text_add_json(&out, l->name, strlen(l->name));
		strbuf_add_char(&out, ':');
		text_add_json(&out, l->value, strlen(l->value));
	}
	strbuf_add_str(&out, "}\n");
	fwrite(out.buf, 1, out.len, stdout);
}

/* Whether the line could be read as labels. */
static bool relabel_line(struct tracer *tracer, const struct strbuf *line, bool trace)
{
	struct labels labels cleanup_labels = {0};
	const char *wrong = parse_labels(line, &labels);

	if (wrong) {
		fprintf(stderr, "dockprof: line %zu: %s; write {\"name\":\"value\",...}\n",
			tracer->line, wrong);
		fputs("null\n", stdout);
		return false;
	}
	if (relabel_apply(tracer->rules, &labels, trace ? on_rule : NULL, tracer).keep)
		print_labels(&labels);
	else
		fputs("null\n", stdout);
	if (gave_up(tracer))
		fprintf(stderr,
			"dockprof: line %zu: a rule gave up at a limit, which counts as no match: a "
			"value is too long, or the regex takes too much (--trace says which)\n",
			tracer->line);
	return true;
}

static bool is_blank(const struct strbuf *line)
{
	return strspn(line->buf, " \t\r") == line->len;
}

static int relabel_stdin(const struct relabel_rules *rules, bool trace)
{
	struct strbuf line cleanup_strbuf = STRBUF_INIT;
	struct tracer tracer = {.rules = rules};
	bool too_long, good = true;

	while (read_line(stdin, &line, &too_long)) {
		tracer.line++;
		if (too_long) {
			fprintf(stderr, "dockprof: line %zu: longer than %d bytes\n", tracer.line,
				LINE_MAX_BYTES);
			fputs("null\n", stdout);
			good = false;
		} else if (!is_blank(&line)) {
			good &= relabel_line(&tracer, &line, trace);
		}
		if (fflush(stdout) != 0)
			break;
	}
	if (ferror(stdin) || ferror(stdout)) {
		fprintf(stderr, "dockprof: cannot %s: %s\n",
			ferror(stdin) ? "read the standard input" : "write the standard output",
			strerror(errno));
		good = false;
	}
	return good ? EXIT_OK : EXIT_FAILED;
}

static int relabel_with(const char *path, bool trace)
{
	struct config_problems problems = {0};
	struct config config;
	struct error err = {0};

	if (config_load(path, &config, &problems, &err) == 0) {
		int status = relabel_stdin(config.rules, trace);

		config_release(&config);
		return status;
	}
	for (size_t i = 0; i < problems.count; i++) {
		struct strbuf text cleanup_strbuf = STRBUF_INIT;

		config_problem_format(&text, path, &problems.list[i]);
		fprintf(stderr, "%s\n", text.buf);
	}
	if (!problems.count)
		fprintf(stderr, "dockprof: %s\n", err.message);
	config_problems_release(&problems);
	return EXIT_USAGE;
}

int cmd_relabel(int argc, char **argv)
{
	const char *path = CONFIG_DEFAULT_PATH;
	bool trace = false;
	const struct option_spec specs[] = {
		{"config.file", 0, OPTION_STRING, "FILE", "default " CONFIG_DEFAULT_PATH, &path},
		{"trace", 0, OPTION_FLAG, NULL, "show on stderr what each rule does", &trace},
		{NULL, 0, OPTION_FLAG, NULL, NULL, NULL},
	};
	const struct command_spec command = {
		.usage = "dockprof relabel [--config.file=FILE] [--trace]",
		.about =
			"Tries the relabel rules of the file: reads one JSON object of labels per\n"
			"line from the standard input and prints, per line, the labels after the\n"
			"rules (those that begin with __ included), or null where the rules drop\n"
			"them. A line that is no such object is reported on stderr and answered\n"
			"with null, too.\n"
			"Exit status: 0; 1 where a line was wrong; 2 where the file is not good.",
		.examples = "  echo '{\"__meta_docker_container_name\":\"/web\"}' |\n"
			    "      dockprof relabel --config.file=dockprof.yml --trace",
		.options = specs,
	};
	enum options_outcome outcome = options_parse(&command, argc, argv);

	return outcome == OPTIONS_RUN ? relabel_with(path, trace) : (int)outcome;
}
