// SPDX-License-Identifier: Apache-2.0
/* Replacement texts with $1, ${1}, $name, ${name} and $$, as Go's Regexp.Expand reads them. */
#ifndef RELABEL_TEMPLATE_H
#define RELABEL_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"
#include "relabel/regex.h"

struct template_part;

struct template
{
	char *text;
	struct template_part *parts; /* point into text */
	size_t count, capacity;
};

/* Copies the text. What is malformed is literal text, so there are no errors. */
void template_init(struct template *t, const char *text);
void template_release(struct template *t);
/*
 * Appends the text with the groups of the match put in. Groups that do not exist or did not take part
 * are empty. False where more than `max` bytes would be appended; then out is as it was.
 */
bool template_expand(const struct template *t, struct strbuf *out, const struct regex *re,
	const struct regex_matcher *match, const char *subject, size_t max);

#endif
