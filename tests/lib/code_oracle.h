// SPDX-License-Identifier: Apache-2.0
/*
 * Rows made from code, for code that has call frame information, against the rows made of that. The code is
 * taken to have none: whole sections are one gap.
 */
#ifndef TESTS_CODE_ORACLE_H
#define TESTS_CODE_ORACLE_H

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macros.h"
#include "unwind/code_flow.h"
#include "unwind/code_rows.h"

/* Bytes of code. */
struct code_counts {
	size_t files, pages;
	size_t right; /* CFA and the caller's rbp */
	size_t fp_unknown; /* the CFA is right, rbp is said not to be known */
	size_t none; /* no row */
	size_t wrong;
	size_t padding; /* nops that no way leads to */
	size_t other; /* the information has no rule that could be compared */
	double seconds;
};

struct code_oracle {
	const char *path;
	struct eh_frame *ef;
	struct code_counts *counts;
	size_t shown, show; /* wrong ones printed, and at most */
	bool show_none, in_shown;
	const struct code_gap *gap;
	uint64_t padding_end; /* of the nop under way */
};

/* What the rows say of an address. */
struct row_cursor {
	struct unwind_rows rows;
	size_t at;
};

static inline const struct unwind_rule *row_at(struct row_cursor *c, uint64_t address)
{
	while (c->at + 1 < c->rows.count && c->rows.list[c->at + 1].address <= address)
		c->at++;
	return &c->rows.list[c->at].rule;
}

enum verdict { CODE_PADDING, CODE_RIGHT, CODE_FP_UNKNOWN, CODE_NONE, CODE_WRONG, CODE_OTHER };

static inline enum verdict judge(const struct unwind_rule *theirs, const struct unwind_rule *ours)
{
	bool comparable = theirs->cfa == UNWIND_CFA_SP || theirs->cfa == UNWIND_CFA_FP ||
		theirs->cfa == UNWIND_CFA_REG;

	if (!comparable || theirs->ra != UNWIND_RA_AT_CFA)
		return CODE_OTHER;
	if (ours->cfa == UNWIND_CFA_NONE)
		return CODE_NONE;
	if (ours->cfa != theirs->cfa || ours->cfa_offset != theirs->cfa_offset ||
		ours->cfa_reg != theirs->cfa_reg || ours->ra_offset != theirs->ra_offset)
		return CODE_WRONG;
	if (ours->fp == UNWIND_FP_UNKNOWN)
		return theirs->fp == UNWIND_FP_UNKNOWN ? CODE_RIGHT : CODE_FP_UNKNOWN;
	/* What is saved may be in the register still. */
	if (ours->fp == UNWIND_FP_SAME || theirs->fp == UNWIND_FP_UNKNOWN)
		return CODE_RIGHT;
	return ours->fp == theirs->fp && ours->fp_offset == theirs->fp_offset ? CODE_RIGHT
									      : CODE_WRONG;
}

/* Whether the byte, which no way leads to, is of a nop. */
static inline bool is_nop(struct code_oracle *o, uint64_t address)
{
	uint8_t code[X86_INSN_MAX];
	uint64_t offset, left;
	struct x86_insn insn;

	if (address < o->padding_end)
		return true;
	if (!elf_image_offset(o->gap->image, address, &offset, &left) ||
		byte_source_read(o->gap->source, offset, code, MIN(left, sizeof(code))) < 0 ||
		!x86_insn_decode(code, MIN(left, sizeof(code)), &insn) || !insn.is_padding)
		return false;
	o->padding_end = address + insn.len;
	return true;
}

static inline void count_byte(struct code_oracle *o, uint64_t address,
	const struct unwind_rule *theirs, const struct unwind_rule *ours)
{
	enum verdict v = judge(theirs, ours);

	if (v == CODE_NONE && is_nop(o, address))
		v = CODE_PADDING;
	o->counts->padding += v == CODE_PADDING;
	o->counts->right += v == CODE_RIGHT;
	o->counts->fp_unknown += v == CODE_FP_UNKNOWN;
	o->counts->none += v == CODE_NONE;
	o->counts->wrong += v == CODE_WRONG;
	o->counts->other += v == CODE_OTHER;
	bool shows = v == CODE_WRONG || (v == CODE_NONE && o->show_none);

	if (shows && !o->in_shown && o->shown < o->show) {
		o->shown++;
		printf("%s 0x%llx: information: cfa %u %d, fp %u %d; code: cfa %u %d, fp %u %d\n",
			o->path, (unsigned long long)address, theirs->cfa, theirs->cfa_offset,
			theirs->fp, theirs->fp_offset, ours->cfa, ours->cfa_offset, ours->fp,
			ours->fp_offset);
	}
	o->in_shown = shows;
}

static inline double code_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline void judge_page(struct code_oracle *o, const struct code_gap *gap, uint64_t lo,
	uint64_t hi)
{
	struct row_cursor theirs = {0}, ours = {0};
	struct fde fde;

	if (unwind_rows_read(o->ef, lo, hi, &theirs.rows) < 0)
		return;
	double before = code_seconds();

	code_rows_add(gap, lo, hi, &ours.rows);
	o->counts->seconds += code_seconds() - before;
	o->counts->pages++;
	for (uint64_t at = lo, end = lo; at < hi; at++) {
		if (at >= end)
			end = eh_frame_find(o->ef, at, &fde) == 0
				? MIN(fde.end, eh_frame_next_start(o->ef, at))
				: 0;
		if (end)
			count_byte(o, at, row_at(&theirs, at), row_at(&ours, at));
		else
			end = eh_frame_next_start(o->ef, at), at = MIN(end, hi) - 1;
	}
	unwind_rows_release(&theirs.rows);
	unwind_rows_release(&ours.rows);
}

static inline void judge_section(struct code_oracle *o, const struct byte_source *source,
	const struct elf_code_section *section)
{
	struct code_gap gap = {source, eh_frame_image(o->ef), section->start, section->end,
		code_flow_new()};
	uint64_t next;

	o->gap = &gap;
	o->padding_end = 0;
	for (uint64_t at = gap.start; at < gap.end; at = next) {
		next = MIN(gap.end, (at | (UNWIND_PAGE_SIZE - 1)) + 1);
		judge_page(o, &gap, at, next);
	}
	code_flow_free(gap.flow);
}

static inline void judge_file(struct code_oracle *o)
{
	int fd cleanup_close = open(o->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	struct elf_image image;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	struct byte_source source = byte_source_fd(fd, (uint64_t)st.st_size);

	if (elf_image_read(&source, &image) < 0)
		return;
	if (image.is_64 && image.machine == EM_X86_64) {
		o->ef = eh_frame_new(&source, &image);
		o->counts->files++;
		for (size_t i = 0; i < image.code_count; i++)
			if (image.code[i].end - image.code[i].start > 2048) /* not .plt, .init */
				judge_section(o, &source, &image.code[i]);
		eh_frame_free(o->ef);
	}
	elf_image_release(&image);
}

#endif
