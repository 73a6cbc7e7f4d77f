// SPDX-License-Identifier: Apache-2.0
/*
 * Walks the stacks of a running program by its rows: each of its threads is stopped at some moment, walked and let go.
 * A walker of its own, as plain as can be; frame pointers are never a way out.
 */
#ifndef TESTS_LIVE_WALK_H
#define TESTS_LIVE_WALK_H

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macros.h"
#include "unwind/rows.h"

#define LIVE_MODULES 32
#define LIVE_PAGES   1024
#define LIVE_DEPTH   256

struct live_module {
	uint64_t start, end, offset; /* an executable mapping */
	int fd;
	struct byte_source source;
	struct elf_image image;
	struct eh_frame *ef;
	struct unwind_rows pages[LIVE_PAGES]; /* from first_page on, as they were needed */
	uint64_t first_page;
};

struct live_program {
	pid_t pid;
	struct live_module modules[LIVE_MODULES];
	size_t module_count;
	size_t walked, rooted; /* stacks; those that reached UNWIND_CFA_END */
	size_t signal_frames, frames;
	bool verbose;
};

static inline void live_add_module(struct live_program *p, uint64_t start, uint64_t end,
	uint64_t offset, const char *path)
{
	struct live_module *m = &p->modules[p->module_count];
	struct stat st;

	if (p->module_count == LIVE_MODULES || (m->fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return;
	*m = (struct live_module){.start = start, .end = end, .offset = offset, .fd = m->fd};
	if (fstat(m->fd, &st) < 0)
		return;
	m->source = byte_source_fd(m->fd, (uint64_t)st.st_size);
	if (elf_image_read(&m->source, &m->image) < 0)
		return;
	m->ef = eh_frame_new(&m->source, &m->image);
	elf_image_address(&m->image, offset, &m->first_page);
	m->first_page /= UNWIND_PAGE_SIZE;
	p->module_count++;
}

static inline void live_read_maps(struct live_program *p)
{
	char name[64], line[512], perms[8], path[256];
	unsigned long long start, end, offset;

	snprintf(name, sizeof(name), "/proc/%d/maps", p->pid);
	FILE *maps = fopen(name, "re");

	while (maps && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%llx-%llx %7s %llx %*s %*s %255s", &start, &end, perms, &offset,
			    path) == 5 &&
			perms[2] == 'x' && path[0] == '/')
			live_add_module(p, start, end, offset, path);
	if (maps)
		fclose(maps);
}

static inline bool live_read(const struct live_program *p, uint64_t at, void *to, size_t len)
{
	struct iovec local = {to, len}, remote = {(void *)(uintptr_t)at, len};

	return process_vm_readv(p->pid, &local, 1, &remote, 1, 0) == (ssize_t)len;
}

static inline bool live_rule(struct live_program *p, uint64_t ip, struct unwind_rule *ret)
{
	uint64_t address;

	for (size_t i = 0; i < p->module_count; i++) {
		struct live_module *m = &p->modules[i];

		if (ip < m->start || ip >= m->end ||
			!elf_image_address(&m->image, ip - m->start + m->offset, &address))
			continue;
		uint64_t page = address & ~(uint64_t)(UNWIND_PAGE_SIZE - 1);
		struct unwind_rows *rows =
			&m->pages[(address / UNWIND_PAGE_SIZE - m->first_page) % LIVE_PAGES];
		size_t k = 0;

		if (!rows->count &&
			unwind_rows_read(m->ef, page, page + UNWIND_PAGE_SIZE, rows) < 0)
			return false;
		while (k + 1 < rows->count && rows->list[k + 1].address <= address)
			k++;
		*ret = rows->list[k].rule;
		return true;
	}
	return false;
}

struct live_frame {
	uint64_t ip, sp, fp;
	uint64_t reg[16]; /* by DWARF's numbers, of the innermost frame */
	bool exact; /* ip is of an interrupted instruction, not a return address */
	bool innermost;
};

static inline bool live_signal(struct live_program *p, struct live_frame *f, int32_t offset)
{
	uint64_t at = f->sp + (uint64_t)(int64_t)offset;

	p->signal_frames++;
	f->exact = true;
	f->innermost = false;
	return live_read(p, at + 168, &f->ip, 8) && live_read(p, at + 120, &f->fp, 8) &&
		live_read(p, at + 160, &f->sp, 8);
}

static inline bool live_up(struct live_program *p, struct live_frame *f,
	const struct unwind_rule *r)
{
	uint64_t cfa;

	if (r->cfa == UNWIND_CFA_SP)
		cfa = f->sp + (uint64_t)(int64_t)r->cfa_offset;
	else if (r->cfa == UNWIND_CFA_FP)
		cfa = f->fp + (uint64_t)(int64_t)r->cfa_offset;
	else if (r->cfa == UNWIND_CFA_PLT)
		cfa = f->sp + 8 + ((f->ip & 15) >= (uint16_t)r->cfa_add ? 8 : 0);
	else if (r->cfa == UNWIND_CFA_REG && f->innermost)
		cfa = f->reg[r->cfa_reg & 15] + (uint64_t)(int64_t)r->cfa_offset;
	else
		return false;
	if (cfa <= f->sp || r->ra != UNWIND_RA_AT_CFA ||
		!live_read(p, cfa + (uint64_t)(int64_t)r->ra_offset, &f->ip, 8))
		return false;
	if (r->fp == UNWIND_FP_AT_CFA &&
		!live_read(p, cfa + (uint64_t)(int64_t)r->fp_offset, &f->fp, 8))
		return false;
	f->sp = cfa;
	f->exact = f->innermost = false;
	return true;
}

/* Whether the root is reached. */
static inline bool live_walk(struct live_program *p, struct live_frame f)
{
	uint64_t way[LIVE_DEPTH];
	struct unwind_rule r = {0};
	int depth;

	for (depth = 0; depth < LIVE_DEPTH; depth++) {
		way[depth] = f.ip;
		p->frames++;
		if (!live_rule(p, f.exact ? f.ip : f.ip - 1, &r))
			break;
		if (r.cfa == UNWIND_CFA_END)
			return true;
		if (!(r.cfa == UNWIND_CFA_SIGNAL ? live_signal(p, &f, r.cfa_offset)
						 : live_up(p, &f, &r)))
			break;
	}
	if (p->verbose) {
		printf("no root, rule %u:", r.cfa);
		for (int i = 0; i <= depth && i < LIVE_DEPTH; i++)
			printf(" %llx", (unsigned long long)way[i]);
		for (size_t i = 0; i < p->module_count; i++)
			printf(" [%llx-%llx]", (unsigned long long)p->modules[i].start,
				(unsigned long long)p->modules[i].end);
		putchar('\n');
	}
	return false;
}

static inline void live_stop_and_walk(struct live_program *p, pid_t tid)
{
	struct user_regs_struct r;
	int status;

	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) < 0)
		return;
	ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
	if (waitpid(tid, &status, __WALL) == tid && WIFSTOPPED(status) &&
		ptrace(PTRACE_GETREGS, tid, NULL, &r) == 0) {
		struct live_frame f = {r.rip, r.rsp, r.rbp,
			{r.rax, r.rdx, r.rcx, r.rbx, r.rsi, r.rdi, r.rbp, r.rsp, r.r8, r.r9, r.r10,
				r.r11, r.r12, r.r13, r.r14, r.r15},
			.exact = true, .innermost = true};

		p->walked++;
		p->rooted += live_walk(p, f);
	}
	int signal = WIFSTOPPED(status) && status >> 16 == 0 ? WSTOPSIG(status) : 0;

	ptrace(PTRACE_DETACH, tid, NULL, (void *)(intptr_t)signal);
}

static inline void live_walk_all(struct live_program *p)
{
	char name[64];
	struct dirent *d;

	snprintf(name, sizeof(name), "/proc/%d/task", p->pid);
	DIR *tasks = opendir(name);

	while (tasks && (d = readdir(tasks)))
		if (d->d_name[0] != '.')
			live_stop_and_walk(p, (pid_t)atoi(d->d_name));
	if (tasks)
		closedir(tasks);
}

/* Starts argv, walks it `rounds` times once it has written something, and ends it. */
static inline void live_run(struct live_program *p, char *const argv[], size_t rounds)
{
	int ready[2];
	char byte;

	if (pipe(ready) < 0)
		return;
	p->pid = fork();
	if (p->pid == 0) {
		dup2(ready[1], STDOUT_FILENO);
		close(ready[0]);
		close(ready[1]);
		execv(argv[0], argv);
		_exit(127);
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		rounds = 0;
	close(ready[0]);
	live_read_maps(p);
	for (size_t i = 0; i < rounds; i++) {
		live_walk_all(p);
		usleep(500 + (unsigned)(i * 7919 % 1500));
	}
	kill(p->pid, SIGKILL);
	waitpid(p->pid, NULL, 0);
	for (size_t i = 0; i < p->module_count; i++) {
		for (size_t k = 0; k < LIVE_PAGES; k++)
			unwind_rows_release(&p->modules[i].pages[k]);
		eh_frame_free(p->modules[i].ef);
		elf_image_release(&p->modules[i].image);
		close(p->modules[i].fd);
	}
}

#endif
