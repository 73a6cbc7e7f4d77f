// SPDX-License-Identifier: Apache-2.0
/* dockprof relabel as a person or a script meets it: line in, line out, and the trace beside it. */
#include "unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/strbuf.h"
#include "commands.h"

#define CAPTURED_MAX (64 << 20)

static const char rules[] = "relabel_configs:\n"
			    "  - source_labels: [name]\n"
			    "    regex: /(.+)\n"
			    "    target_label: service_name\n"
			    "  - action: labeldrop\n"
			    "    regex: job\n"
			    "  - source_labels: [service_name]\n"
			    "    regex: db\n"
			    "    action: drop\n";

static char path[64];
static struct strbuf out = {.buf = strbuf_empty}, errors = {.buf = strbuf_empty};

/* A file in memory with this in it, at its start, as descriptor `fd`. Returns another one for it. */
static int put(int fd, const char *text, size_t len)
{
	int memory = memfd_create("standard", MFD_CLOEXEC);

	ck_assert_int_ge(memory, 0);
	ck_assert_int_eq(file_write_all(memory, text, len), 0);
	ck_assert_int_eq((int)lseek(memory, 0, SEEK_SET), 0);
	ck_assert_int_ge(dup2(memory, fd), 0);
	return memory;
}

static void take(int memory, struct strbuf *ret)
{
	ck_assert_int_eq((int)lseek(memory, 0, SEEK_SET), 0);
	ck_assert_int_eq(file_read_fd(memory, CAPTURED_MAX, ret), 0);
	close(memory);
}

/* Each test has a process of its own and runs the command once. */
static int run(const char *config, const char *input, size_t len, const char *option)
{
	char file[128];
	char *argv[] = {(char[]){"relabel"}, file, option ? strdup(option) : NULL, NULL};
	int saved_out = dup(1), saved_errors = dup(2);

	snprintf(path, sizeof(path), "/tmp/dockprof-test-relabel-%d.yml", (int)getpid());
	snprintf(file, sizeof(file), "--config.file=%s", path);
	ck_assert_int_eq(file_replace(path, config, strlen(config)), 0);
	fflush(stdout);
	int in_fd = put(0, input, len), out_fd = put(1, "", 0), errors_fd = put(2, "", 0);
	int status = cmd_relabel(option ? 3 : 2, argv);

	fflush(stdout);
	fflush(stderr);
	dup2(saved_out, 1);
	dup2(saved_errors, 2);
	close(saved_out);
	close(saved_errors);
	close(in_fd);
	take(out_fd, &out);
	take(errors_fd, &errors);
	unlink(path);
	free(argv[2]);
	return status;
}

static int run_text(const char *config, const char *input, const char *option)
{
	return run(config, input, strlen(input), option);
}

START_TEST(each_object_is_answered_on_one_line)
{
	ck_assert_int_eq(run_text(rules,
				 "{\"name\":\"/web\",\"job\":\"x\",\"__a\":\"\\u00e9\\n\"}\n"
				 "{\"name\":\"/db\"}\n"
				 "\n"
				 "{}\n"
				 "{\"b\":\"1\",\"a\":\"\",\"b\":\"2\"}",
				 NULL),
		EXIT_OK);
	ck_assert_str_eq(out.buf,
		"{\"__a\":\"é\\n\",\"name\":\"/web\",\"service_name\":\"web\"}\n"
		"null\n"
		"{}\n"
		"{\"b\":\"2\"}\n");
	ck_assert_str_eq(errors.buf, "");
}
END_TEST

START_TEST(a_wrong_line_is_reported_and_the_others_are_answered)
{
	static const char *const wrong[] = {
		"dockprof: line 1: it is not an object; ",
		"dockprof: line 2: it is a string, not an object; ",
		"dockprof: line 3: a label's value is not a string; ",
		"dockprof: line 4: a label's value is an object, not a string; ",
		"dockprof: line 5: it is not valid JSON; ",
		"dockprof: line 6: it is not valid JSON; ",
	};
	const char *rest;

	ck_assert_int_eq(run_text(rules,
				 "[]\n"
				 "\"a\"\n"
				 "{\"a\":1}\n"
				 "{\"a\":{}}\n"
				 "{\"a\":\"1\"\n"
				 "{} {}\n"
				 "{\"a\":\"1\"}\n",
				 NULL),
		EXIT_FAILED);
	ck_assert_str_eq(out.buf, "null\nnull\nnull\nnull\nnull\nnull\n{\"a\":\"1\"}\n");
	rest = errors.buf;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		ck_assert_msg(strncmp(rest, wrong[i], strlen(wrong[i])) == 0, "%s", rest);
		rest = strchr(rest, '\n') + 1;
	}
	ck_assert_str_eq(rest, "");
}
END_TEST

START_TEST(a_trace_shows_each_rule_and_where_it_is)
{
	struct strbuf expected cleanup_strbuf = STRBUF_INIT;

	ck_assert_int_eq(
		run_text(rules,
			"{\"name\":\"/db\",\"job\":\"\\u001b[2J\",\"service_name\":\"x\"}\n",
			"--trace"),
		EXIT_OK);
	ck_assert_str_eq(out.buf, "null\n");
	strbuf_addf(&expected,
		"line 1: %s:2: replace source_labels=[name] regex=\"/(.+)\" "
		"target_label=\"service_name\"\n"
		"  ~ service_name=\"x\" -> \"db\"\n"
		"line 1: %s:5: labeldrop regex=\"job\"\n"
		"  - job=\"\\x1b[2J\"\n"
		"line 1: %s:7: drop source_labels=[service_name] regex=\"db\"\n"
		"  dropped\n",
		path, path, path);
	ck_assert_str_eq(errors.buf, expected.buf);
}
END_TEST

START_TEST(what_is_given_up_at_a_limit_is_said)
{
	struct strbuf line cleanup_strbuf = STRBUF_INIT;

	strbuf_add_str(&line, "{\"name\":\"/");
	for (size_t i = 0; i < 70000; i++)
		strbuf_add_char(&line, 'x');
	strbuf_add_str(&line, "\"}\n");
	ck_assert_int_eq(run(rules, line.buf, line.len, NULL), EXIT_OK);
	ck_assert_str_eq(out.buf, line.buf);
	ck_assert(strstr(errors.buf, "line 1: a rule gave up at a limit") != NULL);
}
END_TEST

START_TEST(a_line_without_end_is_not_kept)
{
	struct strbuf line cleanup_strbuf = STRBUF_INIT;

	strbuf_grow(&line, 17 << 20);
	memset(line.buf, '{', 17 << 20);
	strbuf_set_len(&line, 17 << 20);
	strbuf_add_str(&line, "\n{}\n");
	ck_assert_int_eq(run(rules, line.buf, line.len, NULL), EXIT_FAILED);
	ck_assert_str_eq(out.buf, "null\n{}\n");
	ck_assert_str_eq(errors.buf, "dockprof: line 1: longer than 16777216 bytes\n");
}
END_TEST

START_TEST(nothing_is_answered_with_a_bad_file)
{
	ck_assert_int_eq(run_text("relabel_configs:\n"
				  "  - regex: (?=a)\n"
				  "    target_label: x\n"
				  "  - action: hashmod\n"
				  "    target_label: a\n",
				 "{}\n", NULL),
		EXIT_USAGE);
	ck_assert_str_eq(out.buf, "");
	ck_assert(strstr(errors.buf, ":2:12: ") != NULL);
	ck_assert(strstr(errors.buf, "Prometheus' RE2 has no look-ahead\n") != NULL);
	ck_assert(strstr(errors.buf, "hashmod requires non-zero modulus\n") != NULL);
}
END_TEST

UNIT_MAIN("cmd_relabel", each_object_is_answered_on_one_line,
	a_wrong_line_is_reported_and_the_others_are_answered,
	a_trace_shows_each_rule_and_where_it_is, what_is_given_up_at_a_limit_is_said,
	a_line_without_end_is_not_kept, nothing_is_answered_with_a_bad_file)
