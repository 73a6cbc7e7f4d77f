// SPDX-License-Identifier: Apache-2.0
/*
 * relabel_configs -> the compiled rules. Here only the shape is checked; what makes a rule a good
 * one is the relabel room's business, which names the field at fault, so that the message points at
 * it.
 *
 * A key without a value is not a key that is missing: Prometheus reads `replacement:` as the empty
 * text (and `modulus:` as 0), which makes a rule that removes its target. Nothing is expanded from
 * the environment here: ${1} and ${name} are the regular expression's groups.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "config/scalar.h"
#include "config/sections.h"
#include "relabel/relabel.h"

#define AT(field) offsetof(struct relabel_rule_spec, field)

struct rule_reader {
	struct relabel_rule_spec spec; /* strings belong to the tree, the list of labels to us */
	bool unusable; /* a field has no text at all */
};

static const char *rule_text(struct config_reader *r, const struct config_key *key,
	const struct node *value)
{
	if (value->kind == NODE_SCALAR)
		return value->text;
	if (value->kind == NODE_NULL)
		return "";
	reader_problem(r, value, "`%s` takes a text, not %s", key->name, node_kind_name(value));
	return NULL;
}

static void read_field(struct config_reader *r, const struct config_key *key,
	const struct node *value, void *object)
{
	struct rule_reader *rule = object;
	const char *text = rule_text(r, key, value);

	if (!text)
		rule->unusable = true;
	*(const char **)(void *)((char *)&rule->spec + key->offset) = text;
}

static void read_modulus(struct config_reader *r, const struct config_key *key,
	const struct node *value, void *object)
{
	struct rule_reader *rule = object;

	read_field(r, key, value, object);
	if (value->kind == NODE_NULL)
		rule->spec.modulus = "0";
}

static void read_source_labels(struct config_reader *r, const struct config_key *key,
	const struct node *value, void *object)
{
	struct rule_reader *rule = object;

	if (!expect_list(r, "`source_labels`", value)) {
		rule->unusable |= value->kind != NODE_NULL;
		return;
	}
	if (rule->spec.source_labels)
		return;
	/* An empty list is given all the same: labeldrop and labelkeep may not have one. */
	const char **labels = xcalloc(value->count + 1, sizeof(*labels));

	rule->spec.source_labels = labels;
	for (size_t i = 0; i < value->count; i++) {
		const char *label = rule_text(r, key, value->items[i]);

		if (label && *label)
			labels[rule->spec.source_label_count++] = label;
		else if (label)
			reader_problem(r, value->items[i], "an empty label name");
	}
}

static const struct config_key rule_keys[] = {
	{.name = "source_labels",
		.type = KEY_CUSTOM,
		.read = read_source_labels,
		.type_text = "a list of label names",
		.help = "The labels whose values, joined by the separator, are looked at."},
	{.name = "separator",
		.type = KEY_CUSTOM,
		.read = read_field,
		.offset = AT(separator),
		.type_text = "a text",
		.def = ";",
		.help = "What stands between the values."},
	{.name = "target_label",
		.type = KEY_CUSTOM,
		.read = read_field,
		.offset = AT(target_label),
		.type_text = "a text",
		.help = "The label that is set; needed by replace, hashmod, lowercase, uppercase, "
			"keepequal and dropequal. May hold `${1}` with replace."},
	{.name = "regex",
		.type = KEY_CUSTOM,
		.read = read_field,
		.offset = AT(regex),
		.type_text = "a text",
		.def = "(.*)",
		.help = "A regular expression (RE2) that must match the whole value."},
	{.name = "modulus",
		.type = KEY_CUSTOM,
		.read = read_modulus,
		.offset = AT(modulus),
		.type_text = "a whole number",
		.help = "What hashmod divides by."},
	{.name = "replacement",
		.type = KEY_CUSTOM,
		.read = read_field,
		.offset = AT(replacement),
		.type_text = "a text",
		.def = "$1",
		.help = "The new value; `$1`, `${1}` and `${name}` are groups of the regex. An "
			"empty "
			"result removes the label."},
	{.name = "action",
		.type = KEY_CUSTOM,
		.read = read_field,
		.offset = AT(action),
		.type_text =
			"replace, keep, drop, keepequal, dropequal, hashmod, labelmap, labeldrop, "
			"labelkeep, lowercase or uppercase",
		.def = "replace",
		.help = "What the rule does."},
	{0},
};

const struct config_section rule_section = {
	.name = "`relabel_configs`",
	.help = "A list of Prometheus' relabel rules, applied in order to each target. Values are "
		"taken "
		"as they stand: `${1}` is a group of the regex, and the environment is not looked "
		"at "
		"(write such labels as `external_labels`). A key without a value is the empty "
		"text, "
		"as in Prometheus.",
	.keys = rule_keys,
};

static const struct node *field_node(const struct node *map, enum relabel_field field)
{
	static const char *const names[] = {
		[RELABEL_FIELD_RULE] = "",
		[RELABEL_FIELD_ACTION] = "action",
		[RELABEL_FIELD_SOURCE_LABELS] = "source_labels",
		[RELABEL_FIELD_SEPARATOR] = "separator",
		[RELABEL_FIELD_REGEX] = "regex",
		[RELABEL_FIELD_MODULUS] = "modulus",
		[RELABEL_FIELD_TARGET_LABEL] = "target_label",
		[RELABEL_FIELD_REPLACEMENT] = "replacement",
	};

	return node_get(map, names[field]);
}

static void read_rule(struct config_reader *r, const struct node *map, const char *file,
	struct relabel_rules *rules)
{
	struct rule_reader rule = {.spec = {.file = file, .line = map->line}};
	size_t problems_before = r->problems->count;
	enum relabel_field field = RELABEL_FIELD_RULE;
	struct error err = {0};

	if (!expect_item(r, "`relabel_configs`", map))
		return;
	section_read(r, &rule_section, map, &rule);
	if (!rule.unusable && relabel_rules_add(rules, &rule.spec, &field, &err) < 0) {
		const struct node *at = field_node(map, field);
		bool follows = !at && r->problems->count > problems_before;

		/* What a misspelt key leaves missing needs no second message. */
		if (!follows)
			reader_problem(r, at ? at : map, "%s", err.message);
	}
	free((void *)(uintptr_t)rule.spec.source_labels);
}

void relabel_read(struct config_reader *r, const struct config_key *key, const struct node *value,
	void *object)
{
	struct config *config = object;

	(void)key;
	if (!expect_list(r, "`relabel_configs`", value))
		return;
	for (size_t i = 0; i < value->count; i++)
		read_rule(r, value->items[i], config->path, config->rules);
}
