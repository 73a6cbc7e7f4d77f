// SPDX-License-Identifier: Apache-2.0
/* A running program with functions at addresses that it tells: tests/fixtures/functions.c. */
#ifndef TESTS_PROGRAM_H
#define TESTS_PROGRAM_H

#include <check.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "proc/process.h"

struct program {
	pid_t pid;
	int input, output;
	struct process_id id; /* exec_id is made up; its start is cut to 10 ms */
	uint64_t exported, local, assembler;
};

static inline char *fixture_path(const char *name)
{
	char self[PATH_MAX] = "";

	ck_assert_int_gt(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
	return xasprintf("%s/fixtures/%s", dirname(self), name);
}

static inline uint64_t start_ns(pid_t pid)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;
	char *path cleanup_free = xasprintf("/proc/%d/stat", (int)pid);
	int field = 2;

	ck_assert_int_eq(file_read_at(-1, path, 4096, &text), 0);
	char *p = strrchr(text.buf, ')');

	for (; field < 22; field++)
		p = strchr(p + 1, ' ');
	return strtoull(p + 1, NULL, 10) * 10000000;
}

static inline void read_addresses(struct program *p)
{
	char text[512];
	size_t len = 0;
	unsigned long long exported, local, assembler;

	do {
		ssize_t n = read(p->output, text + len, sizeof(text) - 1 - len);

		ck_assert_int_gt(n, 0);
		len += (size_t)n;
		text[len] = '\0';
	} while (sscanf(text, "exported %llx local %llx asm %llx\n", &exported, &local,
			 &assembler) != 3 ||
		text[len - 1] != '\n');
	p->exported = exported;
	p->local = local;
	p->assembler = assembler;
}

/*
 * root: its root directory, NULL: ours. then: the program that it becomes when told to, NULL: none.
 */
static inline struct program start_in(const char *root, const char *path, const char *then)
{
	struct program p = {0};
	int in[2], out[2];

	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	p.pid = fork();
	ck_assert_int_ge(p.pid, 0);
	if (p.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		if (root && (chroot(root) < 0 || chdir("/") < 0))
			_exit(126);
		execl(path, path, then, NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	p.input = in[1];
	p.output = out[0];
	read_addresses(&p);
	p.id = (struct process_id){.pid = (uint32_t)p.pid,
		.exec_id = 2,
		.start_ns = start_ns(p.pid)};
	return p;
}

static inline struct program start(const char *path, const char *then)
{
	return start_in(NULL, path, then);
}

static inline void stop(struct program *p)
{
	kill(p->pid, SIGKILL);
	ck_assert_int_eq(waitpid(p->pid, NULL, 0), p->pid);
	close(p->input);
	close(p->output);
}

#endif
