// SPDX-License-Identifier: Apache-2.0
/* Interpreters that the machine has, and what they say of their own frames (tests/data/python/parked.py). */
#ifndef TESTS_PYTHON_PROCESS_H
#define TESTS_PYTHON_PROCESS_H

#include <check.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "proc/process.h"

#define PYTHON_THREADS_MAX 32
#define PYTHON_FRAMES_MAX  256

struct python_says {
	pid_t child; /* what was started */
	pid_t pid; /* of the interpreter: the same, or a child of that one */
	FILE *out;
	size_t thread_count;
	struct python_thread {
		unsigned long long ident;
		size_t frame_count;
		char *frames[PYTHON_FRAMES_MAX]; /* "line name file", innermost first */
	} threads[PYTHON_THREADS_MAX];
};

static inline void start_python(struct python_says *says, const char *command)
{
	int out[2];

	ck_assert_int_eq(pipe(out), 0);
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(out[1], STDOUT_FILENO);
		close(out[0]);
		close(out[1]);
		setenv("PYTHONIOENCODING", "utf-8", 1);
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}
	close(out[1]);
	says->out = fdopen(out[0], "r");
	says->child = says->pid = pid;
}

/* Whether it has said it all. */
static inline bool listen_to_python(struct python_says *says)
{
	struct python_thread *t = NULL;
	char line[4096];

	while (fgets(line, sizeof(line), says->out)) {
		line[strcspn(line, "\n")] = '\0';
		if (strcmp(line, "END") == 0)
			return true;
		if (line[0] == 'P') {
			says->pid = (pid_t)strtol(line + 2, NULL, 10);
		} else if (line[0] == 'T') {
			ck_assert_uint_lt(says->thread_count, PYTHON_THREADS_MAX);
			t = &says->threads[says->thread_count++];
			t->ident = strtoull(line + 2, NULL, 10);
		} else if (line[0] == 'F' && t) {
			ck_assert_uint_lt(t->frame_count, PYTHON_FRAMES_MAX);
			t->frames[t->frame_count++] = strdup(line + 2);
		}
	}
	return false;
}

static inline void end_python(struct python_says *says)
{
	kill(says->pid, SIGKILL);
	ck_assert_int_eq(waitpid(says->child, NULL, 0), says->child);
	fclose(says->out);
	for (size_t i = 0; i < says->thread_count; i++)
		for (size_t k = 0; k < says->threads[i].frame_count; k++)
			free(says->threads[i].frames[k]);
}

/* exec_id is not to be had from outside the kernel; nothing here needs it. */
static inline struct process_id python_id(pid_t pid)
{
	struct strbuf text = STRBUF_INIT;
	unsigned long long start = 0;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	ck_assert_int_eq(file_read_at(-1, path, 4096, &text), 0);
	const char *field = strrchr(text.buf, ')');

	for (int i = 2; i < 22; i++)
		field = strchr(field + 1, ' ');
	start = strtoull(field, NULL, 10);
	strbuf_release(&text);
	return (struct process_id){.pid = (uint32_t)pid,
		.exec_id = 1,
		.start_ns = start * 10000000};
}

static inline size_t add_pythons(const char *pattern, char *ret[], size_t count, size_t capacity)
{
	glob_t found;

	if (glob(pattern, 0, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc && count < capacity; i++)
			ret[count++] = strdup(found.gl_pathv[i]);
	globfree(&found);
	return count;
}

/*
 * The interpreters to try: $DOCKPROF_PYTHONS, commands separated by ";", else Debian's, those of pyenv, and those of
 * Debian sid that the end-to-end tests have fetched.
 * Fills in `ret`, strings for free().
 */
static inline size_t find_pythons(char *ret[], size_t capacity)
{
	const char *given = getenv("DOCKPROF_PYTHONS"), *home = getenv("HOME");
	char pattern[512];
	size_t count = 0;

	if (given) {
		char *list = strdup(given), *rest = list, *one;

		while ((one = strsep(&rest, ";")) && count < capacity)
			if (*one)
				ret[count++] = strdup(one);
		free(list);
		return count;
	}
	if (access("/usr/bin/python3", X_OK) == 0)
		ret[count++] = strdup("/usr/bin/python3");
	snprintf(pattern, sizeof(pattern), "%s/.pyenv/versions/3.*/bin/python3", home ? home : "");
	count = add_pythons(pattern, ret, count, capacity);
	return add_pythons(".cache/pythons/3.*/python", ret, count, capacity);
}

#endif
