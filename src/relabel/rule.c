// SPDX-License-Identifier: Apache-2.0
/*
 * From what the file says to a rule that can run: Prometheus' defaults, then its checks (Config.Validate
 * of model/relabel, Prometheus 3.14, with UTF-8 label names), field by field.
 */
#include "relabel/rule.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/macros.h"
#include "base/text.h"
#include "base/utf8.h"
#include "relabel/unicode.h"

#define DEFAULT_SEPARATOR   ";"
#define DEFAULT_REGEX       "(.*)"
#define DEFAULT_REPLACEMENT "$1"

#define SHOWN_MAX 120 /* bytes of a value in a message or a rule's text */

enum {
	NEEDS_TARGET = 1 << 0,
	ONLY_REGEX = 1 << 1, /* no field but regex may be given */
	ONLY_SOURCE_AND_TARGET = 1 << 2,
	NO_REPLACEMENT = 1 << 3,
	NEEDS_MODULUS = 1 << 4,
	NEEDS_REPLACEMENT = 1 << 5,
};

static const struct {
	const char *name;
	unsigned needs;
} actions[] = {
	[RELABEL_REPLACE] = {"replace", NEEDS_TARGET},
	[RELABEL_KEEP] = {"keep", 0},
	[RELABEL_DROP] = {"drop", 0},
	[RELABEL_KEEPEQUAL] = {"keepequal", NEEDS_TARGET | NO_REPLACEMENT | ONLY_SOURCE_AND_TARGET},
	[RELABEL_DROPEQUAL] = {"dropequal", NEEDS_TARGET | NO_REPLACEMENT | ONLY_SOURCE_AND_TARGET},
	[RELABEL_HASHMOD] = {"hashmod", NEEDS_TARGET | NEEDS_MODULUS},
	[RELABEL_LABELMAP] = {"labelmap", NEEDS_REPLACEMENT},
	[RELABEL_LABELDROP] = {"labeldrop", ONLY_REGEX},
	[RELABEL_LABELKEEP] = {"labelkeep", ONLY_REGEX},
	[RELABEL_LOWERCASE] = {"lowercase", NEEDS_TARGET | NO_REPLACEMENT},
	[RELABEL_UPPERCASE] = {"uppercase", NEEDS_TARGET | NO_REPLACEMENT},
};

/* One rule being made. */
struct maker {
	struct relabel_rule *rule;
	const struct relabel_rule_spec *spec;
	enum relabel_field field; /* at fault */
	struct error *err;
};

static int refuse(struct maker *m, enum relabel_field field, const char *message)
{
	m->field = field;
	return error_set(m->err, -EINVAL, "%s", message);
}

/* The same with the offending value and the action in it: "%s" twice. */
static int refuse_value(struct maker *m, enum relabel_field field, const char *format,
	const char *value)
{
	struct strbuf shown cleanup_strbuf = STRBUF_INIT;

	text_add_safe(&shown, value, strlen(value), SHOWN_MAX);
	m->field = field;
	return error_set(m->err, -EINVAL, format, shown.buf, actions[m->rule->action].name);
}

static int refuse_for_action(struct maker *m, enum relabel_field field, const char *format)
{
	m->field = field;
	return error_set(m->err, -EINVAL, format, actions[m->rule->action].name);
}

static const char *or_default(const char *given, const char *by_default)
{
	return given ? given : by_default;
}

static bool differs(const char *given, const char *by_default)
{
	return given && strcmp(given, by_default) != 0;
}

/* Label names are UTF-8 since Prometheus 3. */
static bool label_name_valid(const char *name)
{
	return *name && utf8_valid(name, strlen(name));
}

static int set_action(struct maker *m)
{
	const char *name = or_default(m->spec->action, "replace");
	struct strbuf lower cleanup_strbuf = STRBUF_INIT;

	unicode_add_lower(&lower, name, strlen(name));
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		if (strcmp(actions[i].name, lower.buf) != 0)
			continue;
		m->rule->action = (enum relabel_action)i;
		return 0;
	}
	return refuse_value(m, RELABEL_FIELD_ACTION,
		"unknown relabel action \"%s\": use replace, keep, drop, keepequal, dropequal, "
		"hashmod, labelmap, labeldrop, labelkeep, lowercase or uppercase",
		name);
}

static int set_source_labels(struct maker *m)
{
	size_t count = m->spec->source_label_count;

	m->rule->source_labels = xcalloc(count, sizeof(char *));
	for (size_t i = 0; i < count; i++) {
		const char *name = m->spec->source_labels[i];

		if (!label_name_valid(name))
			return refuse_value(m, RELABEL_FIELD_SOURCE_LABELS,
				"\"%s\" is not a valid label name in 'source_labels'", name);
		m->rule->source_labels[i] = xstrdup(name);
		m->rule->source_label_count++;
	}
	return 0;
}

static int set_modulus(struct maker *m)
{
	const char *text = or_default(m->spec->modulus, "0");
	char *end;

	errno = 0;
	m->rule->modulus = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno == ERANGE)
		return refuse_value(m, RELABEL_FIELD_MODULUS,
			"\"%s\" is no 'modulus': write a whole number from 1 to "
			"18446744073709551615",
			text);
	return 0;
}

static int set_regex(struct maker *m)
{
	int r = regex_new(or_default(m->spec->regex, DEFAULT_REGEX), &m->rule->regex, m->err);

	if (r < 0)
		m->field = RELABEL_FIELD_REGEX;
	return r;
}

static int check_target(struct maker *m)
{
	const char *target = or_default(m->spec->target_label, "");

	if (!*target)
		return refuse_for_action(m,
			m->spec->target_label ? RELABEL_FIELD_TARGET_LABEL : RELABEL_FIELD_RULE,
			"relabel configuration for %s action requires 'target_label' value");
	if (!label_name_valid(target))
		return refuse_value(m, RELABEL_FIELD_TARGET_LABEL,
			"\"%s\" is invalid 'target_label' for %s action", target);
	return 0;
}

/* The first given field that an action cannot do anything with, beside those in `allowed`. */
static int check_no_others(struct maker *m, unsigned allowed, const char *format)
{
	const struct relabel_rule_spec *s = m->spec;

	if (allowed == ONLY_REGEX && s->source_labels)
		return refuse_for_action(m, RELABEL_FIELD_SOURCE_LABELS, format);
	if (allowed == ONLY_REGEX && differs(s->target_label, ""))
		return refuse_for_action(m, RELABEL_FIELD_TARGET_LABEL, format);
	if (allowed == ONLY_SOURCE_AND_TARGET && s->regex)
		return refuse_for_action(m, RELABEL_FIELD_REGEX, format);
	if (m->rule->modulus)
		return refuse_for_action(m, RELABEL_FIELD_MODULUS, format);
	if (differs(s->separator, DEFAULT_SEPARATOR))
		return refuse_for_action(m, RELABEL_FIELD_SEPARATOR, format);
	if (differs(s->replacement, DEFAULT_REPLACEMENT))
		return refuse_for_action(m, RELABEL_FIELD_REPLACEMENT, format);
	return 0;
}

static int check(struct maker *m)
{
	unsigned needs = actions[m->rule->action].needs;
	const char *replacement = or_default(m->spec->replacement, DEFAULT_REPLACEMENT);
	int r = 0;

	if ((needs & NEEDS_MODULUS) && !m->rule->modulus)
		return refuse(m, m->spec->modulus ? RELABEL_FIELD_MODULUS : RELABEL_FIELD_RULE,
			"relabel configuration for hashmod requires non-zero modulus");
	if (needs & NEEDS_TARGET)
		r = check_target(m);
	if (r == 0 && (needs & NO_REPLACEMENT) && differs(replacement, DEFAULT_REPLACEMENT))
		return refuse_for_action(m, RELABEL_FIELD_REPLACEMENT,
			"'replacement' can not be set for %s action");
	if (r == 0 && (needs & NEEDS_REPLACEMENT) && !label_name_valid(replacement))
		return refuse_value(m, RELABEL_FIELD_REPLACEMENT,
			"\"%s\" is invalid 'replacement' for %s action", replacement);
	if (r == 0 && (needs & ONLY_SOURCE_AND_TARGET))
		r = check_no_others(m, ONLY_SOURCE_AND_TARGET,
			"%s action requires only 'source_labels' and 'target_label', and no other "
			"fields");
	if (r == 0 && (needs & ONLY_REGEX))
		r = check_no_others(m, ONLY_REGEX,
			"%s action requires only 'regex', and no other fields");
	return r;
}

static void add_field(struct strbuf *out, const char *name, const char *value,
	const char *by_default)
{
	if (!differs(value, by_default))
		return;
	strbuf_addf(out, " %s=\"", name);
	text_add_safe(out, value, strlen(value), SHOWN_MAX);
	strbuf_add_char(out, '"');
}

static char *describe(const struct relabel_rule *rule, const struct relabel_rule_spec *spec)
{
	struct strbuf out = STRBUF_INIT;

	strbuf_add_str(&out, actions[rule->action].name);
	for (size_t i = 0; i < rule->source_label_count; i++) {
		strbuf_add_str(&out, i ? ", " : " source_labels=[");
		text_add_safe(&out, rule->source_labels[i], strlen(rule->source_labels[i]),
			SHOWN_MAX);
	}
	if (rule->source_label_count)
		strbuf_add_char(&out, ']');
	add_field(&out, "separator", spec->separator, DEFAULT_SEPARATOR);
	add_field(&out, "regex", spec->regex, DEFAULT_REGEX);
	if (rule->modulus)
		strbuf_addf(&out, " modulus=%llu", (unsigned long long)rule->modulus);
	add_field(&out, "target_label", spec->target_label, "");
	add_field(&out, "replacement", spec->replacement, DEFAULT_REPLACEMENT);
	return strbuf_detach(&out);
}

/* Labels stay UTF-8 because all that rules add to them is. */
static int check_utf8(struct maker *m)
{
	const char *separator = or_default(m->spec->separator, "");
	const char *replacement = or_default(m->spec->replacement, "");

	if (!utf8_valid(separator, strlen(separator)))
		return refuse(m, RELABEL_FIELD_SEPARATOR, "'separator' is not valid UTF-8");
	if (!utf8_valid(replacement, strlen(replacement)))
		return refuse(m, RELABEL_FIELD_REPLACEMENT, "'replacement' is not valid UTF-8");
	return 0;
}

static int make(struct maker *m)
{
	int r = set_action(m);

	if (r == 0)
		r = set_source_labels(m);
	if (r == 0)
		r = set_regex(m);
	if (r == 0)
		r = set_modulus(m);
	if (r == 0)
		r = check_utf8(m);
	return r == 0 ? check(m) : r;
}

int relabel_rule_init(struct relabel_rule *ret, const struct relabel_rule_spec *spec,
	enum relabel_field *ret_field, struct error *err)
{
	struct maker m = {.rule = ret, .spec = spec, .field = RELABEL_FIELD_RULE, .err = err};

	*ret = (struct relabel_rule){0};
	int r = make(&m);

	if (r < 0) {
		if (ret_field)
			*ret_field = m.field;
		relabel_rule_release(ret);
		return r;
	}
	ret->separator = xstrdup(or_default(spec->separator, DEFAULT_SEPARATOR));
	ret->target_label = xstrdup(or_default(spec->target_label, ""));
	template_init(&ret->target, ret->target_label);
	template_init(&ret->replacement, or_default(spec->replacement, DEFAULT_REPLACEMENT));
	ret->text = describe(ret, spec);
	return 0;
}

void relabel_rule_release(struct relabel_rule *rule)
{
	for (size_t i = 0; i < rule->source_label_count; i++)
		free(rule->source_labels[i]);
	free(rule->source_labels);
	free(rule->separator);
	regex_free(rule->regex);
	free(rule->target_label);
	template_release(&rule->target);
	template_release(&rule->replacement);
	free(rule->where);
	free(rule->text);
	*rule = (struct relabel_rule){0};
}
