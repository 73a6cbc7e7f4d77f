// SPDX-License-Identifier: Apache-2.0
/*
 * Characters and sets of characters: escapes, [...], \d, [:alpha:], \p{Greek}.
 *
 * A set is kept as a union of ranges and Unicode properties. Under (?i) the ranges are folded where
 * the set is used, so a range here means "and everything equal but for case". What Go negates after
 * folding, like \W, is therefore folded and negated here: the result is closed under folding, and
 * folding it once more changes nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/macros.h"
#include "base/utf8.h"
#include "relabel/re2_scan.h"
#include "relabel/unicode.h"

#define LONG_S      0x17fu /* folds to s */
#define KELVIN_SIGN 0x212au /* folds to k */

/* Sets of ASCII characters that have names. */
struct ascii_set {
	const char *name;
	struct re2_range ranges[4]; /* sorted; hi 0: unused, but for the first */
};

/* clang-format off */
static const struct ascii_set perl_sets[] = {
	{"d", {{'0', '9'}}},
	{"s", {{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}}},
	{"w", {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}},
};

static const struct ascii_set posix_sets[] = {
	{"alnum", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}},
	{"alpha", {{'A', 'Z'}, {'a', 'z'}}},
	{"ascii", {{0, 0x7f}}},
	{"blank", {{'\t', '\t'}, {' ', ' '}}},
	{"cntrl", {{0, 0x1f}, {0x7f, 0x7f}}},
	{"digit", {{'0', '9'}}},
	{"graph", {{'!', '~'}}},
	{"lower", {{'a', 'z'}}},
	{"print", {{' ', '~'}}},
	{"punct", {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}},
	{"space", {{'\t', '\r'}, {' ', ' '}}},
	{"upper", {{'A', 'Z'}}},
	{"word", {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}},
	{"xdigit", {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}},
};
/* clang-format on */

struct re2_class *re2_class_new(void)
{
	return xcalloc(1, sizeof(struct re2_class));
}

void re2_class_free(struct re2_class *class)
{
	if (!class)
		return;
	free(class->ranges);
	free(class->properties);
	free(class);
}

static void add_range(struct re2_class *class, uint32_t lo, uint32_t hi)
{
	if (class->range_count == class->range_capacity) {
		class->range_capacity =
			grow_capacity(class->range_capacity, class->range_count + 1);
		class->ranges = xreallocarray(class->ranges, class->range_capacity,
			sizeof(class->ranges[0]));
	}
	class->ranges[class->range_count++] = (struct re2_range){lo, hi};
}

static void add_property(struct re2_class *class, const struct unicode_property *p, bool negated)
{
	if (class->property_count == class->property_capacity) {
		class->property_capacity =
			grow_capacity(class->property_capacity, class->property_count + 1);
		class->properties = xreallocarray(class->properties, class->property_capacity,
			sizeof(class->properties[0]));
	}
	class->properties[class->property_count++] = (struct re2_property){p, negated};
}

static bool in_ascii_set(const struct ascii_set *set, uint32_t c)
{
	for (size_t i = 0; i < ARRAY_SIZE(set->ranges) && (i == 0 || set->ranges[i].hi); i++)
		if (c >= set->ranges[i].lo && c <= set->ranges[i].hi)
			return true;
	return false;
}

/* Membership of the set after folding, for every code point that can be a member. */
static bool in_folded_set(const struct ascii_set *set, uint32_t c)
{
	if (c == LONG_S)
		return in_ascii_set(set, 's') || in_ascii_set(set, 'S');
	if (c == KELVIN_SIGN)
		return in_ascii_set(set, 'k') || in_ascii_set(set, 'K');
	return c < 0x80 &&
		(in_ascii_set(set, c) || in_ascii_set(set, unicode_to_lower(c)) ||
			in_ascii_set(set, unicode_to_upper(c)));
}

static void add_complement(struct re2_class *class, const struct ascii_set *set, bool fold)
{
	uint32_t next = 0; /* the start of the gap we are in */

	for (uint32_t c = 0; c <= KELVIN_SIGN; c++) {
		if (fold ? !in_folded_set(set, c) : !in_ascii_set(set, c))
			continue;
		if (c > next)
			add_range(class, next, c - 1);
		next = c + 1;
	}
	add_range(class, next, RE2_RUNE_MAX);
}

static void add_ascii_set(struct re2_scan *scan, struct re2_class *class,
	const struct ascii_set *set, bool negated)
{
	if (negated) {
		add_complement(class, set, scan->flags & RE2_FOLD);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(set->ranges) && (i == 0 || set->ranges[i].hi); i++)
		add_range(class, set->ranges[i].lo, set->ranges[i].hi);
}

int re2_scan_rune(struct re2_scan *scan, uint32_t *ret)
{
	size_t len = scan->pos < scan->end ? utf8_decode(scan->pos, re2_scan_left(scan), ret) : 0;

	if (len == 0)
		return re2_refuse(scan, "invalid UTF-8", NULL, NULL);
	scan->pos += len;
	return 0;
}

static int hex_value(uint32_t c)
{
	if (c >= '0' && c <= '9')
		return (int)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (int)(c - 'a') + 10;
	if (c >= 'A' && c <= 'F')
		return (int)(c - 'A') + 10;
	return -1;
}

/* After \x: two digits, or any number in braces. *ret_ok false: malformed. */
static int scan_hex(struct re2_scan *scan, uint32_t *ret, bool *ret_ok)
{
	uint32_t c = 0, value = 0;
	unsigned digits = 0;
	bool braces = re2_scan_peek(scan, 0) == '{';

	*ret_ok = false;
	if (braces)
		scan->pos++;
	while (scan->pos < scan->end && (braces || digits < 2)) {
		int r = re2_scan_rune(scan, &c);

		if (r < 0)
			return r;
		if (braces && c == '}') {
			*ret_ok = digits > 0;
			*ret = value;
			return 0;
		}
		if (hex_value(c) < 0 ||
			(value = value * 16 + (uint32_t)hex_value(c)) > RE2_RUNE_MAX)
			return 0;
		digits++;
	}
	*ret_ok = !braces && digits == 2;
	*ret = value;
	return 0;
}

/* After a backslash and `c`, the first octal digit: up to two more. */
static uint32_t scan_octal(struct re2_scan *scan, uint32_t c)
{
	uint32_t value = c - '0';

	for (int i = 1; i < 3; i++) {
		char digit = re2_scan_peek(scan, 0);

		if (digit < '0' || digit > '7')
			break;
		value = value * 8 + (uint32_t)(digit - '0');
		scan->pos++;
	}
	return value;
}

static bool is_ascii_alnum(uint32_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static const char *escape_hint(uint32_t c)
{
	static const struct {
		char letter;
		const char *hint;
	} hints[] = {
		{'Z', "Prometheus' RE2 has no \\Z; the pattern is anchored anyway, \\z is the end"},
		{'h', "Prometheus' RE2 has no \\h; write [ \\t]"},
		{'H', "Prometheus' RE2 has no \\H; write [^ \\t]"},
		{'R', "Prometheus' RE2 has no \\R; write (?:\\r\\n|\\n|\\r)"},
		{'X', "Prometheus' RE2 has no \\X"},
		{'K', "Prometheus' RE2 has no \\K; use a group and $1"},
		{'G', "Prometheus' RE2 has no \\G"},
		{'N', "Prometheus' RE2 has no \\N; write [^\\n]"},
		{'C', "Prometheus' RE2 has no \\C"},
		{'g', "Prometheus' RE2 has no back-references"},
		{'k', "Prometheus' RE2 has no back-references"},
		{'e', "Prometheus' RE2 has no \\e; write \\x1b"},
		{'E', "\\E ends a \\Q that is not there"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(hints); i++)
		if (c == (unsigned char)hints[i].letter)
			return hints[i].hint;
	if (c >= '1' && c <= '9')
		return "Prometheus' RE2 has no back-references";
	return is_ascii_alnum(c) ? NULL : "only ASCII punctuation can be escaped";
}

/* The letter escapes; 0: there is no such one. */
static uint32_t control_escape(uint32_t c)
{
	switch (c) {
	case 'a':
		return '\a';
	case 'f':
		return '\f';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	case 'v':
		return '\v';
	default:
		return 0;
	}
}

int re2_scan_escape(struct re2_scan *scan, uint32_t *ret)
{
	const char *from = scan->pos++;
	uint32_t c = 0;

	if (scan->pos == scan->end)
		return re2_refuse(scan, "trailing backslash at end of expression", from, NULL);
	int r = re2_scan_rune(scan, &c);

	if (r < 0)
		return r;
	char next = re2_scan_peek(scan, 0);

	if (c == '0' || (c >= '1' && c <= '7' && next >= '0' && next <= '7')) {
		*ret = scan_octal(scan, c);
		return 0;
	}
	if (c == 'x') {
		bool ok;

		r = scan_hex(scan, ret, &ok);
		if (r < 0 || ok)
			return r;
		return re2_refuse(scan, "invalid escape sequence", from,
			"write \\x41 or \\x{1f600}, up to \\x{10ffff}");
	}
	*ret = control_escape(c);
	if (*ret)
		return 0;
	if (c < 0x80 && !is_ascii_alnum(c)) {
		*ret = c;
		return 0;
	}
	return re2_refuse(scan, "invalid escape sequence", from, escape_hint(c));
}

/* The name in \pN or \p{name}; the place moves behind it. */
static int scan_property_name(struct re2_scan *scan, const char **ret, size_t *ret_len)
{
	const char *from = scan->pos;
	uint32_t c = 0;

	scan->pos += 2;
	*ret = scan->pos;
	int r = re2_scan_rune(scan, &c);

	if (r < 0)
		return r;
	if (c != '{') {
		*ret_len = (size_t)(scan->pos - *ret);
		return 0;
	}
	*ret = scan->pos;
	const char *brace = memchr(scan->pos, '}', re2_scan_left(scan));
	const char *end = brace ? brace : scan->end;

	if (!utf8_valid(*ret, (size_t)(end - *ret)))
		return re2_refuse(scan, "invalid UTF-8", NULL, NULL);
	scan->pos = brace ? brace + 1 : scan->end;
	if (!brace)
		return re2_refuse(scan, "invalid character class range", from,
			"\\p{ has no closing brace");
	*ret_len = (size_t)(brace - *ret);
	return 0;
}

static bool name_is(const char *name, size_t len, const char *what)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (name[i] == '_' || name[i] == '-' || name[i] == ' ')
			continue;
		if (!what[n] || unicode_to_lower((unsigned char)name[i]) != (unsigned char)what[n])
			return false;
		n++;
	}
	return what[n] == '\0';
}

/* \p{name} and \P{name}. */
static int scan_property(struct re2_scan *scan, struct re2_class *class)
{
	static const struct ascii_set ascii = {"ascii", {{0, 0x7f}}};
	const char *from = scan->pos, *name = NULL;
	bool negated = from[1] == 'P';
	size_t len = 0;
	int r = scan_property_name(scan, &name, &len);

	if (r < 0)
		return r;
	if (len && *name == '^') {
		negated = !negated;
		name++;
		len--;
	}
	if (name_is(name, len, "any")) {
		if (!negated)
			add_range(class, 0, RE2_RUNE_MAX);
		return 0;
	}
	if (name_is(name, len, "ascii")) {
		add_ascii_set(scan, class, &ascii, negated);
		return 0;
	}
	if (name_is(name, len, "assigned")) {
		add_property(class, unicode_property_find("Cn", 2), !negated);
		return 0;
	}
	const struct unicode_property *p = unicode_property_find(name, len);

	if (!p)
		return re2_refuse(scan, "invalid character class range", from,
			"Prometheus' RE2 knows general categories (L, Lu, Nd, ...) and scripts of one "
			"word (Greek, Han, ...) by their Unicode names");
	add_property(class, p, negated);
	return 0;
}

int re2_scan_class_escape(struct re2_scan *scan, struct re2_class *class, bool *ret_found)
{
	char letter = re2_scan_peek(scan, 1);

	*ret_found = false;
	if (re2_scan_peek(scan, 0) != '\\')
		return 0;
	if (letter == 'p' || letter == 'P') {
		*ret_found = true;
		return scan_property(scan, class);
	}
	for (size_t i = 0; i < ARRAY_SIZE(perl_sets); i++) {
		if ((letter | 0x20) != perl_sets[i].name[0])
			continue;
		*ret_found = true;
		scan->pos += 2;
		add_ascii_set(scan, class, &perl_sets[i], letter < 'a');
	}
	return 0;
}

/* [:name:] or [:^name:]; *ret_found false where the text is no such thing. */
static int scan_posix_set(struct re2_scan *scan, struct re2_class *class, bool *ret_found)
{
	const char *from = scan->pos;

	*ret_found = false;
	if (re2_scan_left(scan) < 3 || from[0] != '[' || from[1] != ':')
		return 0;
	const char *end = memmem(from + 2, (size_t)(scan->end - from) - 2, ":]", 2);

	if (!end)
		return 0;
	const char *name = from[2] == '^' ? from + 3 : from + 2;

	*ret_found = true;
	scan->pos = end + 2;
	for (size_t i = 0; i < ARRAY_SIZE(posix_sets); i++) {
		const struct ascii_set *set = &posix_sets[i];

		if (name <= end && strlen(set->name) == (size_t)(end - name) &&
			memcmp(set->name, name, (size_t)(end - name)) == 0) {
			add_ascii_set(scan, class, set, from[2] == '^');
			return 0;
		}
	}
	return re2_refuse(scan, "invalid character class range", from,
		"names are alnum, alpha, ascii, blank, cntrl, digit, graph, lower, print, punct, "
		"space, upper, word, xdigit");
}

static int scan_class_char(struct re2_scan *scan, const char *bracket, uint32_t *ret)
{
	if (scan->pos == scan->end)
		return re2_refuse(scan, "missing closing ]", bracket, NULL);
	if (*scan->pos == '\\')
		return re2_scan_escape(scan, ret);
	return re2_scan_rune(scan, ret);
}

/* A character, or two with a hyphen between. */
static int scan_class_range(struct re2_scan *scan, const char *bracket, struct re2_class *class)
{
	const char *from = scan->pos;
	uint32_t lo = 0, hi = 0;
	int r = scan_class_char(scan, bracket, &lo);

	if (r < 0)
		return r;
	hi = lo;
	if (re2_scan_left(scan) >= 2 && scan->pos[0] == '-' && scan->pos[1] != ']') {
		scan->pos++;
		r = scan_class_char(scan, bracket, &hi);
		if (r < 0)
			return r;
		if (hi < lo)
			return re2_refuse(scan, "invalid character class range", from,
				"the range runs backwards");
	}
	add_range(class, lo, hi);
	return 0;
}

int re2_scan_brackets(struct re2_scan *scan, struct re2_class *class)
{
	const char *bracket = scan->pos++;
	const char *first;

	if (re2_scan_peek(scan, 0) == '^') {
		class->negated = true;
		scan->pos++;
	}
	first = scan->pos; /* here, ] stands for itself */
	while (scan->pos == first || scan->pos == scan->end || *scan->pos != ']') {
		bool found;
		int r = scan_posix_set(scan, class, &found);

		if (r == 0 && !found)
			r = re2_scan_class_escape(scan, class, &found);
		if (r == 0 && !found)
			r = scan_class_range(scan, bracket, class);
		if (r < 0)
			return r;
	}
	scan->pos++;
	return 0;
}
