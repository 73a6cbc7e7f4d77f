// SPDX-License-Identifier: Apache-2.0
/*
 * Prometheus relabel rules (model/relabel of Prometheus 3) on PCRE2: compile, check, apply, explain.
 * Pure functions on labels.
 */
#ifndef RELABEL_RELABEL_H
#define RELABEL_RELABEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "target/labels.h"

/*
 * Bounds on what rules can make of what a container says. At one, a rule does nothing to the label (no
 * match, not equal) and its limit_hits grows. Matching itself is bounded in regex.h.
 */
#define RELABEL_VALUE_MAX  (1024 * 1024) /* bytes of a joined or replaced value */
#define RELABEL_LABELS_MAX 10000 /* labels of one target that rules still add to */

/* A rule as the file has it. NULL means "not given": Prometheus' default. "" is the empty string. */
struct relabel_rule_spec {
	const char *action;
	const char *const *source_labels; /* not NULL: given, if empty (labeldrop refuses that) */
	size_t source_label_count;
	const char *separator;
	const char *regex;
	const char *modulus; /* decimal text */
	const char *target_label;
	const char *replacement;
	const char *file; /* for messages; NULL: none */
	unsigned line; /* 1-based line of the rule in the file, 0: none */
};

/* Which field of the spec an error is about, so that the caller can point at its line and column. */
enum relabel_field {
	RELABEL_FIELD_RULE,
	RELABEL_FIELD_ACTION,
	RELABEL_FIELD_SOURCE_LABELS,
	RELABEL_FIELD_SEPARATOR,
	RELABEL_FIELD_REGEX,
	RELABEL_FIELD_MODULUS,
	RELABEL_FIELD_TARGET_LABEL,
	RELABEL_FIELD_REPLACEMENT,
};

struct relabel_rules;

struct relabel_rules *relabel_rules_new(void);
void relabel_rules_free(struct relabel_rules *rules);
/*
 * Compiles and appends one rule; copies what it needs. -EINVAL with a message that says what is wrong
 * and what to write instead; *ret_field (may be NULL) is the field at fault.
 */
int relabel_rules_add(struct relabel_rules *rules, const struct relabel_rule_spec *spec,
	enum relabel_field *ret_field, struct error *err);
size_t relabel_rules_count(const struct relabel_rules *rules);
/* "FILE:LINE" of rule i, or "rule N" where no file was given. Borrowed. */
const char *relabel_rule_where(const struct relabel_rules *rules, size_t i);
/* One line that shows the rule's action and non-default fields, for explanations. Borrowed. */
const char *relabel_rule_text(const struct relabel_rules *rules, size_t i);
/* Whether any rule mentions a label whose name starts with prefix (source label, or a pattern of
 * labelmap/labelkeep/labeldrop that could match one). */
bool relabel_rules_mention(const struct relabel_rules *rules, const char *prefix);

/* Counters of one rule since it was compiled. */
struct relabel_rule_stats {
	uint64_t limit_hits; /* given up at a limit of PCRE2 or of ours; treated as "no match" */
};
const struct relabel_rule_stats *relabel_rule_stats(const struct relabel_rules *rules, size_t i);

struct relabel_result {
	bool keep;
	size_t dropped_by; /* index of the rule that dropped, where !keep */
};

/* Called after each rule that ran, with the labels as they stand then. */
typedef void (*relabel_trace_fn)(void *ctx, size_t rule, bool kept, const struct labels *before,
	const struct labels *after);

/*
 * Applies all rules to `labels` in place. On a drop the labels are left as they were before the rule
 * that dropped. trace may be NULL.
 */
struct relabel_result relabel_apply(const struct relabel_rules *rules, struct labels *labels,
	relabel_trace_fn trace, void *trace_ctx);

#endif
