// SPDX-License-Identifier: Apache-2.0
#include "unit/unit.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/macros.h"
#include "relabel/regex.h"
#include "relabel/relabel.h"

#define SOURCES(...)                                                                               \
	.source_labels = (const char *const[]){__VA_ARGS__},                                       \
	.source_label_count = ARRAY_SIZE(((const char *const[]){__VA_ARGS__}))
#define RULE(...)                                                                                  \
	&(const struct relabel_rule_spec)                                                          \
	{                                                                                          \
		__VA_ARGS__                                                                        \
	}

static void add(struct relabel_rules *rules, const struct relabel_rule_spec *spec)
{
	struct error err = {0};

	ck_assert_msg(relabel_rules_add(rules, spec, NULL, &err) == 0, "%s", err.message);
}

static struct relabel_rules *rules_of(const struct relabel_rule_spec *spec)
{
	struct relabel_rules *rules = relabel_rules_new();

	add(rules, spec);
	return rules;
}

/* Runs one rule on {a: "foo", b: "bar", c: "baz"}. */
static struct relabel_result run(const struct relabel_rule_spec *spec, struct labels *l)
{
	struct relabel_rules *rules = rules_of(spec);

	labels_set(l, "a", "foo");
	labels_set(l, "b", "bar");
	labels_set(l, "c", "baz");
	struct relabel_result result = relabel_apply(rules, l, NULL, NULL);

	relabel_rules_free(rules);
	return result;
}

START_TEST(replace_writes_the_expanded_replacement)
{
	struct labels l = {0};

	run(RULE(SOURCES("a", "b"), .regex = "f(.*);(.*)r", .target_label = "d",
		    .replacement = "ch${1}-${2}"),
		&l);
	ck_assert_str_eq(labels_get(&l, "d"), "choo-ba");
	labels_release(&l);
}
END_TEST

START_TEST(an_empty_replacement_deletes)
{
	struct labels l = {0};

	run(RULE(SOURCES("a"), .target_label = "b", .replacement = ""), &l);
	ck_assert(!labels_has(&l, "b"));
	labels_release(&l);
}
END_TEST

START_TEST(keep_and_drop_say_which_rule_dropped)
{
	struct labels l = {0};
	struct relabel_result result = run(RULE(SOURCES("a"), .regex = "fo", .action = "keep"), &l);

	ck_assert(!result.keep);
	ck_assert_uint_eq(result.dropped_by, 0);
	ck_assert(run(RULE(SOURCES("a"), .regex = "fo", .action = "drop"), &l).keep);
	ck_assert(!run(RULE(SOURCES("a"), .regex = "fo+", .action = "DROP"), &l).keep);
	labels_release(&l);
}
END_TEST

START_TEST(hashmod_is_the_last_half_of_md5)
{
	struct labels l = {0};

	run(RULE(SOURCES("c"), .target_label = "d", .action = "hashmod", .modulus = "1000"), &l);
	ck_assert_str_eq(labels_get(&l, "d"), "976");
	labels_release(&l);
}
END_TEST

START_TEST(labelmap_copies)
{
	struct labels l = {0};

	run(RULE(.regex = "(a|b)", .replacement = "meta_${1}", .action = "labelmap"), &l);
	ck_assert_str_eq(labels_get(&l, "a"), "foo");
	ck_assert_str_eq(labels_get(&l, "meta_a"), "foo");
	ck_assert_str_eq(labels_get(&l, "meta_b"), "bar");
	ck_assert_uint_eq(l.count, 5);
	labels_release(&l);
}
END_TEST

START_TEST(mentions_are_found_in_sources_and_patterns)
{
	const struct {
		struct relabel_rule_spec spec;
		const char *prefix;
		bool mentioned;
	} cases[] = {
		{{SOURCES("__meta_docker_port_public"), .target_label = "x"}, "__meta_docker_port_",
			true},
		{{SOURCES("__meta_docker_port"), .target_label = "x"}, "__meta_docker_port_",
			false},
		{{.action = "labelmap", .regex = "__meta_docker_container_label_(.+)"},
			"__meta_docker_port_", false},
		{{.action = "labelmap", .regex = "__meta_docker_(.+)"}, "__meta_docker_port_",
			true},
		{{.action = "labeldrop", .regex = "(?:.*port.*)"}, "__meta_docker_", true},
		{{.action = "labelkeep", .regex = "__meta_docker_port_public"},
			"__meta_docker_port_", true},
		{{SOURCES("a"), .action = "keepequal", .target_label = "__meta_docker_port_public"},
			"__meta_docker_port_", true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct relabel_rules *rules = rules_of(&cases[i].spec);

		ck_assert_msg(relabel_rules_mention(rules, cases[i].prefix) == cases[i].mentioned,
			"case %zu", i);
		relabel_rules_free(rules);
	}
}
END_TEST

START_TEST(a_drop_leaves_the_labels_before_it_and_ends_the_rules)
{
	struct relabel_rules *rules = rules_of(RULE(.target_label = "x", .replacement = "1"));
	struct labels l cleanup_labels = {0};

	add(rules, RULE(SOURCES("x"), .regex = "1", .action = "drop"));
	add(rules, RULE(.target_label = "y", .replacement = "2"));
	struct relabel_result result = relabel_apply(rules, &l, NULL, NULL);

	ck_assert(!result.keep);
	ck_assert_uint_eq(result.dropped_by, 1);
	ck_assert_str_eq(labels_get(&l, "x"), "1");
	ck_assert(!labels_has(&l, "y"));
	relabel_rules_free(rules);
}
END_TEST

/* What a tracer saw: "rule kept count-before count-after;" each. */
static void note(void *ctx, size_t rule, bool kept, const struct labels *before,
	const struct labels *after)
{
	strbuf_addf(ctx, "%zu %d %zu %zu;", rule, kept, before->count, after->count);
}

START_TEST(a_trace_shows_the_labels_around_each_rule)
{
	struct relabel_rules *rules = rules_of(RULE(.target_label = "x", .replacement = "1"));
	struct strbuf seen cleanup_strbuf = STRBUF_INIT;
	struct labels l cleanup_labels = {0};

	add(rules, RULE(.regex = "x", .action = "labeldrop"));
	add(rules, RULE(.regex = "x", .action = "keep"));
	add(rules, RULE(.target_label = "y", .replacement = "2"));
	relabel_apply(rules, &l, note, &seen);
	ck_assert_str_eq(seen.buf, "0 1 0 1;1 1 1 0;2 0 0 0;");
	relabel_rules_free(rules);
}
END_TEST

START_TEST(a_rule_says_where_and_what_it_is)
{
	struct relabel_rules *rules = rules_of(RULE(SOURCES("a", "b"), .regex = "x\ny",
		.target_label = "t", .replacement = "$1", .file = "f.yml", .line = 7));

	add(rules, RULE(SOURCES("a"), .target_label = "t", .action = "HashMod", .modulus = "8"));
	ck_assert_uint_eq(relabel_rules_count(rules), 2);
	ck_assert_str_eq(relabel_rule_where(rules, 0), "f.yml:7");
	ck_assert_str_eq(relabel_rule_where(rules, 1), "rule 2");
	ck_assert_str_eq(relabel_rule_text(rules, 0),
		"replace source_labels=[a, b] regex=\"x\\ny\" target_label=\"t\"");
	ck_assert_str_eq(relabel_rule_text(rules, 1),
		"hashmod source_labels=[a] modulus=8 target_label=\"t\"");
	relabel_rules_free(rules);
}
END_TEST

START_TEST(mistakes_name_their_field)
{
	const struct {
		struct relabel_rule_spec spec;
		enum relabel_field field;
		const char *message;
	} cases[] = {
		{{.action = "rename"}, RELABEL_FIELD_ACTION, "unknown relabel action \"rename\""},
		{{.action = "drop", .regex = "("}, RELABEL_FIELD_REGEX, "missing closing )"},
		{{SOURCES("")}, RELABEL_FIELD_SOURCE_LABELS, "is not a valid label name"},
		{{.regex = "x"}, RELABEL_FIELD_RULE, "replace action requires 'target_label'"},
		{{.target_label = ""}, RELABEL_FIELD_TARGET_LABEL, "requires 'target_label'"},
		{{.target_label = "a\xff"}, RELABEL_FIELD_TARGET_LABEL,
			"\"a\\xff\" is invalid 'target_label' for replace action"},
		{{.target_label = "a", .replacement = "\xff"}, RELABEL_FIELD_REPLACEMENT,
			"not valid UTF-8"},
		{{.target_label = "a", .separator = "\xff"}, RELABEL_FIELD_SEPARATOR,
			"not valid UTF-8"},
		{{.action = "hashmod", .target_label = "a"}, RELABEL_FIELD_RULE,
			"requires non-zero modulus"},
		{{.action = "hashmod", .target_label = "a", .modulus = "0"}, RELABEL_FIELD_MODULUS,
			"requires non-zero modulus"},
		{{.action = "hashmod", .target_label = "a", .modulus = "-1"}, RELABEL_FIELD_MODULUS,
			"is no 'modulus'"},
		{{.action = "hashmod", .target_label = "a", .modulus = "18446744073709551616"},
			RELABEL_FIELD_MODULUS, "is no 'modulus'"},
		{{.action = "lowercase", .target_label = "a", .replacement = "x"},
			RELABEL_FIELD_REPLACEMENT,
			"'replacement' can not be set for lowercase action"},
		{{.action = "labelmap", .replacement = ""}, RELABEL_FIELD_REPLACEMENT,
			"\"\" is invalid 'replacement' for labelmap action"},
		{{.action = "labeldrop", SOURCES("a")}, RELABEL_FIELD_SOURCE_LABELS,
			"labeldrop action requires only 'regex'"},
		{{.action = "labelkeep", .target_label = "a"}, RELABEL_FIELD_TARGET_LABEL,
			"labelkeep action requires only 'regex'"},
		{{.action = "labelkeep", .modulus = "1"}, RELABEL_FIELD_MODULUS,
			"requires only 'regex'"},
		{{.action = "keepequal", .target_label = "a", .regex = "(.*)"}, RELABEL_FIELD_REGEX,
			"requires only 'source_labels' and 'target_label'"},
		{{.action = "dropequal", .target_label = "a", .separator = ","},
			RELABEL_FIELD_SEPARATOR,
			"requires only 'source_labels' and 'target_label'"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct relabel_rules *rules = relabel_rules_new();
		enum relabel_field field = RELABEL_FIELD_RULE;
		struct error err = {0};

		ck_assert_int_eq(relabel_rules_add(rules, &cases[i].spec, &field, &err), -EINVAL);
		ck_assert_msg(strstr(err.message, cases[i].message) != NULL, "%s", err.message);
		ck_assert_msg(field == cases[i].field, "%s: field %d", err.message, (int)field);
		ck_assert_uint_eq(relabel_rules_count(rules), 0);
		relabel_rules_free(rules);
	}
}
END_TEST

/* A label "a" of `len` bytes. */
static void set_long(struct labels *l, size_t len)
{
	char *value cleanup_free = xmalloc(len + 1);

	memset(value, 'a', len);
	value[len] = '\0';
	labels_set(l, "a", value);
}

START_TEST(what_is_too_long_to_match_counts_as_no_match)
{
	struct relabel_rules *rules = rules_of(RULE(SOURCES("a"), .target_label = "b"));
	struct labels l cleanup_labels = {0};

	set_long(&l, REGEX_SUBJECT_MAX);
	ck_assert(relabel_apply(rules, &l, NULL, NULL).keep);
	ck_assert_uint_eq(strlen(labels_get(&l, "b")), REGEX_SUBJECT_MAX);
	ck_assert_uint_eq(relabel_rule_stats(rules, 0)->limit_hits, 0);
	labels_set(&l, "b", NULL);
	set_long(&l, REGEX_SUBJECT_MAX + 1);
	ck_assert(relabel_apply(rules, &l, NULL, NULL).keep);
	ck_assert(!labels_has(&l, "b"));
	ck_assert_uint_eq(relabel_rule_stats(rules, 0)->limit_hits, 1);
	add(rules, RULE(SOURCES("a"), .regex = ".*", .action = "drop"));
	ck_assert(relabel_apply(rules, &l, NULL, NULL).keep);
	add(rules, RULE(SOURCES("a"), .regex = ".*", .action = "keep"));
	ck_assert(!relabel_apply(rules, &l, NULL, NULL).keep);
	relabel_rules_free(rules);
}
END_TEST

START_TEST(rules_cannot_make_values_grow_without_bound)
{
	struct relabel_rules *rules = relabel_rules_new();
	struct labels l cleanup_labels = {0};
	uint64_t hits = 0;

	set_long(&l, 1000);
	for (size_t i = 0; i < 40; i++)
		add(rules, RULE(SOURCES("a", "a"), .target_label = "a", .action = "lowercase"));
	relabel_apply(rules, &l, NULL, NULL);
	for (size_t i = 0; i < 40; i++)
		hits += relabel_rule_stats(rules, i)->limit_hits;
	ck_assert_uint_gt(strlen(labels_get(&l, "a")), RELABEL_VALUE_MAX / 2 - 1000);
	ck_assert_uint_le(strlen(labels_get(&l, "a")), RELABEL_VALUE_MAX);
	ck_assert_uint_eq(hits, 30); /* 1000 * 2^10 is just below */
	relabel_rules_free(rules);
}
END_TEST

START_TEST(rules_cannot_make_labels_without_bound)
{
	struct relabel_rules *rules = relabel_rules_new();
	struct labels l cleanup_labels = {0};

	labels_set(&l, "a", "1");
	for (size_t i = 0; i < 16; i++)
		add(rules, RULE(.regex = "(.*)", .replacement = "a$1", .action = "labelmap"));
	for (size_t i = 0; i < 14; i++)
		add(rules, RULE(.regex = "(.*)", .replacement = "${1}b", .action = "labelmap"));
	for (size_t i = 0; i < 50; i++)
		add(rules, RULE(.regex = "(.*)", .replacement = "c$1", .action = "labelmap"));
	relabel_apply(rules, &l, NULL, NULL);
	ck_assert_uint_eq(l.count, RELABEL_LABELS_MAX);
	ck_assert_uint_gt(relabel_rule_stats(rules, 79)->limit_hits, 0);
	relabel_rules_free(rules);
}
END_TEST

UNIT_MAIN("relabel", replace_writes_the_expanded_replacement, an_empty_replacement_deletes,
	keep_and_drop_say_which_rule_dropped, hashmod_is_the_last_half_of_md5, labelmap_copies,
	mentions_are_found_in_sources_and_patterns,
	a_drop_leaves_the_labels_before_it_and_ends_the_rules,
	a_trace_shows_the_labels_around_each_rule, a_rule_says_where_and_what_it_is,
	mistakes_name_their_field, what_is_too_long_to_match_counts_as_no_match,
	rules_cannot_make_values_grow_without_bound, rules_cannot_make_labels_without_bound)
