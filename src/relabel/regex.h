// SPDX-License-Identifier: Apache-2.0
/* Prometheus' anchored regular expressions: compile, match within limits, captures. */
#ifndef RELABEL_REGEX_H
#define RELABEL_REGEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/*
 * Patterns come from the operator, but the texts from containers, and PCRE2 goes back and forth where
 * RE2 does not. So a match may cost just so much; beyond, it is given up and counts as no match.
 */
#define REGEX_PATTERN_MAX (32 * 1024) /* bytes; PCRE2 itself stops at 64 KiB of compiled code */
#define REGEX_SUBJECT_MAX (64 * 1024) /* bytes; label values that people match are far shorter */
#define REGEX_STEPS_MAX   200000 /* PCRE2's match limit: a few milliseconds */
#define REGEX_HEAP_MAX    (2 * 1024) /* KiB, for one match; freed with the matcher */

#define REGEX_VISITED_MAX (8 * 1024 * 1024) /* bits, for patterns with loops that hold choices */

#define REGEX_UNSET SIZE_MAX

enum regex_verdict {
	REGEX_NO,
	REGEX_YES,
	REGEX_GAVE_UP, /* at a limit */
};

struct regex;

/* -EINVAL with a message that says what is wrong and what to write instead. */
int regex_new(const char *pattern, struct regex **ret, struct error *err) MUST_CHECK;
void regex_free(struct regex *re);
/* Without group 0. */
size_t regex_group_count(const struct regex *re);
/* The name of group i (1 to count), or NULL. */
const char *regex_group_name(const struct regex *re, size_t i);

/*
 * Memory that matches need; one for many patterns, but one match at a time. PCRE2 is given its address:
 * it must not move once it was used.
 */
struct regex_matcher {
	void *data, *context; /* PCRE2's; NULL until needed */
	size_t data_pairs;
	size_t *spans; /* after REGEX_YES: group i is [spans[2i], spans[2i+1]), or REGEX_UNSET */
	size_t span_capacity;
	uint64_t *visited; /* a bit per mark (re2_pcre2.c) and place of the subject */
	size_t visited_capacity, places;
};

/* Zero-initialised is ready. */
void regex_matcher_release(struct regex_matcher *matcher);
#define cleanup_regex_matcher __attribute__((cleanup(regex_matcher_release)))

/* Looks for the first match at or after `start`. The subject is UTF-8. */
enum regex_verdict regex_match(const struct regex *re, struct regex_matcher *matcher,
	const char *subject, size_t len, size_t start);
/* Whether a text that begins with `prefix` could match. True in doubt. */
bool regex_could_match_prefix(const struct regex *re, struct regex_matcher *matcher,
	const char *prefix);

/* Unicode letters, decimal digits and _: what Go takes as part of a $name. */
bool regex_is_word_rune(uint32_t rune);

#endif
