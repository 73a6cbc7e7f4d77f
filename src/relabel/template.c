// SPDX-License-Identifier: Apache-2.0
/*
 * A template is cut once into parts: text, group by number, group by name. Names are looked up when
 * the template is expanded, as several groups may have one name: the first that took part counts.
 */
#include "relabel/template.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"

enum part_kind { PART_TEXT, PART_NUMBER, PART_NAME };

struct template_part {
	enum part_kind kind;
	const char *text; /* PART_TEXT and PART_NAME */
	size_t len;
	size_t group; /* PART_NUMBER */
};

#define GROUP_NUMBER_MAX 100000000u /* from here on, Go takes it for a name */

static void add_part(struct template *t, struct template_part part)
{
	if (t->count == t->capacity) {
		t->capacity = grow_capacity(t->capacity, t->count + 1);
		t->parts = xreallocarray(t->parts, t->capacity, sizeof(t->parts[0]));
	}
	t->parts[t->count++] = part;
}

static void add_text(struct template *t, const char *text, size_t len)
{
	if (len)
		add_part(t, (struct template_part){.kind = PART_TEXT, .text = text, .len = len});
}

static bool is_word_rune(uint32_t rune)
{
	if (rune >= 0x80)
		return regex_is_word_rune(rune);
	return rune == '_' || (rune >= '0' && rune <= '9') ||
		((rune | 0x20) >= 'a' && (rune | 0x20) <= 'z');
}

/* How many bytes of s are letters, digits and underscores. */
static size_t word_length(const char *s)
{
	size_t n = 0, len = strlen(s);

	while (n < len) {
		uint32_t rune = 0;
		size_t used = utf8_decode(s + n, len - n, &rune);

		if (!used || !is_word_rune(rune))
			break;
		n += used;
	}
	return n;
}

/* "0", "12", but not "01": the number of a group. */
static bool parse_number(const char *name, size_t len, size_t *ret)
{
	*ret = 0;
	if (name[0] == '0' && len > 1)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (name[i] < '0' || name[i] > '9' || *ret >= GROUP_NUMBER_MAX)
			return false;
		*ret = *ret * 10 + (size_t)(name[i] - '0');
	}
	return true;
}

/* Behind a $: adds the reference there and returns its length, or 0 where there is none. */
static size_t add_reference(struct template *t, const char *s)
{
	size_t brace = *s == '{' ? 1 : 0;
	struct template_part part = {.kind = PART_NAME, .text = s + brace};

	part.len = word_length(part.text);
	if (part.len == 0 || (brace && part.text[part.len] != '}'))
		return 0;
	if (parse_number(part.text, part.len, &part.group))
		part.kind = PART_NUMBER;
	add_part(t, part);
	return part.len + 2 * brace;
}

void template_init(struct template *t, const char *text)
{
	*t = (struct template){.text = xstrdup(text)};
	const char *from = t->text; /* literal text not added yet */

	for (const char *s = t->text; (s = strchr(s, '$'));) {
		const char *dollar = s++;
		size_t count = t->count;

		if (*s == '$') {
			add_text(t, from, (size_t)(s - from));
			from = ++s;
			continue;
		}
		add_text(t, from, (size_t)(dollar - from));
		size_t used = add_reference(t, s);

		if (used)
			from = s += used;
		else
			t->count = count; /* the $ is text like what is before it */
	}
	add_text(t, from, strlen(from));
}

void template_release(struct template *t)
{
	free(t->text);
	free(t->parts);
	*t = (struct template){0};
}

/* The group that a name stands for in this match; 0: none. */
static size_t named_group(const struct template_part *part, const struct regex *re,
	const struct regex_matcher *match)
{
	for (size_t i = 1; i <= regex_group_count(re); i++) {
		const char *name = regex_group_name(re, i);

		if (name && match->spans[2 * i] != REGEX_UNSET && strlen(name) == part->len &&
			memcmp(name, part->text, part->len) == 0)
			return i;
	}
	return 0;
}

static void add_group(struct strbuf *out, const struct regex *re, const struct regex_matcher *match,
	const char *subject, size_t group)
{
	const size_t *span = &match->spans[2 * group];

	if (group <= regex_group_count(re) && span[0] != REGEX_UNSET)
		strbuf_add(out, subject + span[0], span[1] - span[0]);
}

bool template_expand(const struct template *t, struct strbuf *out, const struct regex *re,
	const struct regex_matcher *match, const char *subject, size_t max)
{
	size_t before = out->len;

	for (size_t i = 0; i < t->count; i++) {
		const struct template_part *part = &t->parts[i];
		size_t group;

		switch (part->kind) {
		case PART_TEXT:
			strbuf_add(out, part->text, part->len);
			break;
		case PART_NUMBER:
			add_group(out, re, match, subject, part->group);
			break;
		case PART_NAME:
			group = named_group(part, re, match);
			if (group)
				add_group(out, re, match, subject, group);
			break;
		}
		if (out->len - before > max) {
			strbuf_set_len(out, before);
			return false;
		}
	}
	return true;
}
