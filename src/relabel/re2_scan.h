// SPDX-License-Identifier: Apache-2.0
/* What the files of the RE2 parser share: the place in the pattern, how they say no, the tree. */
#ifndef RELABEL_RE2_SCAN_H
#define RELABEL_RE2_SCAN_H

#include "relabel/re2.h"

struct re2_scan {
	const char *pos, *end; /* what is still to be read */
	unsigned flags; /* enum re2_flag */
	struct re2 *re;
	/* The first refusal. */
	const char *reason; /* NULL: none */
	const char *hint; /* NULL: none */
	const char *from, *to; /* the text at fault, within the pattern; from NULL: the whole */
};

/* Records a refusal of the text [from, scan->pos) and returns -EINVAL. */
int re2_refuse(struct re2_scan *scan, const char *reason, const char *from, const char *hint);

/* Reads one code point. */
int re2_scan_rune(struct re2_scan *scan, uint32_t *ret) MUST_CHECK;
/* Reads one escaped character; the backslash is at scan->pos. */
int re2_scan_escape(struct re2_scan *scan, uint32_t *ret) MUST_CHECK;

/* What to write instead of the group that starts at `from`. */
const char *re2_perl_hint(const char *from, const char *to);
/* Puts the refusal into words; `pattern` is where the user's part of the scanned text is. */
void re2_say_why(const struct re2_scan *scan, const char *pattern, size_t len, struct error *err);

struct re2_class *re2_class_new(void);
void re2_class_free(struct re2_class *class);
/* Reads [...]; the bracket is at scan->pos. */
int re2_scan_brackets(struct re2_scan *scan, struct re2_class *class) MUST_CHECK;
/* Reads \d, \pN, \p{Greek} and the like, if that is what is at scan->pos: *ret_found. */
int re2_scan_class_escape(struct re2_scan *scan, struct re2_class *class,
	bool *ret_found) MUST_CHECK;

/* A node that belongs to `re`. */
struct re2_node *re2_node_new(struct re2 *re, enum re2_op op, unsigned flags);
void re2_node_append(struct re2_node *parent, struct re2_node *child);
/* The same, but of a child of the same kind its children are appended. */
void re2_node_append_flat(struct re2_node *parent, struct re2_node *child);

struct re2_quantifier {
	enum re2_op op; /* RE2_STAR, RE2_PLUS, RE2_QUEST or RE2_REPEAT */
	int min, max; /* of RE2_REPEAT; max -1: no bound */
	unsigned flags;
};

/* The node for `sub` under a quantifier. */
struct re2_node *re2_node_quantified(struct re2 *re, struct re2_node *sub,
	const struct re2_quantifier *q);

static inline size_t re2_scan_left(const struct re2_scan *scan)
{
	return (size_t)(scan->end - scan->pos);
}

/* The byte `ahead` of the place, or 0 at the end. */
static inline char re2_scan_peek(const struct re2_scan *scan, size_t ahead)
{
	return ahead < re2_scan_left(scan) ? scan->pos[ahead] : '\0';
}

#endif
