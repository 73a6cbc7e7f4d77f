// SPDX-License-Identifier: Apache-2.0
/*
 * Vectors: rules and labels with what Prometheus' own code (model/relabel of 3.14) made of them, one
 * JSON object per line:
 *
 *	{"rules":[{"source_labels":["a"],"regex":"(x*)*","target_label":"b"}],"labels":{"a":"xx"},
 *	 "ok":true,"keep":true,"out":{"a":"xx","b":"xx"}}
 *
 * ok: the rules are accepted; out: the labels where they are kept. RELABEL_VECTORS names other files.
 */
#include "unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <yajl/yajl_tree.h>

#include "base/cleanup.h"
#include "base/macros.h"
#include "relabel/relabel.h"

#define SOURCES_MAX 32
#define SHOWN_MAX   20

static yajl_val get(yajl_val object, const char *key)
{
	const char *path[] = {key, NULL};

	return yajl_tree_get(object, path, yajl_t_any);
}

static const char *get_string(yajl_val object, const char *key)
{
	return YAJL_GET_STRING(get(object, key));
}

static int add_rule(struct relabel_rules *rules, yajl_val rule, struct error *err)
{
	const char *sources[SOURCES_MAX];
	yajl_val list = get(rule, "source_labels"), modulus = get(rule, "modulus");
	struct relabel_rule_spec spec = {
		.action = get_string(rule, "action"),
		.separator = get_string(rule, "separator"),
		.regex = get_string(rule, "regex"),
		.modulus = modulus ? YAJL_GET_NUMBER(modulus) : NULL,
		.target_label = get_string(rule, "target_label"),
		.replacement = get_string(rule, "replacement"),
	};

	if (list) {
		spec.source_labels = sources;
		spec.source_label_count = YAJL_GET_ARRAY(list)->len;
		ck_assert_uint_le(spec.source_label_count, SOURCES_MAX);
		for (size_t i = 0; i < spec.source_label_count; i++)
			sources[i] = YAJL_GET_STRING(YAJL_GET_ARRAY(list)->values[i]);
	}
	return relabel_rules_add(rules, &spec, NULL, err);
}

static void read_labels(struct labels *labels, yajl_val object)
{
	for (size_t i = 0; object && i < YAJL_GET_OBJECT(object)->len; i++)
		labels_set(labels, YAJL_GET_OBJECT(object)->keys[i],
			YAJL_GET_STRING(YAJL_GET_OBJECT(object)->values[i]));
}

/* What is different from what Prometheus does; NULL: nothing. */
static const char *difference(yajl_val vector, struct error *err)
{
	struct relabel_rules *rules = relabel_rules_new();
	struct labels labels cleanup_labels = {0}, expected cleanup_labels = {0};
	yajl_val list = get(vector, "rules");
	const char *what = NULL;
	int r = 0;

	for (size_t i = 0; r == 0 && i < YAJL_GET_ARRAY(list)->len; i++)
		r = add_rule(rules, YAJL_GET_ARRAY(list)->values[i], err);
	if ((r == 0) != YAJL_IS_TRUE(get(vector, "ok"))) {
		what = r < 0 ? "refused" : "accepted";
	} else if (r == 0) {
		read_labels(&labels, get(vector, "labels"));
		read_labels(&expected, get(vector, "out"));
		bool keep = relabel_apply(rules, &labels, NULL, NULL).keep;

		if (keep != YAJL_IS_TRUE(get(vector, "keep")))
			what = keep ? "kept" : "dropped";
		else if (keep && !labels_equal(&labels, &expected))
			what = "other labels";
	}
	for (size_t i = 0; what && i < labels.count; i++)
		fprintf(stderr, "  %s=%s\n", labels.list[i].name, labels.list[i].value);
	relabel_rules_free(rules);
	return what;
}

static void run_file(const char *path, size_t at_least)
{
	FILE *file cleanup_fclose = fopen(path, "re");
	char *line cleanup_free = NULL;
	size_t capacity = 0, count = 0, differences = 0;

	ck_assert_msg(file != NULL, "cannot open %s", path);
	while (getline(&line, &capacity, file) > 0) {
		char message[128] = "";
		struct error err = {0};
		yajl_val vector = yajl_tree_parse(line, message, sizeof(message));

		count++;
		ck_assert_msg(vector != NULL, "%s:%zu: %s", path, count, message);
		const char *what = difference(vector, &err);

		yajl_tree_free(vector);
		if (what && differences++ < SHOWN_MAX)
			fprintf(stderr, "%s:%zu: %s %s\n  %s", path, count, what, err.message,
				line);
	}
	ck_assert_uint_ge(count, at_least);
	ck_assert_msg(differences == 0, "%s: %zu of %zu vectors differ", path, differences, count);
}

START_TEST(rules_do_what_prometheus_does)
{
	const char *other = getenv("RELABEL_VECTORS");

	if (other)
		run_file(other, 1);
	else
		run_file("tests/data/relabel/vectors.jsonl", 1000);
}
END_TEST

UNIT_MAIN("relabel_vectors", rules_do_what_prometheus_does)
