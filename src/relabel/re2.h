// SPDX-License-Identifier: Apache-2.0
/*
 * RE2 patterns as Prometheus reads them: Go's regexp/syntax with its Perl flags (go1.26). Parses a
 * pattern into a tree, refusing what Go refuses, and writes the tree as an equivalent PCRE2 pattern.
 */
#ifndef RELABEL_RE2_H
#define RELABEL_RE2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"

#define RE2_RUNE_MAX   0x10ffffu
#define RE2_REPEAT_MAX 1000 /* Go's limit for x{n}, and for the product of nested ones */
#define RE2_HEIGHT_MAX 1000 /* Go's limit for the height of the tree; bounds our recursion too */
#define RE2_TEXT_MAX   (256 * 1024) /* of the PCRE2 text; what compiles to 64 KiB is far shorter */

/*
 * A backtracking matcher may try all ways through a pattern. Where there could be more than
 * RE2_PATHS_MAX, marks keep it from trying one state twice at one place.
 */
#define RE2_TYPICAL_LENGTH 100
#define RE2_PATHS_MAX      100000
#define RE2_PATHS_MANY     1000000000

enum re2_op {
	RE2_EMPTY,
	RE2_LITERAL,
	RE2_CLASS,
	RE2_ANY, /* any code point */
	RE2_ANY_NOT_NL,
	RE2_BEGIN_LINE,
	RE2_END_LINE,
	RE2_BEGIN_TEXT,
	RE2_END_TEXT,
	RE2_WORD_BOUNDARY,
	RE2_NO_WORD_BOUNDARY,
	RE2_CAPTURE,
	RE2_CONCAT,
	RE2_ALTERNATE,
	RE2_STAR,
	RE2_PLUS,
	RE2_QUEST,
	RE2_REPEAT, /* {min,max} with min or max above 1 */
	/* Only on the parser's stack. */
	RE2_LEFT_PAREN,
	RE2_VERTICAL_BAR,
};

enum re2_flag {
	RE2_FOLD = 1 << 0, /* (?i) */
	RE2_MULTI_LINE = 1 << 1, /* (?m) */
	RE2_DOT_NL = 1 << 2, /* (?s) */
	RE2_NON_GREEDY = 1 << 3, /* (?U), or one ? too many */
};

struct re2_range {
	uint32_t lo, hi;
};

/* \p{...} inside or outside brackets. */
struct re2_property {
	const struct unicode_property *property;
	bool negated;
};

/* The union of its parts, or everything else. */
struct re2_class {
	struct re2_range *ranges;
	size_t range_count, range_capacity;
	struct re2_property *properties;
	size_t property_count, property_capacity;
	bool negated;
};

struct re2_node {
	enum re2_op op;
	unsigned flags; /* enum re2_flag, as they stood at this node */
	union {
		uint32_t rune;
		struct re2_class *class;
		unsigned group; /* RE2_CAPTURE; RE2_LEFT_PAREN: 0 where it does not capture */
		struct {
			int min, max; /* max -1: no upper bound */
		};
	};
	unsigned height;
	unsigned repeats; /* how often {n} at most multiplies what is in it */
	bool nullable; /* can match the empty string */
	uint64_t paths; /* ways through it on a text of RE2_TYPICAL_LENGTH; up to RE2_PATHS_MANY */
	struct re2_node *first, *last; /* children */
	struct re2_node *next; /* sibling */
	struct re2_node *allocated_next; /* all nodes of one struct re2 */
};

struct re2 {
	struct re2_node *root;
	char **names; /* by group number; NULL: unnamed. names[0] is NULL */
	size_t group_count; /* without group 0 */
	size_t name_capacity;
	struct re2_node *allocated;
};

/*
 * Parses `^(?s:pattern)$`, put together as text like Prometheus does: a pattern with unbalanced
 * parentheses that fit the frame is legal and not anchored. -EINVAL with Go's reason and a hint.
 */
int re2_parse(struct re2 *re, const char *pattern, struct error *err) MUST_CHECK;
void re2_release(struct re2 *re);
#define cleanup_re2 __attribute__((cleanup(re2_release)))

/* What re2_to_pcre2() makes of a tree. */
struct re2_pcre2 {
	struct strbuf text; /* for PCRE2_UTF | PCRE2_DOTALL */
	unsigned *groups; /* per group of the text from 1, at [group - 1]: the pattern's group */
	size_t group_count, group_capacity;
	size_t mark_count; /* callouts with the strings "0" to "mark_count - 1" */
};

/* -E2BIG where the text would be longer than RE2_TEXT_MAX. Release in any case. */
int re2_to_pcre2(const struct re2 *re, struct re2_pcre2 *ret) MUST_CHECK;
void re2_pcre2_release(struct re2_pcre2 *p);

#endif
