// SPDX-License-Identifier: Apache-2.0
/* A compiled rule: what relabel.c makes and apply.c runs. Inside of the room only. */
#ifndef RELABEL_RULE_H
#define RELABEL_RULE_H

#include "relabel/regex.h"
#include "relabel/relabel.h"
#include "relabel/template.h"

enum relabel_action {
	RELABEL_REPLACE,
	RELABEL_KEEP,
	RELABEL_DROP,
	RELABEL_KEEPEQUAL,
	RELABEL_DROPEQUAL,
	RELABEL_HASHMOD,
	RELABEL_LABELMAP,
	RELABEL_LABELDROP,
	RELABEL_LABELKEEP,
	RELABEL_LOWERCASE,
	RELABEL_UPPERCASE,
};

struct relabel_rule {
	enum relabel_action action;
	char **source_labels;
	size_t source_label_count;
	char *separator;
	struct regex *regex;
	uint64_t modulus;
	char *target_label;
	struct template target, replacement;
	char *where, *text;
	struct relabel_rule_stats stats;
};

struct relabel_rules {
	struct relabel_rule *list;
	size_t count, capacity;
};

/* Fills *ret from the spec, which it checks first. On failure *ret is released. */
int relabel_rule_init(struct relabel_rule *ret, const struct relabel_rule_spec *spec,
	enum relabel_field *ret_field, struct error *err) MUST_CHECK;
void relabel_rule_release(struct relabel_rule *rule);

#endif
