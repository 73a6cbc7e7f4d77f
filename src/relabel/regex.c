// SPDX-License-Identifier: Apache-2.0
/*
 * RE2 syntax on PCRE2's interpreter.
 *
 * No JIT: it ignores the depth and heap limits, needs memory that is writable and executable in a
 * privileged process, and for subjects of some dozen bytes, a few hundred matches per container
 * start, there is nothing to be won.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "relabel/regex.h"

#include <errno.h>
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/macros.h"
#include "base/utf8.h"
#include "relabel/re2.h"

struct regex {
	pcre2_code *code;
	struct re2_pcre2 map; /* its text is released after compiling */
	char **names; /* [group_count + 1] */
	size_t group_count;
};

/* Deeper than any tree re2_parse() lets through, with the groups that (?i: and marks add. */
#define PARENTHESES_MAX (4 * RE2_HEIGHT_MAX)

static int refuse_code(int code, struct error *err)
{
	PCRE2_UCHAR text[256];

	if (code == PCRE2_ERROR_HEAP_FAILED)
		return error_set(err, -ENOMEM, "no memory for the regular expression");
	if (code == PCRE2_ERROR_PATTERN_TOO_LARGE)
		return error_set(err, -EINVAL,
			"regular expression too large: compiled, it would need more than 64 KiB; "
			"split it into several rules or repeat less");
	pcre2_get_error_message(code, text, sizeof(text));
	return error_set(err, -EINVAL,
		"regular expression not supported by this build's PCRE2 library: %s", text);
}

static int compile(struct regex *re, struct error *err)
{
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	int code = PCRE2_ERROR_HEAP_FAILED;
	size_t offset;

	if (!context)
		return refuse_code(code, err);
	pcre2_set_newline(context, PCRE2_NEWLINE_LF);
	pcre2_set_parens_nest_limit(context, PARENTHESES_MAX);
	re->code = pcre2_compile((PCRE2_SPTR)re->map.text.buf, re->map.text.len,
		PCRE2_UTF | PCRE2_DOTALL | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C, &code,
		&offset, context);
	pcre2_compile_context_free(context);
	strbuf_release(&re->map.text);
	return re->code ? 0 : refuse_code(code, err);
}

int regex_new(const char *pattern, struct regex **ret, struct error *err)
{
	struct re2 tree cleanup_re2 = {0};

	if (strlen(pattern) > REGEX_PATTERN_MAX)
		return error_set(err, -EINVAL,
			"regular expression too long: %zu bytes, at most %d are read",
			strlen(pattern), REGEX_PATTERN_MAX);
	int r = re2_parse(&tree, pattern, err);

	if (r < 0)
		return r;
	struct regex *re = xcalloc(1, sizeof(*re));

	r = re2_to_pcre2(&tree, &re->map);
	if (r < 0)
		r = refuse_code(PCRE2_ERROR_PATTERN_TOO_LARGE, err);
	else
		r = compile(re, err);
	if (r < 0) {
		regex_free(re);
		return r;
	}
	re->names = steal_ptr(&tree.names);
	re->group_count = tree.group_count;
	tree.group_count = 0;
	*ret = re;
	return 0;
}

void regex_free(struct regex *re)
{
	if (!re)
		return;
	for (size_t i = 1; i <= re->group_count; i++)
		free(re->names[i]);
	free(re->names);
	re2_pcre2_release(&re->map);
	pcre2_code_free(re->code);
	free(re);
}

size_t regex_group_count(const struct regex *re)
{
	return re->group_count;
}

const char *regex_group_name(const struct regex *re, size_t i)
{
	return re->names[i];
}

void regex_matcher_release(struct regex_matcher *matcher)
{
	pcre2_match_data_free(matcher->data);
	pcre2_match_context_free(matcher->context);
	free(matcher->spans);
	free(matcher->visited);
	*matcher = (struct regex_matcher){0};
}

/* A callout of re2_pcre2.c: 1 (go back) where its state has been entered here before. */
static int on_callout(pcre2_callout_block *block, void *ctx)
{
	struct regex_matcher *m = ctx;
	unsigned long mark = strtoul((const char *)block->callout_string, NULL, 10);
	size_t bit = mark * m->places + block->current_position;
	uint64_t mask = UINT64_C(1) << (bit % 64);

	if (m->visited[bit / 64] & mask)
		return 1;
	m->visited[bit / 64] |= mask;
	return 0;
}

static int prepare_context(struct regex_matcher *m)
{
	if (m->context)
		return 0;
	m->context = pcre2_match_context_create(NULL);
	if (!m->context)
		return -ENOMEM;
	pcre2_set_match_limit(m->context, REGEX_STEPS_MAX);
	pcre2_set_heap_limit(m->context, REGEX_HEAP_MAX);
	return pcre2_set_callout(m->context, on_callout, m);
}

static int prepare_data(struct regex_matcher *m, const struct regex *re)
{
	size_t pairs = re->map.group_count + 1, spans = 2 * (re->group_count + 1);

	if (!m->data || m->data_pairs < pairs) {
		pcre2_match_data_free(m->data);
		m->data = pcre2_match_data_create((uint32_t)pairs, NULL);
		m->data_pairs = m->data ? pairs : 0;
		if (!m->data)
			return -ENOMEM;
	}
	if (m->span_capacity < spans) {
		m->spans = xreallocarray(m->spans, spans, sizeof(m->spans[0]));
		m->span_capacity = spans;
	}
	return 0;
}

static int prepare_visited(struct regex_matcher *m, const struct regex *re, size_t len)
{
	m->places = len + 1;
	if (re->map.mark_count == 0)
		return 0;
	if (re->map.mark_count > REGEX_VISITED_MAX / m->places)
		return -E2BIG;
	size_t words = (re->map.mark_count * m->places + 63) / 64;

	if (m->visited_capacity < words) {
		m->visited = xreallocarray(m->visited, words, sizeof(m->visited[0]));
		m->visited_capacity = words;
	}
	memset(m->visited, 0, words * sizeof(m->visited[0]));
	return 0;
}

static int prepare(struct regex_matcher *m, const struct regex *re, size_t len)
{
	int r = prepare_context(m);

	if (r == 0)
		r = prepare_data(m, re);
	return r == 0 ? prepare_visited(m, re, len) : r;
}

/* Of two spans of one group, was `a` set after `b`? The text is walked from left to right. */
static bool is_later(const size_t *a, const size_t *b)
{
	return b[0] == REGEX_UNSET || a[0] > b[0] || (a[0] == b[0] && a[1] > b[1]);
}

static void collect_spans(struct regex_matcher *m, const struct regex *re)
{
	const size_t *found = pcre2_get_ovector_pointer(m->data);

	for (size_t i = 0; i < 2 * (re->group_count + 1); i++)
		m->spans[i] = REGEX_UNSET;
	m->spans[0] = found[0];
	m->spans[1] = found[1];
	for (size_t i = 0; i < re->map.group_count; i++) {
		const size_t *from = &found[2 * (i + 1)];
		size_t *to = &m->spans[2 * re->map.groups[i]];

		if (from[0] != PCRE2_UNSET && is_later(from, to)) {
			to[0] = from[0];
			to[1] = from[1];
		}
	}
}

enum regex_verdict regex_match(const struct regex *re, struct regex_matcher *matcher,
	const char *subject, size_t len, size_t start)
{
	if (len > REGEX_SUBJECT_MAX || prepare(matcher, re, len) < 0)
		return REGEX_GAVE_UP;
	int r = pcre2_match(re->code, (PCRE2_SPTR)subject, len, start, 0, matcher->data,
		matcher->context);

	if (r == PCRE2_ERROR_NOMATCH)
		return REGEX_NO;
	if (r < 0)
		return REGEX_GAVE_UP;
	collect_spans(matcher, re);
	return REGEX_YES;
}

bool regex_could_match_prefix(const struct regex *re, struct regex_matcher *matcher,
	const char *prefix)
{
	if (prepare(matcher, re, strlen(prefix)) < 0)
		return true;
	return pcre2_match(re->code, (PCRE2_SPTR)prefix, strlen(prefix), 0, PCRE2_PARTIAL_HARD,
		       matcher->data, matcher->context) != PCRE2_ERROR_NOMATCH;
}

bool regex_is_word_rune(uint32_t rune)
{
	static const char pattern[] = "[\\p{L}\\p{Nd}_]";
	char text[UTF8_MAX];
	size_t offset, len = utf8_encode(text, rune);
	int error;
	bool is = false;
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, sizeof(pattern) - 1, PCRE2_UTF,
		&error, &offset, NULL);
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);

	if (code && data)
		is = pcre2_match(code, (PCRE2_SPTR)text, len, 0, 0, data, NULL) > 0;
	pcre2_match_data_free(data);
	pcre2_code_free(code);
	return is;
}
