// SPDX-License-Identifier: Apache-2.0
/* dockprof check as a person meets it: what it prints where, and how it exits. */
#include "unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/strbuf.h"
#include "commands.h"

static char path[64];
static struct strbuf out = {.buf = strbuf_empty}, errors = {.buf = strbuf_empty};

static void redirect(int from, int *ret_memory)
{
	*ret_memory = memfd_create("captured", MFD_CLOEXEC);
	ck_assert_int_ge(*ret_memory, 0);
	ck_assert_int_ge(dup2(*ret_memory, from), 0);
}

static void collect(int memory, struct strbuf *ret)
{
	lseek(memory, 0, SEEK_SET);
	strbuf_reset(ret);
	ck_assert_int_eq(file_read_fd(memory, 1 << 20, ret), 0);
	close(memory);
}

/* Each test has a process of its own, so that nothing needs to be put back but for check's own words. */
static int run(const char *option)
{
	char *argv[] = {(char[]){"check"}, option ? strdup(option) : NULL, NULL};
	int saved_out = dup(1), saved_errors = dup(2), out_fd, errors_fd;

	fflush(stdout);
	redirect(1, &out_fd);
	redirect(2, &errors_fd);
	int status = cmd_check(option ? 2 : 1, argv);

	fflush(stdout);
	fflush(stderr);
	dup2(saved_out, 1);
	dup2(saved_errors, 2);
	close(saved_out);
	close(saved_errors);
	collect(out_fd, &out);
	collect(errors_fd, &errors);
	free(argv[1]);
	return status;
}

static int check_text(const char *text)
{
	char option[128];

	snprintf(path, sizeof(path), "/tmp/dockprof-test-check-%d.yml", (int)getpid());
	snprintf(option, sizeof(option), "--config.file=%s", path);
	ck_assert_int_eq(file_replace(path, text, strlen(text)), 0);
	int status = run(option);

	unlink(path);
	return status;
}

static void assert_output(const struct strbuf *got, const char *rest)
{
	size_t n = strlen(path);

	ck_assert_int_eq(strncmp(got->buf, path, n), 0);
	ck_assert_str_eq(got->buf + n, rest);
}

START_TEST(a_good_file_is_summed_up_on_stdout)
{
	unsetenv("PYROSCOPE_SERVER_ADDRESS");
	ck_assert_int_eq(check_text("relabel_configs:\n  - {action: keep}\n"), EXIT_OK);
	assert_output(&out,
		": ok, 1 Docker engine, 1 relabel rule, 0 endpoints, files in "
		"/var/lib/dockprof/profiles\n");
	ck_assert_str_eq(errors.buf, "");
	ck_assert_int_eq(check_text("targets: [{__process_pid__: 1}, {__process_pid__: 2}]\n"
				    "file_sd_configs: [{files: [a.yml]}]\n"
				    "write: {endpoint: [{url: http://h}]}\n"),
		EXIT_OK);
	assert_output(&out,
		": ok, 0 Docker engines, 2 targets, 1 file_sd entry, 0 relabel rules, "
		"1 endpoint\n");
}
END_TEST

START_TEST(every_mistake_of_a_bad_file_is_on_stderr)
{
	ck_assert_int_eq(check_text("log: {level: loud}\nwbe: {}\n"), EXIT_USAGE);
	ck_assert_str_eq(out.buf, "");
	char *second = strchr(errors.buf, '\n') + 1;

	ck_assert_int_eq(strncmp(second, path, strlen(path)), 0);
	ck_assert_str_eq(second + strlen(path),
		":2:1: unknown key `wbe` in the file; did you mean `web`?\n");
	second[-1] = '\0';
	assert_output(&errors, ":1:14: `level` takes debug, info, warn or error, not \"loud\"");
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_a_mistake_too)
{
	ck_assert_int_eq(run("--config.file=/nonexistent/x.yml"), EXIT_USAGE);
	ck_assert_str_eq(errors.buf,
		"dockprof: cannot read /nonexistent/x.yml: No such file or directory\n");
	ck_assert_str_eq(out.buf, "");
	ck_assert_int_eq(run("--nonsense"), EXIT_USAGE);
	ck_assert_str_eq(out.buf, "");
}
END_TEST

START_TEST(the_reference_is_printed)
{
	ck_assert_int_eq(run("--reference"), EXIT_OK);
	ck_assert_ptr_nonnull(strstr(out.buf,
		"**sample_rate** (a whole number from 1 to 10000; "
		"default `97`)\n"));
}
END_TEST

UNIT_MAIN("cmd_check", a_good_file_is_summed_up_on_stdout, every_mistake_of_a_bad_file_is_on_stderr,
	a_file_that_cannot_be_read_is_a_mistake_too, the_reference_is_printed)
