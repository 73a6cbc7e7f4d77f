// SPDX-License-Identifier: Apache-2.0
/* The parts of the configuration that need no other room: YAML tree, expansion, suggestions, URLs. */
#include "unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "base/strbuf.h"
#include "config/expand.h"
#include "config/suggest.h"
#include "config/tree.h"
#include "config/url.h"

/* What the tree holds, on one line: maps in {}, lists in [], texts as they are, null as ~. */
static void show(struct strbuf *out, const struct node *node)
{
	bool map = node->kind == NODE_MAP;

	if (node->kind == NODE_NULL || node->kind == NODE_SCALAR) {
		strbuf_addf(out, "%s", node->kind == NODE_NULL ? "~" : node->text);
		return;
	}
	strbuf_add_char(out, map ? '{' : '[');
	for (size_t i = 0; i < node->count; i++) {
		if (i)
			strbuf_add_char(out, map && i % 2 ? ':' : ',');
		show(out, node->items[i]);
	}
	strbuf_add_char(out, map ? '}' : ']');
}

/* The tree, or its problems, as text. */
static void parse(const char *text, size_t len, struct strbuf *out)
{
	struct config_problems problems = {0};
	struct tree tree;
	int r = tree_parse(text, len, &tree, &problems);

	ck_assert_int_eq(r, problems.count ? -EINVAL : 0);
	for (size_t i = 0; i < problems.count; i++)
		config_problem_format(out, "f", &problems.list[i]);
	if (r == 0 && tree.root)
		show(out, tree.root);
	tree_release(&tree);
	config_problems_release(&problems);
}

START_TEST(yaml_becomes_a_tree)
{
	static const struct {
		const char *text, *tree;
	} cases[] = {
		{"", ""},
		{"# only a comment\n", ""},
		{"---\n", "~"},
		{"a: 1\nb: [x, 'y', \"z\"]\n", "{a:1,b:[x,y,z]}"},
		{"a:\nb: ~\nc: null\nd: ''\ne: \"null\"\n", "{a:~,b:~,c:~,d:,e:null}"},
		{"- a\n- - b\n  - c\n- {}\n- []\n", "[a,[b,c],{},[]]"},
		{"a: &x {k: v}\nb: *x\nc: [*x, *x]\n", "{a:{k:v},b:{k:v},c:[{k:v},{k:v}]}"},
		{"a: &x 1\nb: &x 2\nc: *x\n", "{a:1,b:2,c:2}"},
		{"a: |\n  line\n  two\n", "{a:line\ntwo\n}"},
		{"{\"targets\": [\"h:1\"], \"labels\": {\"a\": \"b\"}}",
			"{targets:[h:1],labels:{a:b}}"},
		{"\xef\xbb\xbf"
		 "a: 1\n",
			"{a:1}"},
		{"a: !!str 12\n", "{a:12}"},
		{"\"<<\": 1\n", "{<<:1}"},
		{"a: b\n...\n", "{a:b}"},
		{"a: \"\\x41\\u00e4\"\n", "{a:A\xc3\xa4}"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct strbuf out cleanup_strbuf = STRBUF_INIT;

		parse(cases[i].text, strlen(cases[i].text), &out);
		ck_assert_str_eq(out.buf, cases[i].tree);
	}
}
END_TEST

START_TEST(what_is_no_plain_yaml_is_refused_where_it_stands)
{
	static const struct {
		const char *text, *problem;
	} cases[] = {
		{"a:\n\tb: 1\n", "f:2:1: a tab in the indentation; YAML allows only spaces there"},
		{"a:\n  b: 1\n \tc: 2\n",
			"f:3:2: a tab in the indentation; YAML allows only spaces there"},
		{"a: 1\n---\nb: 2\n",
			"f:2:1: a second document starts here (---); write everything in one"},
		{"b: &x {a: 1}\nc:\n  <<: *x\n",
			"f:3:3: merge keys (<<) are not supported; write the keys out"},
		{"a: *nope\n", "f:1:4: no anchor &nope stands before this alias"},
		{"a: &x [1, *x]\n", "f:1:11: *x is inside its own anchor"},
		{"a: !!int 1\n",
			"f:1:4: tags (tag:yaml.org,2002:int) are not supported; remove it"},
		{"a: !mine {}\n", "f:1:4: tags (!mine) are not supported; remove it"},
		{"? [a]\n: b\n", "f:1:3: a key must be a plain word"},
		{"? {a: b}\n: b\n", "f:1:3: a key must be a plain word"},
		{": b\n",
			"f:1:1: not valid YAML: did not find expected key (while parsing a block "
			"mapping, from line 1)"},
		{"~: b\n", "f:1:1: a key must be a plain word"},
		{"a: \"x\\0y\"\n", "f:1:4: a text cannot hold the NUL character (\\0)"},
		{"a: [1, 2\n",
			"f:2:1: not valid YAML: did not find expected ',' or ']' (while "
			"parsing a flow sequence, from line 1)"},
		{"a: 'x\n",
			"f:2:1: not valid YAML: found unexpected end of stream (while scanning a "
			"quoted scalar, from line 1)"},
		{"a: b: c\n",
			"f:1:5: not valid YAML: mapping values are not allowed in this context"},
		{"a: 1\n b: 2\n",
			"f:2:3: not valid YAML: mapping values are not allowed in this context"},
		{"a: @x\n",
			"f:1:4: not valid YAML: found character that cannot start any token "
			"(while scanning for the next token, from line 1)"},
		{"a: b\nc: \xff\n", "f:2:4: not valid UTF-8; save the file as UTF-8"},
		{"\xff\xfe"
		 "a",
			"f:1:1: not valid UTF-8; save the file as UTF-8"},
		{"a: \xc3\xa4\x01\n",
			"f:1:5: a control character; remove it, or write it as "
			"\"\\xNN\" in double quotes"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct strbuf out cleanup_strbuf = STRBUF_INIT;

		parse(cases[i].text, strlen(cases[i].text), &out);
		ck_assert_str_eq(out.buf, cases[i].problem);
	}
}
END_TEST

START_TEST(the_size_of_a_tree_is_bounded)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;
	struct strbuf out cleanup_strbuf = STRBUF_INIT;

	for (int i = 0; i < TREE_MAX_DEPTH; i++)
		strbuf_add_char(&text, '[');
	for (int i = 0; i < TREE_MAX_DEPTH; i++)
		strbuf_add_char(&text, ']');
	parse(text.buf, text.len, &out);
	ck_assert_int_eq(out.buf[0], '[');

	strbuf_reset(&out);
	strbuf_reset(&text);
	for (int i = 0; i < 1000; i++)
		strbuf_add_char(&text, '[');
	parse(text.buf, text.len, &out);
	ck_assert_str_eq(out.buf, "f:1:33: nested deeper than 32 levels");

	strbuf_reset(&out);
	strbuf_reset(&text);
	for (int i = 0; i < TREE_MAX_NODES; i++)
		strbuf_add_str(&text, "- x\n");
	parse(text.buf, text.len, &out);
	ck_assert_str_eq(out.buf, "f:100001:1: more than 100000 values");

	strbuf_reset(&out);
	strbuf_reset(&text);
	for (int i = 0; i <= TREE_MAX_BYTES; i++)
		strbuf_add_char(&text, '\n');
	parse(text.buf, text.len, &out);
	ck_assert_str_eq(out.buf, "f: larger than 1048576 bytes");
}
END_TEST

START_TEST(aliases_cannot_multiply)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;
	struct strbuf out cleanup_strbuf = STRBUF_INIT;

	/* Nine times nine times nine ... */
	strbuf_add_str(&text, "a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
	for (int i = 1; i < 7; i++) {
		strbuf_addf(&text, "a%d: &a%d [", i, i);
		for (int k = 0; k < 9; k++)
			strbuf_addf(&text, "*a%d,", i - 1);
		strbuf_add_str(&text, "]\n");
	}
	parse(text.buf, text.len, &out);
	ck_assert_str_eq(out.buf, "f:6:5: more than 100000 values (aliases written out)");

	strbuf_reset(&out);
	strbuf_reset(&text);
	strbuf_add_str(&text, "a: &a 1\nb:\n");
	for (int i = 0; i <= TREE_MAX_ALIASES; i++)
		strbuf_add_str(&text, "- *a\n");
	parse(text.buf, text.len, &out);
	ck_assert_str_eq(out.buf, "f:67:3: more than 64 aliases");

	strbuf_reset(&out);
	strbuf_reset(&text);
	for (int i = 0; i <= TREE_MAX_ANCHORS; i++)
		strbuf_addf(&text, "- &a%d 1\n", i);
	parse(text.buf, text.len, &out);
	ck_assert_str_eq(out.buf, "f:65:3: more than 64 anchors");

	strbuf_reset(&out);
	strbuf_reset(&text);
	strbuf_add_str(&text,
		"a: &a [[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]\nb: "
		"[[[[[[[[[[[[[[[[*a]]]]]]]]]]]]]]]]\n");
	parse(text.buf, text.len, &out);
	ck_assert_str_eq(out.buf, "f:2:20: nested deeper than 32 levels");
}
END_TEST

START_TEST(a_value_finds_its_way_by_key)
{
	static const char text[] = "first: 1\nsecond:\n  third: [x]\n";
	struct config_problems problems = {0};
	struct tree tree;

	ck_assert_int_eq(tree_parse(text, strlen(text), &tree, &problems), 0);
	const struct node *second = node_get(tree.root, "second");

	ck_assert_ptr_nonnull(second);
	ck_assert_uint_eq(node_get_key(tree.root, "second")->line, 2);
	ck_assert_uint_eq(node_get_key(tree.root, "second")->column, 1);
	ck_assert_uint_eq(node_get(second, "third")->column, 10);
	ck_assert_ptr_null(node_get(tree.root, "third"));
	ck_assert_ptr_null(node_get(node_get(tree.root, "first"), "x"));
	tree_release(&tree);
}
END_TEST

START_TEST(variables_are_expanded_once)
{
	static const struct {
		const char *text, *value;
	} cases[] = {
		{"", ""},
		{"plain", "plain"},
		{"${DP_A}", "alpha"},
		{"x${DP_A}y${DP_A}z", "xalphayalphaz"},
		{"${DP_EMPTY}", ""},
		{"${DP_EMPTY:-d}", "d"},
		{"${DP_UNSET:-d}", "d"},
		{"${DP_UNSET:-}", ""},
		{"${DP_UNSET:-a:-b}", "a:-b"},
		{"${DP_A:-d}", "alpha"},
		{"$DP_A", "$DP_A"},
		{"$1 $$ $", "$1 $$ $"},
		{"$${DP_A}", "${DP_A}"},
		{"$$${DP_A}", "$${DP_A}"},
		{"${DP_TRICKY}", "${DP_A}: [1, *x]"},
		{"${DP_UNSET:-${DP_A}", "${DP_A"},
	};

	setenv("DP_A", "alpha", 1);
	setenv("DP_EMPTY", "", 1);
	setenv("DP_TRICKY", "${DP_A}: [1, *x]", 1);
	unsetenv("DP_UNSET");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct strbuf out cleanup_strbuf = STRBUF_INIT;
		struct error err = {0};

		ck_assert_int_eq(expand_env(&out, cases[i].text, false, &err), 0);
		ck_assert_str_eq(out.buf, cases[i].value);
	}
}
END_TEST

START_TEST(a_variable_that_is_not_set_is_an_error)
{
	static const struct {
		const char *text;
		bool secret;
		const char *problem;
	} cases[] = {
		{"${DP_UNSET}", false,
			"the environment variable DP_UNSET is not set; set it, or write "
			"${DP_UNSET:-default}"},
		{"${dp_lower}", false,
			"the environment variable dp_lower is not set; set it, or write "
			"${dp_lower:-default}"},
		{"${DP_UNSET}", true,
			"the environment variable DP_UNSET is not set; set it, or write "
			"${DP_UNSET:-default}"},
		{"${hunter2}", true,
			"an environment variable named here is not set; write $${ for a literal ${"},
		{"a${b", true, "${ without }; write $${ for a literal ${"},
		{"${}", false,
			"only ${NAME} and ${NAME:-default} are expanded; write $${ for a literal ${"},
		{"${1}", false,
			"only ${NAME} and ${NAME:-default} are expanded; write $${ for a literal ${"},
		{"${a b}", true,
			"only ${NAME} and ${NAME:-default} are expanded; write $${ for a literal ${"},
		{"${A?x}", false,
			"only ${NAME} and ${NAME:-default} are expanded; write $${ for a literal ${"},
	};

	unsetenv("DP_UNSET");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct strbuf out cleanup_strbuf = STRBUF_INIT;
		struct error err = {0};

		ck_assert_int_eq(expand_env(&out, cases[i].text, cases[i].secret, &err), -EINVAL);
		ck_assert_str_eq(err.message, cases[i].problem);
	}
}
END_TEST

START_TEST(an_expanded_value_is_bounded)
{
	struct strbuf out cleanup_strbuf = STRBUF_INIT;
	char *big = malloc(EXPAND_MAX_BYTES);
	struct error err = {0};

	memset(big, 'x', EXPAND_MAX_BYTES - 1);
	big[EXPAND_MAX_BYTES - 1] = '\0';
	setenv("DP_BIG", big, 1);
	free(big);
	ck_assert_int_eq(expand_env(&out, "${DP_BIG}y", false, &err), 0);
	ck_assert_int_eq(expand_env(&out, "${DP_BIG}yz", false, &err), -EINVAL);
	ck_assert_str_eq(err.message, "longer than 65536 bytes once expanded");
}
END_TEST

START_TEST(distances_count_slips_of_the_finger)
{
	static const struct {
		const char *a, *b;
		size_t distance;
	} cases[] = {
		{"", "", 0},
		{"abc", "abc", 0},
		{"abc", "", 3},
		{"", "abc", 3},
		{"relable_configs", "relabel_configs", 1},
		{"sampel_rate", "sample_rate", 1},
		{"samplerate", "sample_rate", 1},
		{"kitten", "sitting", 3},
		{"ca", "abc", 3},
		{"abcdef", "uvwxyz", 5},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ck_assert_uint_eq(edit_distance(cases[i].a, cases[i].b, 4), cases[i].distance);
		ck_assert_uint_eq(edit_distance(cases[i].b, cases[i].a, 4), cases[i].distance);
	}
	char longest[66] = {0};

	memset(longest, 'x', 65);
	ck_assert_uint_eq(edit_distance(longest, longest, 4), 5);
	ck_assert_uint_eq(suggest_limit("url"), 1);
	ck_assert_uint_eq(suggest_limit("relabel_configs"), 5);
}
END_TEST

START_TEST(urls_are_checked_without_being_shown)
{
	static const char *const schemes[] = {"http", "https", NULL};
	static const char *const good[] = {
		"http://pyroscope:4040",
		"https://profiles-prod-001.grafana.net",
		"http://my_service:1/some/prefix/",
		"HTTP://h",
		"http://[::1]:4040",
		"http://[fe80::1%25]/x",
		"http://127.0.0.1:65535",
		"http://h/a@b:c",
	};
	static const struct {
		const char *url, *problem;
	} bad[] = {
		{"", "a URL starts with http:// or https://"},
		{"pyroscope:4040", "a URL starts with http:// or https://"},
		{"ftp://h", "a URL starts with http:// or https://"},
		{"http:/h", "a URL starts with http:// or https://"},
		{"http://", "the host name is missing"},
		{"http://:4040", "the host name is missing"},
		{"http:///x", "the host name is missing"},
		{"http://u:secret@h",
			"a user or password in a URL shows up in logs; write "
			"basic_auth instead"},
		{"http://h:0", "the port must be a number from 1 to 65535"},
		{"http://h:65536", "the port must be a number from 1 to 65535"},
		{"http://h:", "the port must be a number from 1 to 65535"},
		{"http://h:4o40", "the port must be a number from 1 to 65535"},
		{"http://h h", "a URL has no blanks and only ASCII; write others as %XX"},
		{"http://h\n", "a URL has no blanks and only ASCII; write others as %XX"},
		{"http://h\xc3\xa4", "a URL has no blanks and only ASCII; write others as %XX"},
		{"http://h?x", "a base URL has no query (?) and no fragment (#)"},
		{"http://h/#x", "a base URL has no query (?) and no fragment (#)"},
		{"http://h,i", "the host name has a character that none can have"},
		{"http://[::1", "an IPv6 address looks like [::1]"},
		{"http://[]", "an IPv6 address looks like [::1]"},
		{"http://[::1]x", "the host name has a character that none can have"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		ck_assert_msg(url_check(good[i], schemes, NULL) == 0, "%s", good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct error err = {0};

		ck_assert_int_eq(url_check(bad[i].url, schemes, &err), -EINVAL);
		ck_assert_str_eq(err.message, bad[i].problem);
	}
}
END_TEST

START_TEST(a_proxy_may_have_a_user)
{
	static const char *const schemes[] = {"http", NULL};
	static const char *const good[] = {"http://h:1", "http://u@h",
		"http://u:p%40ss@[::1]:3128/"};
	static const struct {
		const char *url, *problem;
	} bad[] = {
		{"http://u:p@ss@h", "only one @ can be there; write %40 for that of a password"},
		{"http://u:p@", "the host name is missing"},
		{"http://u:p@h:x", "the port must be a number from 1 to 65535"},
		{"ftp://u:p@h", "a URL starts with http://"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		ck_assert_msg(url_check_proxy(good[i], schemes, NULL) == 0, "%s", good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct error err = {0};

		ck_assert_int_eq(url_check_proxy(bad[i].url, schemes, &err), -EINVAL);
		ck_assert_str_eq(err.message, bad[i].problem);
	}
}
END_TEST

UNIT_MAIN("config_parts", yaml_becomes_a_tree, what_is_no_plain_yaml_is_refused_where_it_stands,
	the_size_of_a_tree_is_bounded, aliases_cannot_multiply, a_value_finds_its_way_by_key,
	variables_are_expanded_once, a_variable_that_is_not_set_is_an_error,
	an_expanded_value_is_bounded, distances_count_slips_of_the_finger,
	urls_are_checked_without_being_shown, a_proxy_may_have_a_user)
