// SPDX-License-Identifier: Apache-2.0
/* Files of targets, as file_sd_configs names them. */
#include "unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/macros.h"
#include "base/strbuf.h"
#include "config/config.h"

static char path[64];

/* Each set as {a=b,c=d}; or the error without the file's name. */
static void load(const char *text, size_t len, struct strbuf *out)
{
	struct labels *sets = NULL;
	struct error err = {0};
	size_t count = 0;

	snprintf(path, sizeof(path), "/tmp/dockprof-test-targets-%d.json", (int)getpid());
	ck_assert_int_eq(file_replace(path, text, len), 0);
	int r = config_load_target_file(path, &sets, &count, &err);

	unlink(path);
	if (r < 0) {
		ck_assert_int_eq(strncmp(err.message, path, strlen(path)), 0);
		strbuf_add_str(out, err.message + strlen(path));
		ck_assert_uint_eq(count, 0);
	}
	for (size_t i = 0; i < count; i++) {
		strbuf_add_char(out, '{');
		for (size_t k = 0; k < sets[i].count; k++)
			strbuf_addf(out, "%s%s=%s", k ? "," : "", sets[i].list[k].name,
				sets[i].list[k].value);
		strbuf_add_char(out, '}');
		labels_release(&sets[i]);
	}
	free(sets);
}

static void check(const char *text, const char *wanted)
{
	struct strbuf got cleanup_strbuf = STRBUF_INIT;

	load(text, strlen(text), &got);
	ck_assert_msg(strcmp(got.buf, wanted) == 0, "%s\nwant: %s\ngot: %s", text, wanted, got.buf);
}

START_TEST(prometheus_files_are_read)
{
	check("[{\"targets\": [\"h:1\", \"h:2\"], \"labels\": {\"env\": \"prod\", \"n\": 1}}]",
		"{__address__=h:1,env=prod,n=1}{__address__=h:2,env=prod,n=1}");
	check("- targets: [a]\n- targets: [b]\n  labels:\n    x: y\n    empty: ''\n    blank: null\n",
		"{__address__=a}{__address__=b,x=y}");
	check("- targets: []\n  labels: {a: b}\n", "");
	check("- targets:\n  labels:\n- targets: [x]\n", "{__address__=x}");
	check("", "");
	check("[]", "");
	check("null", "");
	/* The address is the target's own, whatever the labels say. */
	check("[{targets: [a], labels: {__address__: b}}]", "{__address__=a}");
}
END_TEST

START_TEST(label_maps_are_read)
{
	check("- __process_pid__: \"42\"\n  service_name: cron\n- {__container_id__: abc}\n",
		"{__process_pid__=42,service_name=cron}{__container_id__=abc}");
	check("- {targets: one, a: b}\n", "{a=b,targets=one}");
	check("- {a: b}\n- {targets: [x], labels: {c: d}}\n", "{a=b}{__address__=x,c=d}");
}
END_TEST

START_TEST(nothing_is_taken_from_the_environment)
{
	setenv("DP_X", "secret", 1);
	check("- {a: \"${DP_X}\"}\n", "{a=${DP_X}}");
	check("- {targets: [\"${DP_X}\"], labels: {b: \"${DP_X}\"}}\n",
		"{__address__=${DP_X},b=${DP_X}}");
}
END_TEST

START_TEST(mistakes_are_told_with_their_place)
{
	check("a: b\n",
		":1:1: a file of targets takes a list (lines that begin with `- `), not a map");
	check("- x\n", ":1:3: a target takes a map (lines of `key: value`), not a single value");
	check("-\n", ":1:2: an empty target; remove the -");
	check("- targets: [a]\n  lables: {}\n",
		":2:3: a target group has only `targets` and `labels`");
	check("- targets: {a: b}\n",
		":1:12: `targets` takes a list (lines that begin with `- `), not a map");
	check("- targets: [[a]]\n", ":1:13: a target's address is a text");
	check("- targets: [a, ]\n  labels: [b]\n",
		":2:11: `labels` takes a map (lines of `key: value`), not a list");
	check("- {a: [b]}\n- {c: {d: e}}\n- {a: b, a: c}\n",
		":1:7: a label's value takes a text, not a list (and 2 more)");
	check("[{\"targets\": [\"a\"]",
		":2:1: not valid YAML: did not find expected ',' or '}' (while parsing a flow "
		"mapping, from line 1)");
}
END_TEST

static void add_many(struct strbuf *out, char c, int count)
{
	while (count-- > 0)
		strbuf_add_char(out, c);
}

START_TEST(a_file_of_targets_is_bounded)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;
	struct strbuf got cleanup_strbuf = STRBUF_INIT;

	strbuf_add_str(&text, "- targets:\n");
	for (int i = 0; i <= 10000; i++)
		strbuf_addf(&text, "  - h:%d\n", i);
	load(text.buf, text.len, &got);
	ck_assert_str_eq(got.buf, ":10002:5: more than 10000 targets in one file");

	strbuf_reset(&text);
	strbuf_reset(&got);
	strbuf_add_char(&text, '-');
	for (int i = 0; i < 257; i++)
		strbuf_addf(&text, "  l%d: x\n ", i);
	load(text.buf, text.len, &got);
	ck_assert_str_eq(got.buf, ":1:4: a target has more than 256 labels");

	strbuf_reset(&text);
	strbuf_reset(&got);
	strbuf_add_str(&text, "- targets:\n");
	for (int i = 0; i < 3000; i++)
		strbuf_addf(&text, "  - h:%d\n", i);
	strbuf_add_str(&text, "  labels:\n    a: ");
	add_many(&text, 'x', 8000);
	load(text.buf, text.len, &got);
	ck_assert_str_eq(got.buf, ":2062:5: more than 16777216 bytes of labels in one file");

	strbuf_reset(&text);
	strbuf_reset(&got);
	add_many(&text, ' ', (1 << 20) + 1);
	load(text.buf, text.len, &got);
	ck_assert_str_eq(got.buf, " is larger than 1048576 bytes");
}
END_TEST

/* first, `bytes` of x, `count` times again, last. */
static void check_refused(const char *first, int bytes, const char *again, int count,
	const char *last, const char *wanted)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;
	struct strbuf got cleanup_strbuf = STRBUF_INIT;

	strbuf_add_str(&text, first);
	add_many(&text, 'x', bytes);
	for (int i = 0; i < count; i++)
		strbuf_addf(&text, again, i);
	strbuf_add_str(&text, last);
	ck_assert_uint_le(text.len, 1 << 20);
	load(text.buf, text.len, &got);
	ck_assert_str_eq(got.buf, wanted);
}

/* Of 20 times the same map. */
#define REPEATED                                                                                       \
	"\n- *m\n- *m\n- *m\n- *m\n- *m\n- *m\n- *m\n- *m\n- *m\n- *m\n- *m\n- *m\n- *m\n- *m\n- *m\n" \
	"- *m\n- *m\n- *m\n- *m\n"

START_TEST(aliases_do_not_multiply_labels)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;
	struct strbuf got cleanup_strbuf = STRBUF_INIT;

	/* More than half a gigabyte, in one. */
	check_refused("- &m {a: &x ", 900 << 10, ", l%d: *x", 31, "}" REPEATED,
		":1:10: a label's value is longer than 131072 bytes");
	check_refused("- targets: [a]\n  labels: {a: &x ", 900 << 10, ", l%d: *x", 31, "}\n",
		":2:15: a label's value is longer than 131072 bytes");
	check_refused("- ? ", 131073, "", 0, "\n  : a\n",
		":1:5: a label's name is longer than 131072 bytes");
	check_refused("- targets: [h, &x ", 900 << 10, ", *x", 60, "]\n",
		":1:16: a target's address is longer than 131072 bytes");
	/* 20 MB of values that are all short enough. */
	strbuf_add_str(&text, "- &m {a: b");
	for (int i = 0; i < 128; i++) {
		strbuf_addf(&text, ",\n l%d: ", i);
		add_many(&text, 'x', 8000);
	}
	strbuf_add_str(&text, "}" REPEATED);
	ck_assert_uint_le(text.len, 1 << 20);
	load(text.buf, text.len, &got);
	ck_assert_str_eq(got.buf, ":1:3: more than 16777216 bytes of labels in one file");
}
END_TEST

START_TEST(short_labels_are_counted_with_what_they_take)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;

	strbuf_add_str(&text, "- labels: {");
	for (int i = 0; i < 250; i++)
		strbuf_addf(&text, "%d: a, ", i);
	strbuf_add_str(&text, "}\n  targets:\n");
	check_refused(text.buf, 0, "  - h%d\n", 9000, "",
		":992:5: more than 16777216 bytes of labels in one file");
}
END_TEST

START_TEST(a_file_that_is_not_there_is_an_error)
{
	struct labels *sets;
	struct error err = {0};
	size_t count;

	ck_assert_int_eq(config_load_target_file("/nonexistent/x.yml", &sets, &count, &err),
		-ENOENT);
	ck_assert_str_eq(err.message, "cannot read /nonexistent/x.yml: No such file or directory");
}
END_TEST

UNIT_MAIN("config_target_file", prometheus_files_are_read, label_maps_are_read,
	nothing_is_taken_from_the_environment, mistakes_are_told_with_their_place,
	a_file_of_targets_is_bounded, aliases_do_not_multiply_labels,
	short_labels_are_counted_with_what_they_take, a_file_that_is_not_there_is_an_error)
