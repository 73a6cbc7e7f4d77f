// SPDX-License-Identifier: Apache-2.0
/*
 * A rule and the labels it runs on: lines with action, regex, replacement, target_label, separator, and
 * then NAME=VALUE. Whatever the rule is, labels stay labels, and running it twice gives the same.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/utf8.h"
#include "relabel/relabel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* Cuts the next line off; NULL at the end. */
static char *next_line(char **rest)
{
	return *rest ? strsep(rest, "\n") : NULL;
}

static void read_labels(char *rest, struct labels *labels)
{
	for (char *line; (line = next_line(&rest));) {
		struct strbuf name cleanup_strbuf = STRBUF_INIT;
		struct strbuf value cleanup_strbuf = STRBUF_INIT;
		char *equal = strchr(line, '=');

		if (!equal)
			continue;
		utf8_repair(&name, line, (size_t)(equal - line));
		utf8_repair(&value, equal + 1, strlen(equal + 1));
		labels_set(labels, name.buf, value.buf);
	}
}

static void check_labels(const struct labels *labels)
{
	for (size_t i = 0; i < labels->count; i++) {
		const struct label *l = &labels->list[i];

		require(i == 0 || strcmp(labels->list[i - 1].name, l->name) < 0);
		require(*l->value && utf8_valid(l->value, strlen(l->value)));
		require(utf8_valid(l->name, strlen(l->name)));
	}
}

static void run(const struct relabel_rules *rules, char *rest)
{
	struct labels first cleanup_labels = {0}, second cleanup_labels = {0};

	read_labels(rest, &first);
	labels_copy(&second, &first);
	struct relabel_result a = relabel_apply(rules, &first, NULL, NULL);
	struct relabel_result b = relabel_apply(rules, &second, NULL, NULL);

	require(a.keep == b.keep && labels_equal(&first, &second));
	check_labels(&first);
	relabel_rules_mention(rules, "__meta_docker_");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text cleanup_free = xstrndup((const char *)data, size), *rest = text;
	struct relabel_rules *rules = relabel_rules_new();
	static const char *const sources[] = {"a", "b"};
	struct relabel_rule_spec spec = {.modulus = "7"};
	struct error err = {0};

	spec.action = next_line(&rest);
	spec.regex = next_line(&rest);
	spec.replacement = next_line(&rest);
	spec.target_label = next_line(&rest);
	spec.separator = next_line(&rest);
	if (spec.action && strncmp(spec.action, "label", 5) != 0) {
		spec.source_labels = sources;
		spec.source_label_count = 2;
	}
	if (spec.action && strcmp(spec.action, "hashmod") != 0)
		spec.modulus = NULL;
	if (relabel_rules_add(rules, &spec, NULL, &err) == 0)
		run(rules, rest);
	else
		require(err.message[0] && err.code < 0);
	relabel_rules_free(rules);
	return 0;
}
