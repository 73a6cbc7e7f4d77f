// SPDX-License-Identifier: Apache-2.0
/*
 * Running rules.
 *
 * Prometheus keeps the labels it was given and those that rules set apart, and walks the former by
 * name, then the latter in the order in which they came to be. That shows in one place: where labelmap
 * gives two labels one name, the one walked last wins. So a label that a rule sets gets a sequence
 * number here; it keeps it when it is set again, and loses it when it is deleted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/hashmap.h"
#include "base/macros.h"
#include "base/utf8.h"
#include "relabel/md5.h"
#include "relabel/rule.h"
#include "relabel/unicode.h"

/* A label that a rule has set. */
struct added {
	struct hashmap_entry entry;
	uint64_t sequence; /* from 1 */
	char name[];
};

struct run {
	struct labels *labels;
	struct hashmap added;
	uint64_t last_sequence;
	struct regex_matcher matcher;
	struct relabel_rule *rule; /* the current one */
	struct strbuf value; /* its source labels, joined */
};

static bool added_is(const struct hashmap_entry *entry, const void *key)
{
	return strcmp(container_of(entry, struct added, entry)->name, key) == 0;
}

static struct added *find_added(const struct run *run, const char *name)
{
	struct hashmap_entry *entry = hashmap_get(&run->added, hash_string(name), name);

	return entry ? container_of(entry, struct added, entry) : NULL;
}

static void forget_added(struct run *run, struct added *added)
{
	hashmap_remove(&run->added, &added->entry);
	free(added);
}

static void run_release(struct run *run)
{
	hashmap_for_each(e, &run->added)
		forget_added(run, container_of(e, struct added, entry));
	hashmap_release(&run->added);
	regex_matcher_release(&run->matcher);
	strbuf_release(&run->value);
}

static void gave_up(struct run *run)
{
	run->rule->stats.limit_hits++;
}

/* Sets a label; "" deletes it. */
static void set(struct run *run, const char *name, const char *value)
{
	struct added *added = find_added(run, name);

	if (!*value && added) {
		forget_added(run, added);
	} else if (*value && !added) {
		size_t size = strlen(name) + 1;

		if (run->labels->count >= RELABEL_LABELS_MAX && !labels_has(run->labels, name)) {
			gave_up(run);
			return;
		}
		added = xmalloc(sizeof(*added) + size);
		added->sequence = ++run->last_sequence;
		memcpy(added->name, name, size);
		hashmap_add(&run->added, &added->entry, hash_string(name));
	}
	labels_set(run->labels, name, value);
}

/* False where the value is longer than any may be. */
static bool join_sources(struct run *run)
{
	const struct relabel_rule *rule = run->rule;

	strbuf_reset(&run->value);
	for (size_t i = 0; i < rule->source_label_count; i++) {
		if (i)
			strbuf_add_str(&run->value, rule->separator);
		strbuf_add_str(&run->value, labels_get(run->labels, rule->source_labels[i]));
		if (run->value.len > RELABEL_VALUE_MAX)
			return false;
	}
	return true;
}

static bool matches(struct run *run, const char *subject, size_t len, size_t start)
{
	enum regex_verdict verdict =
		regex_match(run->rule->regex, &run->matcher, subject, len, start);

	if (verdict == REGEX_GAVE_UP)
		gave_up(run);
	return verdict == REGEX_YES;
}

static bool value_matches(struct run *run)
{
	return matches(run, run->value.buf, run->value.len, 0);
}

/* Puts the current match's groups in. False at the limit. */
static bool expand(struct run *run, const struct template *template, const char *subject,
	struct strbuf *out)
{
	if (template_expand(template, out, run->rule->regex, &run->matcher, subject,
		    RELABEL_VALUE_MAX) &&
		out->len <= RELABEL_VALUE_MAX)
		return true;
	gave_up(run);
	return false;
}

static void replace(struct run *run)
{
	struct strbuf target cleanup_strbuf = STRBUF_INIT;
	struct strbuf value cleanup_strbuf = STRBUF_INIT;

	if (!value_matches(run) || !expand(run, &run->rule->target, run->value.buf, &target) ||
		!expand(run, &run->rule->replacement, run->value.buf, &value))
		return;
	if (target.len && utf8_valid(target.buf, target.len))
		set(run, target.buf, value.buf);
}

static void change_case(struct run *run)
{
	struct strbuf value cleanup_strbuf = STRBUF_INIT;

	if (run->rule->action == RELABEL_LOWERCASE)
		unicode_add_lower(&value, run->value.buf, run->value.len);
	else
		unicode_add_upper(&value, run->value.buf, run->value.len);
	set(run, run->rule->target_label, value.buf);
}

/* The last half of the sum, as in Prometheus since its first versions. */
static void hashmod(struct run *run)
{
	uint8_t sum[MD5_SIZE];
	uint64_t hash = 0;
	char text[24];

	md5(sum, run->value.buf, run->value.len);
	for (size_t i = MD5_SIZE / 2; i < MD5_SIZE; i++)
		hash = hash << 8 | sum[i];
	snprintf(text, sizeof(text), "%llu", (unsigned long long)(hash % run->rule->modulus));
	set(run, run->rule->target_label, text);
}

/* Go's Regexp.ReplaceAllString: all matches, no empty one right behind another. False at a limit. */
static bool replace_all(struct run *run, const char *name, struct strbuf *out)
{
	size_t len = strlen(name), last_end = 0, search = 0;

	while (search <= len && matches(run, name, len, search)) {
		size_t start = run->matcher.spans[0], end = run->matcher.spans[1];
		uint32_t rune;
		size_t width = search < len ? utf8_decode(name + search, len - search, &rune) : 0;

		strbuf_add(out, name + last_end, start - last_end);
		if ((end > last_end || start == 0) &&
			!expand(run, &run->rule->replacement, name, out))
			return false;
		last_end = end;
		search += width ? width : 1;
		search = MAX(search, end);
	}
	strbuf_add_str(out, name + last_end);
	return true;
}

/* What labelmap will set. */
struct mapped {
	uint64_t sequence; /* of the label it comes from; 0: given, not set by a rule */
	size_t index; /* of that label */
	char *name, *value;
};

static int compare_mapped(const void *a, const void *b)
{
	const struct mapped *x = a, *y = b;

	if (x->sequence != y->sequence)
		return x->sequence < y->sequence ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* Looks at all labels before it sets the first, so that it does not see its own work. */
static void labelmap(struct run *run)
{
	struct mapped *list cleanup_free = xcalloc(run->labels->count, sizeof(*list));
	size_t count = 0;

	for (size_t i = 0; i < run->labels->count; i++) {
		const struct label *label = &run->labels->list[i];
		const struct added *added = find_added(run, label->name);
		struct strbuf name cleanup_strbuf = STRBUF_INIT;

		if (!matches(run, label->name, strlen(label->name), 0) ||
			!replace_all(run, label->name, &name))
			continue;
		list[count++] = (struct mapped){
			.sequence = added ? added->sequence : 0,
			.index = i,
			.name = strbuf_detach(&name),
			.value = xstrdup(label->value),
		};
	}
	if (count)
		qsort(list, count, sizeof(*list), compare_mapped);
	for (size_t i = 0; i < count; i++) {
		set(run, list[i].name, list[i].value);
		free(list[i].name);
		free(list[i].value);
	}
}

/* Deletes the labels whose name matches, or those whose name does not. */
static void delete_labels(struct run *run, bool matching)
{
	for (size_t i = run->labels->count; i-- > 0;) {
		char *name cleanup_free = xstrdup(run->labels->list[i].name);

		if (matches(run, name, strlen(name), 0) == matching)
			set(run, name, "");
	}
}

/* Whether the target stays. */
static bool run_rule(struct run *run)
{
	const struct relabel_rule *rule = run->rule;
	const char *target = labels_get(run->labels, rule->target_label);
	bool whole = join_sources(run);

	if (!whole) {
		gave_up(run);
		return rule->action != RELABEL_KEEP && rule->action != RELABEL_KEEPEQUAL;
	}
	switch (rule->action) {
	case RELABEL_KEEP:
		return value_matches(run);
	case RELABEL_DROP:
		return !value_matches(run);
	case RELABEL_KEEPEQUAL:
		return strcmp(target, run->value.buf) == 0;
	case RELABEL_DROPEQUAL:
		return strcmp(target, run->value.buf) != 0;
	case RELABEL_REPLACE:
		replace(run);
		break;
	case RELABEL_LOWERCASE:
	case RELABEL_UPPERCASE:
		change_case(run);
		break;
	case RELABEL_HASHMOD:
		hashmod(run);
		break;
	case RELABEL_LABELMAP:
		labelmap(run);
		break;
	case RELABEL_LABELDROP:
	case RELABEL_LABELKEEP:
		delete_labels(run, rule->action == RELABEL_LABELDROP);
		break;
	}
	return true;
}

/* run_rule() with the labels before and after shown to the tracer. */
static bool run_traced(struct run *run, size_t index, relabel_trace_fn trace, void *trace_ctx)
{
	struct labels before cleanup_labels = {0};

	labels_copy(&before, run->labels);
	bool kept = run_rule(run);

	trace(trace_ctx, index, kept, &before, run->labels);
	return kept;
}

struct relabel_result relabel_apply(const struct relabel_rules *rules, struct labels *labels,
	relabel_trace_fn trace, void *trace_ctx)
{
	struct run run = {.labels = labels, .value = STRBUF_INIT};
	struct relabel_result result = {.keep = true};

	hashmap_init(&run.added, added_is);
	for (size_t i = 0; i < rules->count && result.keep; i++) {
		run.rule = &rules->list[i];
		result.keep = trace ? run_traced(&run, i, trace, trace_ctx) : run_rule(&run);
		if (!result.keep)
			result.dropped_by = i;
	}
	run_release(&run);
	return result;
}
