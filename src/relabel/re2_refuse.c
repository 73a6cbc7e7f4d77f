// SPDX-License-Identifier: Apache-2.0
/* Why a pattern is no RE2 pattern, in Go's words, and what to write instead, in ours. */
#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "base/text.h"
#include "relabel/re2_scan.h"

#define SHOWN_MAX 80 /* bytes of the offending text in a message */

int re2_refuse(struct re2_scan *scan, const char *reason, const char *from, const char *hint)
{
	if (!scan->reason) {
		scan->reason = reason;
		scan->hint = hint;
		scan->from = from;
		scan->to = scan->pos;
	}
	return -EINVAL;
}

const char *re2_perl_hint(const char *from, const char *to)
{
	static const struct {
		const char *start, *hint;
	} hints[] = {
		{"(?=", "Prometheus' RE2 has no look-ahead"},
		{"(?!", "Prometheus' RE2 has no look-ahead; often a drop rule before does it"},
		{"(?>", "Prometheus' RE2 has no atomic groups; (?:...) matches the same or more"},
		{"(?|", "Prometheus' RE2 has no branch reset"},
		{"(?#", "Prometheus' RE2 has no comments in patterns"},
		{"(?(", "Prometheus' RE2 has no conditional groups"},
		{"(?&", "Prometheus' RE2 has no recursion"},
		{"(?R", "Prometheus' RE2 has no recursion"},
		{"(?P>", "Prometheus' RE2 has no recursion"},
		{"(?P=", "Prometheus' RE2 has no back-references"},
		{"(?'", "write (?P<name>...)"},
		{"(?x", "Prometheus' RE2 has no x flag; flags are i, m, s and U"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(hints); i++)
		if ((size_t)(to - from) >= strlen(hints[i].start) &&
			strncmp(from, hints[i].start, strlen(hints[i].start)) == 0)
			return hints[i].hint;
	if (to - from > 2 && (from[2] == '+' || (from[2] >= '0' && from[2] <= '9')))
		return "Prometheus' RE2 has no recursion";
	return "flags are i, m, s and U, as in (?i) or (?s-i:...)";
}

void re2_say_why(const struct re2_scan *scan, const char *pattern, size_t len, struct error *err)
{
	struct strbuf shown cleanup_strbuf = STRBUF_INIT;
	const char *end = pattern + len;

	if (scan->from && scan->from >= pattern && scan->from < end)
		text_add_safe(&shown, scan->from, (size_t)(MIN(scan->to, end) - scan->from),
			SHOWN_MAX);
	else
		text_add_safe(&shown, pattern, len, SHOWN_MAX);
	error_set(err, -EINVAL, "invalid regular expression: %s: `%s`%s%s", scan->reason, shown.buf,
		scan->hint ? ": " : "", scan->hint ? scan->hint : "");
}
