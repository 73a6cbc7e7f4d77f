// SPDX-License-Identifier: Apache-2.0
/*
 * What Go's unicode package knows and PCRE2 or the C library do not offer in the same form:
 * locale-independent case mapping, and the names that \p{...} takes. Tables are of Unicode 15.0,
 * which is what Go 1.21 to 1.26 have.
 */
#ifndef RELABEL_UNICODE_H
#define RELABEL_UNICODE_H

#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

/* Simple (one to one) case mapping of one code point: Go's unicode.ToLower and unicode.ToUpper. */
uint32_t unicode_to_lower(uint32_t rune);
uint32_t unicode_to_upper(uint32_t rune);
/* Appends the UTF-8 text s with every code point mapped: Go's strings.ToLower and ToUpper. */
void unicode_add_lower(struct strbuf *out, const char *s, size_t len);
void unicode_add_upper(struct strbuf *out, const char *s, size_t len);

/* lo, lo + stride, ... hi */
struct unicode_stride {
	uint32_t lo, hi, stride;
};

struct unicode_property {
	const char *name; /* as PCRE2 (10.40 and newer) takes it in \p{...} */
	/* Under (?i), Go's \p also takes these: equal to a member but for case. NULL: no more. */
	const struct unicode_stride *folded;
	size_t folded_count;
};

/*
 * The property Go's \p{name} means, or NULL. Case, spaces, hyphens and underscores are ignored as in
 * Go. "Any", "Assigned" and "ASCII" are not in here.
 */
const struct unicode_property *unicode_property_find(const char *name, size_t len);

#endif
