// SPDX-License-Identifier: Apache-2.0
#include "unit/unit.h"

#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "relabel/relabel.h"

#define SOURCES(...)                                                                               \
	.source_labels = (const char *const[]){__VA_ARGS__},                                       \
	.source_label_count = ARRAY_SIZE(((const char *const[]){__VA_ARGS__}))
#define RULE(...) &(const struct relabel_rule_spec){__VA_ARGS__}

static struct relabel_rules *rules_of(const struct relabel_rule_spec *spec)
{
	struct relabel_rules *rules = relabel_rules_new();
	struct error err = {0};

	ck_assert_msg(relabel_rules_add(rules, spec, NULL, &err) == 0, "%s", err.message);
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

UNIT_MAIN("relabel", replace_writes_the_expanded_replacement, an_empty_replacement_deletes,
	keep_and_drop_say_which_rule_dropped, hashmod_is_the_last_half_of_md5, labelmap_copies,
	mentions_are_found_in_sources_and_patterns)
