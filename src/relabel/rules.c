// SPDX-License-Identifier: Apache-2.0
/* The list of rules, and what can be asked about it without running it. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "relabel/rule.h"

struct relabel_rules *relabel_rules_new(void)
{
	return xcalloc(1, sizeof(struct relabel_rules));
}

void relabel_rules_free(struct relabel_rules *rules)
{
	if (!rules)
		return;
	for (size_t i = 0; i < rules->count; i++)
		relabel_rule_release(&rules->list[i]);
	free(rules->list);
	free(rules);
}

int relabel_rules_add(struct relabel_rules *rules, const struct relabel_rule_spec *spec,
	enum relabel_field *ret_field, struct error *err)
{
	struct relabel_rule rule;
	int r = relabel_rule_init(&rule, spec, ret_field, err);

	if (r < 0)
		return r;
	if (spec->file && spec->line)
		rule.where = xasprintf("%s:%u", spec->file, spec->line);
	else
		rule.where = xasprintf("rule %zu", rules->count + 1);
	if (rules->count == rules->capacity) {
		rules->capacity = grow_capacity(rules->capacity, rules->count + 1);
		rules->list = xreallocarray(rules->list, rules->capacity, sizeof(rules->list[0]));
	}
	rules->list[rules->count++] = rule;
	return 0;
}

size_t relabel_rules_count(const struct relabel_rules *rules)
{
	return rules->count;
}

const char *relabel_rule_where(const struct relabel_rules *rules, size_t i)
{
	return rules->list[i].where;
}

const char *relabel_rule_text(const struct relabel_rules *rules, size_t i)
{
	return rules->list[i].text;
}

const struct relabel_rule_stats *relabel_rule_stats(const struct relabel_rules *rules, size_t i)
{
	return &rules->list[i].stats;
}

static bool rule_mentions(const struct relabel_rule *rule, const char *prefix)
{
	struct regex_matcher matcher cleanup_regex_matcher = {0};
	size_t len = strlen(prefix);

	for (size_t i = 0; i < rule->source_label_count; i++)
		if (strncmp(rule->source_labels[i], prefix, len) == 0)
			return true;
	switch (rule->action) {
	case RELABEL_KEEPEQUAL:
	case RELABEL_DROPEQUAL:
		return strncmp(rule->target_label, prefix, len) == 0;
	case RELABEL_LABELMAP:
	case RELABEL_LABELDROP:
	case RELABEL_LABELKEEP:
		return regex_could_match_prefix(rule->regex, &matcher, prefix);
	default:
		return false;
	}
}

bool relabel_rules_mention(const struct relabel_rules *rules, const char *prefix)
{
	for (size_t i = 0; i < rules->count; i++)
		if (rule_mentions(&rules->list[i], prefix))
			return true;
	return false;
}
