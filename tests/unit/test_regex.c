// SPDX-License-Identifier: Apache-2.0
/* What the vectors (test_relabel_vectors.c) do not show: messages, limits, time, and the small parts. */
#include "unit/unit.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/hex.h"
#include "base/macros.h"
#include "relabel/md5.h"
#include "relabel/regex.h"
#include "relabel/template.h"
#include "relabel/unicode.h"

static struct regex *regex_of(const char *pattern)
{
	struct error err = {0};
	struct regex *re = NULL;

	ck_assert_msg(regex_new(pattern, &re, &err) == 0, "%.60s: %s", pattern, err.message);
	return re;
}

static enum regex_verdict verdict(const char *pattern, const char *subject, size_t len)
{
	struct regex_matcher matcher cleanup_regex_matcher = {0};
	struct regex *re = regex_of(pattern);
	enum regex_verdict v = regex_match(re, &matcher, subject, len, 0);

	regex_free(re);
	return v;
}

/* `count` bytes 'a' and then `tail`. */
static char *many(size_t count, const char *tail)
{
	char *s = xmalloc(count + strlen(tail) + 1);

	memset(s, 'a', count);
	strcpy(s + count, tail);
	return s;
}

START_TEST(refusals_say_what_is_wrong_and_what_to_write)
{
	static const struct {
		const char *pattern, *reason, *hint;
	} cases[] = {
		{"x(?=y)", "invalid or unsupported Perl syntax: `(?=`", "no look-ahead"},
		{"(?!y)", "invalid or unsupported Perl syntax: `(?!`", "no look-ahead"},
		{"(?<=y)", "invalid named capture", "no look-behind"},
		{"(?<!y)", "invalid named capture", "no look-behind"},
		{"(?>y)", "invalid or unsupported Perl syntax", "no atomic groups"},
		{"(?x)y", "invalid or unsupported Perl syntax", "flags are i, m, s and U"},
		{"(?R)", "invalid or unsupported Perl syntax", "no recursion"},
		{"(?1)", "invalid or unsupported Perl syntax", "no recursion"},
		{"(?(1)a|b)", "invalid or unsupported Perl syntax", "no conditional groups"},
		{"(a)\\1", "invalid escape sequence: `\\\\1`", "no back-references"},
		{"a\\Z", "invalid escape sequence: `\\\\Z`", "\\z is the end"},
		{"\\h+", "invalid escape sequence: `\\\\h`", "write [ \\t]"},
		{"\\x{110000}", "invalid escape sequence", "up to \\x{10ffff}"},
		{"(*ACCEPT)", "missing argument to repetition operator: `*`", "(*VERBS)"},
		{"a++", "invalid nested repetition operator: `++`", "no possessive"},
		{"a**", "invalid nested repetition operator: `**`", ""},
		{"a{1001}", "invalid repeat count: `{1001}`", "at most 1000"},
		{"(?:a{100}){11}", "invalid repeat count: `{11}`", "more than 1000"},
		{"[b-a]", "invalid character class range: `b-a`", "runs backwards"},
		{"[[:foo:]]", "invalid character class range: `[:foo:]`", "alnum, alpha"},
		{"\\p{Foo}", "invalid character class range: `\\\\p{Foo}`", "categories"},
		{"[a", "missing closing ]", ""},
		{"(a", "missing closing ): `(a`", ""},
		{"a)", "unexpected ): `a)`", ""},
		{"a\\", "invalid", ""},
		{"a\xff", "invalid UTF-8: `a\\xff`", ""},
		{"[\xc3]", "invalid UTF-8", ""},
		{"(?P<\xff>a)", "invalid UTF-8", ""},
		{"\\p{\xff}", "invalid UTF-8", ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error err = {0};
		struct regex *re = NULL;

		ck_assert_int_eq(regex_new(cases[i].pattern, &re, &err), -EINVAL);
		ck_assert_msg(strstr(err.message, cases[i].reason) != NULL &&
				strstr(err.message, cases[i].hint) != NULL,
			"%s", err.message);
	}
}
END_TEST

/* "((((...a...))))" */
static char *nested(size_t depth)
{
	char *s = xmalloc(2 * depth + 2);

	memset(s, '(', depth);
	s[depth] = 'a';
	memset(s + depth + 1, ')', depth);
	s[2 * depth + 1] = '\0';
	return s;
}

START_TEST(patterns_are_bounded)
{
	char *deep cleanup_free = nested(990), *deeper cleanup_free = nested(1001);
	char *longest cleanup_free = many(REGEX_PATTERN_MAX - 200, "");
	char *longer cleanup_free = many(REGEX_PATTERN_MAX, "b");
	struct error err = {0};
	struct regex *re = NULL;

	regex_free(regex_of(deep));
	regex_free(regex_of(longest));
	ck_assert_int_eq(regex_new(deeper, &re, &err), -EINVAL);
	ck_assert(strstr(err.message, "expression nests too deeply") != NULL);
	ck_assert_int_eq(regex_new(longer, &re, &err), -EINVAL);
	ck_assert(strstr(err.message, "too long") != NULL);
	ck_assert_int_eq(regex_new("(?:[a-z]{1,100}[^;]*;){1000}", &re, &err), -EINVAL);
	ck_assert_msg(strstr(err.message, "invalid repeat count") != NULL, "%s", err.message);
	ck_assert_int_eq(regex_new("(?:[^;]*[^:]*[^,]*;){1000}", &re, &err), -EINVAL);
	ck_assert_msg(strstr(err.message, "too large") != NULL, "%s", err.message);
}
END_TEST

/* Patterns that send a backtracking matcher around, the ends of lines that they do not match. */
static const char *const hostile[] = {
	"(a+)+$",
	"(a+)+[xy]",
	"(a|a)*[xy]",
	"(a|aa)+[xy]",
	"(a*)*[xy]",
	"((a*)*)*[xy]",
	"(.*)(.*)(.*)(.*)(.*)[xy]",
	"(?:a?){30}a{30}[xy]",
	"((a{1,9}){1,9}){1,9}[xy]",
	"(?:.*a){20}[xy]",
	"(?:a*[bc]|a)*[xy]",
	"(?:[^b]*[bd]|a)*[xy]",
	"x)|(.*[xy]",
	"x)|([ab]*[ab]*[ab]*[xy]",
	"x)|(?:a|a)*[xy]|(y",
	"(?i)(?:[a-z0-9]+(?:[._-][a-z0-9]+)*)*[xy]",
};

#define HOSTILE_CPU_MS 250 /* a few in fact; sanitizers and a busy machine take their share */

START_TEST(hostile_texts_cost_little)
{
	static const size_t sizes[] = {40, 3000, REGEX_SUBJECT_MAX - 1};

	for (size_t k = 0; k < ARRAY_SIZE(sizes); k++) {
		char *text cleanup_free = many(sizes[k], "!");

		for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
			clock_t start = clock();
			enum regex_verdict v = verdict(hostile[i], text, sizes[k] + 1);
			long ms = (clock() - start) * 1000 / CLOCKS_PER_SEC;

			ck_assert_msg(v != REGEX_YES || hostile[i][0] == 'x', "%s", hostile[i]);
			ck_assert_msg(ms < HOSTILE_CPU_MS, "%s, %zu bytes: %ld ms", hostile[i],
				sizes[k], ms);
			if (sizes[k] <= 40)
				ck_assert_msg(v != REGEX_GAVE_UP, "%s", hostile[i]);
		}
	}
}
END_TEST

START_TEST(many_ways_through_a_pattern_do_not_hide_the_match)
{
	char *text cleanup_free = many(2000, "x");

	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++)
		if (strstr(hostile[i], "[xy]") && !strstr(hostile[i], "{30}") &&
			!strstr(hostile[i], "{1,9}"))
			ck_assert_msg(verdict(hostile[i], text, 2001) == REGEX_YES, "%s",
				hostile[i]);
	ck_assert_int_eq(verdict("(?:a?){30}a{30}x", text + 1970, 31), REGEX_YES);
	ck_assert_int_eq(verdict("((a{1,9}){1,9}){1,9}x", text + 1300, 701), REGEX_YES);
}
END_TEST

START_TEST(subjects_are_bounded)
{
	char *text cleanup_free = many(REGEX_SUBJECT_MAX + 1, "");

	ck_assert_int_eq(verdict(".*", text, REGEX_SUBJECT_MAX), REGEX_YES);
	ck_assert_int_eq(verdict(".*", text, REGEX_SUBJECT_MAX + 1), REGEX_GAVE_UP);
	ck_assert_int_eq(verdict("b*", text, REGEX_SUBJECT_MAX), REGEX_NO);
	ck_assert_int_eq(verdict(".*", "a\xff", 2), REGEX_GAVE_UP);
}
END_TEST

START_TEST(folding_is_by_pairs_and_orbits)
{
	static const struct {
		const char *pattern, *subject;
		enum regex_verdict verdict;
	} cases[] = {
		{"(?i)[a-z]", "\u212a", REGEX_YES}, /* the Kelvin sign is a k */
		{"(?i)\\w", "\u017f", REGEX_YES}, /* the long s is an s */
		{"\\w", "\u017f", REGEX_NO},
		{"(?i)\\W", "\u212a", REGEX_NO},
		{"(?i)\\W", "\u0130",
			REGEX_YES}, /* has i as its lower case, but is no fold of it */
		{"(?i)i", "\u0130", REGEX_NO},
		{"(?i)\\p{Lu}", "a", REGEX_YES},
		{"(?i)\\P{Lu}", "a", REGEX_NO},
		{"\\p{Lu}", "a", REGEX_NO},
		{"(?i)σ", "ς", REGEX_YES},
		{"(?i)ß", "ẞ", REGEX_YES},
		{"(?i)ß", "SS", REGEX_NO},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		ck_assert_msg(verdict(cases[i].pattern, cases[i].subject,
				      strlen(cases[i].subject)) == cases[i].verdict,
			"case %zu: %s", i, cases[i].pattern);
}
END_TEST

START_TEST(one_matcher_serves_many_patterns)
{
	struct regex_matcher matcher cleanup_regex_matcher = {0};
	struct regex *small = regex_of("a(.)"), *large = regex_of("(a*)*((b)|(c))(.*)(.*)(.*)");

	ck_assert_int_eq(regex_match(small, &matcher, "ab", 2, 0), REGEX_YES);
	ck_assert_uint_eq(matcher.spans[2], 1);
	ck_assert_int_eq(regex_match(large, &matcher, "aac", 3, 0), REGEX_YES);
	ck_assert_uint_eq(matcher.spans[2], 0);
	ck_assert_uint_eq(matcher.spans[3], 2);
	ck_assert_uint_eq(matcher.spans[6], REGEX_UNSET);
	ck_assert_uint_eq(matcher.spans[8], 2);
	ck_assert_int_eq(regex_match(small, &matcher, "b", 1, 0), REGEX_NO);
	regex_free(small);
	regex_free(large);
}
END_TEST

START_TEST(templates_are_bounded)
{
	struct regex_matcher matcher cleanup_regex_matcher = {0};
	struct strbuf out cleanup_strbuf = STRBUF_INIT;
	struct regex *re = regex_of("(?P<n>.*)");
	struct template t;

	template_init(&t, "<$n$1>");
	ck_assert_int_eq(regex_match(re, &matcher, "abc", 3, 0), REGEX_YES);
	strbuf_add_str(&out, "=");
	ck_assert(!template_expand(&t, &out, re, &matcher, "abc", 7));
	ck_assert_str_eq(out.buf, "=");
	ck_assert(template_expand(&t, &out, re, &matcher, "abc", 8));
	ck_assert_str_eq(out.buf, "=<abcabc>");
	template_release(&t);
	regex_free(re);
}
END_TEST

START_TEST(md5_is_that_of_rfc_1321)
{
	static const struct {
		const char *text, *sum;
	} cases[] = {
		{"", "d41d8cd98f00b204e9800998ecf8427e"},
		{"a", "0cc175b9c0f1b6a831c399e269772661"},
		{"abc", "900150983cd24fb0d6963f7d28e17f72"},
		{"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
		{"abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"},
		{"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
			"d174ab98d277d9f5a5611c2c9f419d9f"},
		{"1234567890123456789012345678901234567890123456789012345678901234567890"
		 "1234567890",
			"57edf4a22be3c955ac49da2e2107b67a"},
		/* Around the place where the length needs a block of its own: `openssl md5`. */
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
			"ef1772b6dff9a122358552954ad0df65"},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
			"3b0c8ac703f828b04c6c197006d17218"},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
			"014842d480b571495a4a0363793f7367"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t sum[MD5_SIZE];
		char text[2 * MD5_SIZE + 1];

		md5(sum, cases[i].text, strlen(cases[i].text));
		hex_encode(text, sum, sizeof(sum));
		ck_assert_str_eq(text, cases[i].sum);
	}
}
END_TEST

START_TEST(case_is_mapped_one_to_one)
{
	static const struct {
		const char *text, *lower, *upper;
	} cases[] = {
		{"aB1", "ab1", "AB1"},
		{"Straße", "straße", "STRAßE"}, /* no upper case of one letter */
		{"ΣΑΣ", "σασ", "ΣΑΣ"}, /* no final sigma */
		{"İı", "iı", "İI"},
		{"ǅ", "ǆ", "Ǆ"},
		{"\u212a\u017f", "k\u017f", "\u212aS"}, /* Kelvin sign, long s */
		{"Āā", "āā", "ĀĀ"},
		{"\U00010400", "\U00010428", "\U00010400"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct strbuf lower cleanup_strbuf = STRBUF_INIT;
		struct strbuf upper cleanup_strbuf = STRBUF_INIT;

		unicode_add_lower(&lower, cases[i].text, strlen(cases[i].text));
		unicode_add_upper(&upper, cases[i].text, strlen(cases[i].text));
		ck_assert_str_eq(lower.buf, cases[i].lower);
		ck_assert_str_eq(upper.buf, cases[i].upper);
	}
}
END_TEST

UNIT_MAIN("regex", refusals_say_what_is_wrong_and_what_to_write, patterns_are_bounded,
	hostile_texts_cost_little, many_ways_through_a_pattern_do_not_hide_the_match,
	subjects_are_bounded, folding_is_by_pairs_and_orbits, one_matcher_serves_many_patterns,
	templates_are_bounded, md5_is_that_of_rfc_1321, case_is_mapped_one_to_one)
