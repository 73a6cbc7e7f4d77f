// SPDX-License-Identifier: Apache-2.0
/*
 * Unwind rows against libdw's answer (dwarf_cfi_addrframe) for every address of a file: libdw says from where to
 * where its answer holds, so each of its ranges is asked once per row of ours that it meets.
 *
 * Rules are compared by what they compute: both are evaluated for made-up registers and a made-up memory
 * (the value at an address is a hash of the address), so nothing here knows how rows.c folds an expression.
 */
#ifndef TESTS_ROW_ORACLE_H
#define TESTS_ROW_ORACLE_H

#include <dwarf.h>
#include <elf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macros.h"
#include "unwind/machine.h"
#include "unwind/rows.h"

struct row_counts {
	size_t files, rows, checks, differences;
	size_t gaps_known; /* addresses that known_code.h knows and libdw does not */
	/*
	 * glibc's rawmemchr of arm64 says that its return address is in x15, and no more. libdw calls that
	 * register lost, for callees may change it; for us the address is where the CIE says.
	 */
	size_t odd_column;
	size_t fp_unknown;
	size_t unsupported[UNWIND_UNSUPPORTED_COUNT];
};

/* What is being compared. */
struct row_oracle {
	const char *path;
	struct eh_frame *ef;
	const struct machine *machine;
	Dwarf_CFI *cfi;
	struct row_counts *counts;
	bool verbose;
	struct eh_frame *other; /* must have the same rows; NULL: nothing to compare with */
};

struct outcome {
	bool cfa_known, ra_known, fp_known, end;
	uint64_t cfa, ra, fp;
};

/* A machine that is stopped at `pc`. */
struct stopped {
	uint64_t pc;
	const struct machine *machine;
};

static inline uint64_t stopped_register(const struct stopped *s, uint64_t number)
{
	if (s->machine->elf_machine == EM_X86_64 && number == 16)
		return s->pc;
	return (0x1000000 + (number * 0x9e3779b97f4a7c15 & 0xfffffff)) & ~UINT64_C(7);
}

static inline uint64_t stopped_memory(uint64_t address)
{
	return (address * 0xbf58476d1ce4e5b9 ^ address >> 31) & 0xffffffffffff;
}

/* A DWARF expression; true where it could be evaluated. *ret_is_value: not a place but the value. */
static inline bool evaluate(const struct stopped *s, const Dwarf_Op *ops, size_t count,
	uint64_t cfa, uint64_t *ret, bool *ret_is_value)
{
	uint64_t stack[16] = {0};
	size_t n = 0;

	*ret_is_value = false;
	for (size_t i = 0; i < count; i++) {
		uint8_t op = ops[i].atom;
		uint64_t a = ops[i].number;

		if (n >= 14)
			return false;
		if (op >= DW_OP_lit0 && op <= DW_OP_lit31) {
			stack[n++] = (uint64_t)op - DW_OP_lit0;
		} else if (op >= DW_OP_breg0 && op <= DW_OP_breg31) {
			stack[n++] = stopped_register(s, (uint64_t)op - DW_OP_breg0) + a;
		} else if (op == DW_OP_bregx) {
			stack[n++] = stopped_register(s, a) + ops[i].number2;
		} else if (op >= DW_OP_reg0 && op <= DW_OP_reg31) {
			stack[n++] = stopped_register(s, (uint64_t)op - DW_OP_reg0);
			*ret_is_value = true;
		} else if (op == DW_OP_regx) {
			stack[n++] = stopped_register(s, a);
			*ret_is_value = true;
		} else if (op == DW_OP_call_frame_cfa) {
			stack[n++] = cfa;
		} else if (op >= DW_OP_const1u && op <= DW_OP_consts) {
			stack[n++] = a;
		} else if (op == DW_OP_stack_value) {
			*ret_is_value = true;
		} else if (op == DW_OP_plus_uconst && n) {
			stack[n - 1] += a;
		} else if (op == DW_OP_deref && n) {
			stack[n - 1] = stopped_memory(stack[n - 1]);
		} else if (n >= 2) {
			uint64_t x = stack[n - 2], y = stack[n - 1];

			n--;
			switch (op) {
			case DW_OP_plus:
				stack[n - 1] = x + y;
				break;
			case DW_OP_minus:
				stack[n - 1] = x - y;
				break;
			case DW_OP_and:
				stack[n - 1] = x & y;
				break;
			case DW_OP_mul:
				stack[n - 1] = x * y;
				break;
			case DW_OP_shl:
				stack[n - 1] = y < 64 ? x << y : 0;
				break;
			case DW_OP_ge:
				stack[n - 1] = (int64_t)x >= (int64_t)y;
				break;
			default:
				return false;
			}
		} else if (op != DW_OP_nop) {
			return false;
		}
	}
	*ret = n ? stack[n - 1] : 0;
	return n > 0;
}

/* The caller's register by libdw. False: lost. */
static inline bool libdw_register(const struct stopped *s, Dwarf_Frame *frame, int number,
	uint64_t cfa, uint64_t *ret, bool *ret_undefined)
{
	Dwarf_Op mem[3], *ops = NULL;
	size_t count = 0;
	bool is_value;

	*ret_undefined = false;
	if (dwarf_frame_register(frame, number, mem, &ops, &count) < 0)
		return false;
	if (!count && ops == mem) {
		*ret_undefined = true;
		return false;
	}
	if (!count) { /* the same */
		*ret = stopped_register(s, (uint64_t)number);
		return true;
	}
	if (!evaluate(s, ops, count, cfa, ret, &is_value))
		return false;
	if (!is_value)
		*ret = stopped_memory(*ret);
	return true;
}

static inline void ask_libdw(const struct stopped *s, Dwarf_Frame *frame, struct outcome *ret)
{
	Dwarf_Op *ops = NULL;
	size_t count = 0;
	bool is_value, undefined;
	Dwarf_Addr start, end;
	bool signal;
	int ra_column = dwarf_frame_info(frame, &start, &end, &signal);

	*ret = (struct outcome){0};
	if (dwarf_frame_cfa(frame, &ops, &count) == 0 && count)
		ret->cfa_known = evaluate(s, ops, count, 0, &ret->cfa, &is_value);
	ret->ra_known = libdw_register(s, frame, ra_column, ret->cfa, &ret->ra, &ret->end);
	ret->fp_known = libdw_register(s, frame, s->machine->fp, ret->cfa, &ret->fp, &undefined);
}

/* bpf/unwind.h in words of one machine that stands still. */
static inline void apply_rule(const struct stopped *s, const struct unwind_rule *r,
	struct outcome *ret)
{
	uint64_t sp = stopped_register(s, s->machine->sp), fp = stopped_register(s, s->machine->fp);
	uint64_t reg = stopped_register(s, r->cfa_reg);
	uint64_t offset = (uint64_t)(int64_t)r->cfa_offset, add = (uint64_t)(int64_t)r->cfa_add;

	*ret = (struct outcome){.cfa_known = true, .ra_known = true, .fp_known = true};
	switch ((enum unwind_cfa)r->cfa) {
	case UNWIND_CFA_SP:
		ret->cfa = sp + offset;
		break;
	case UNWIND_CFA_FP:
		ret->cfa = fp + offset;
		break;
	case UNWIND_CFA_REG:
		ret->cfa = reg + offset;
		break;
	case UNWIND_CFA_SP_DEREF:
		ret->cfa = stopped_memory(sp + offset) + add;
		break;
	case UNWIND_CFA_FP_DEREF:
		ret->cfa = stopped_memory(fp + offset) + add;
		break;
	case UNWIND_CFA_REG_DEREF:
		ret->cfa = stopped_memory(reg + offset) + add;
		break;
	case UNWIND_CFA_PLT:
		ret->cfa = sp + 8 + ((s->pc & 15) >= add ? 8 : 0);
		break;
	case UNWIND_CFA_SIGNAL: /* struct ucontext of x86-64 */
		ret->cfa = stopped_memory(sp + offset + 160);
		ret->ra = stopped_memory(sp + offset + 168);
		ret->fp = stopped_memory(sp + offset + 120);
		return;
	case UNWIND_CFA_END:
		*ret = (struct outcome){.end = true};
		return;
	default:
		*ret = (struct outcome){0};
		return;
	}
	ret->ra = r->ra == UNWIND_RA_REG
		? stopped_register(s, r->ra_reg)
		: stopped_memory(ret->cfa + (uint64_t)(int64_t)r->ra_offset);
	uint64_t fp_offset = (uint64_t)(int64_t)r->fp_offset;

	switch ((enum unwind_fp)r->fp) {
	case UNWIND_FP_SAME:
		ret->fp = fp;
		break;
	case UNWIND_FP_AT_CFA:
		ret->fp = stopped_memory(ret->cfa + fp_offset);
		break;
	case UNWIND_FP_AT_FP:
		ret->fp = stopped_memory(fp + fp_offset);
		break;
	case UNWIND_FP_AT_SP:
		ret->fp = stopped_memory(sp + fp_offset);
		break;
	default:
		ret->fp_known = false;
	}
}

static inline void report(const struct row_oracle *o, uint64_t address, const struct unwind_rule *r,
	const char *what, const struct outcome *ours, const struct outcome *theirs)
{
	o->counts->differences++;
	printf("%s 0x%llx: %s: rule cfa %u %d %d reg %u, fp %u %d, ra %u %d %u; CFA %llx RA %llx FP "
	       "%llx, libdw: CFA %llx RA %llx FP %llx\n",
		o->path, (unsigned long long)address, what, r->cfa, r->cfa_offset, r->cfa_add,
		r->cfa_reg, r->fp, r->fp_offset, r->ra, r->ra_offset, r->ra_reg,
		(unsigned long long)ours->cfa, (unsigned long long)ours->ra,
		(unsigned long long)ours->fp, (unsigned long long)theirs->cfa,
		(unsigned long long)theirs->ra, (unsigned long long)theirs->fp);
}

/* Whether libdw has an answer that rows cannot give, as the rule says. */
static inline bool rightly_unsupported(const struct unwind_rule *r, const struct outcome *theirs)
{
	switch ((enum unwind_unsupported)r->cfa_reg) {
	case UNWIND_DAMAGED:
	case UNWIND_LIMIT:
		return !theirs->cfa_known;
	default:
		return true;
	}
}

static inline const char *compare_outcomes(const struct outcome *ours, const struct outcome *theirs)
{
	if (ours->end != theirs->end)
		return "end";
	if (ours->end)
		return NULL;
	if (!theirs->cfa_known || ours->cfa != theirs->cfa)
		return "CFA";
	if (!theirs->ra_known || ours->ra != theirs->ra)
		return "return address";
	if (ours->fp_known && (!theirs->fp_known || ours->fp != theirs->fp))
		return "frame pointer";
	return NULL;
}

/* Checks one address. Returns where libdw's answer ends, at most `limit`. */
static inline uint64_t check_address(const struct row_oracle *o, uint64_t address, uint64_t limit,
	const struct unwind_rule *r)
{
	struct stopped s = {address, o->machine};
	struct outcome ours, theirs = {0};
	Dwarf_Frame *frame = NULL;
	Dwarf_Addr start = 0, end = limit;
	bool signal;

	o->counts->checks++;
	apply_rule(&s, r, &ours);
	if (!o->cfi || dwarf_cfi_addrframe(o->cfi, address, &frame) != 0) {
		if (r->cfa != UNWIND_CFA_NONE &&
			(r->cfa != UNWIND_CFA_UNSUPPORTED || !rightly_unsupported(r, &theirs))) {
			struct fde fde;

			if (eh_frame_find(o->ef, address, &fde) < 0)
				o->counts->gaps_known++;
			else
				report(o, address, r, "libdw knows nothing", &ours, &theirs);
		}
		return limit;
	}
	int column = dwarf_frame_info(frame, &start, &end, &signal);

	ask_libdw(&s, frame, &theirs);
	if (theirs.end && s.machine->ra_stays && column != 30 && r->ra == UNWIND_RA_REG &&
		r->ra_reg == column) {
		o->counts->odd_column++;
	} else if (r->cfa == UNWIND_CFA_UNSUPPORTED) {
		if (!rightly_unsupported(r, &theirs))
			report(o, address, r, "wrongly unsupported", &ours, &theirs);
	} else {
		const char *what = compare_outcomes(&ours, &theirs);

		if (what)
			report(o, address, r, what, &ours, &theirs);
	}
	free(frame);
	return end > address && end < limit ? end : limit;
}

static inline void check_row(const struct row_oracle *o, const struct unwind_row *row, uint64_t end)
{
	o->counts->rows++;
	o->counts->fp_unknown += row->rule.fp == UNWIND_FP_UNKNOWN;
	if (row->rule.cfa == UNWIND_CFA_UNSUPPORTED) {
		o->counts->unsupported[row->rule.cfa_reg]++;
		if (o->verbose)
			printf("unsupported %u: %s 0x%llx\n", row->rule.cfa_reg, o->path,
				(unsigned long long)row->address);
	}
	for (uint64_t at = row->address; at < end;)
		at = check_address(o, at, end, &row->rule);
	check_address(o, row->address + (end - row->address) / 2, end, &row->rule);
	check_address(o, end - 1, end, &row->rule);
}

/* The same rows by another way to the FDEs. */
static inline void check_other(const struct row_oracle *o, uint64_t lo, uint64_t hi,
	const struct unwind_rows *rows)
{
	struct unwind_rows other cleanup_unwind_rows = {0};

	if (unwind_rows_read(o->other, lo, hi, &other) == 0 && other.count == rows->count &&
		memcmp(other.list, rows->list, rows->count * sizeof(rows->list[0])) == 0)
		return;
	o->counts->differences++;
	printf("%s 0x%llx: other rows by .eh_frame_hdr than by all records\n", o->path,
		(unsigned long long)lo);
}

/* All pages of the executable segments. 0, or what unwind_rows_read() said. */
static inline int check_rows(const struct row_oracle *o)
{
	const struct elf_image *image = eh_frame_image(o->ef);
	struct unwind_rows rows cleanup_unwind_rows = {0};

	o->counts->files++;
	for (size_t i = 0; i < image->segment_count; i++) {
		const struct elf_segment *s = &image->segments[i];
		uint64_t end = s->address + s->file_size, next;

		for (uint64_t at = s->address; s->executable && at < end; at = next) {
			next = MIN(end, (at | (UNWIND_PAGE_SIZE - 1)) + 1);
			int r = unwind_rows_read(o->ef, at, next, &rows);

			if (r < 0)
				return r;
			if (o->other)
				check_other(o, at, next, &rows);
			for (size_t k = 0; k < rows.count; k++)
				check_row(o, &rows.list[k],
					k + 1 < rows.count ? rows.list[k + 1].address : next);
		}
	}
	return 0;
}

/* A file that is no ELF file of a machine of ours is none. */
static inline void check_file(const char *path, struct row_counts *counts, bool verbose)
{
	int fd cleanup_close = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	struct elf_image image;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	struct byte_source source = byte_source_fd(fd, (uint64_t)st.st_size);

	if (elf_image_read(&source, &image) < 0)
		return;
	if (image.segment_count && image.is_64 && machine_of(image.machine)) {
		struct eh_frame *ef = eh_frame_new(&source, &image);
		Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
		Dwarf *dw = NULL;
		Dwarf_CFI *own = NULL, *cfi;

		if (eh_frame_kind(ef) == EH_FRAME_DEBUG) {
			dw = dwarf_begin_elf(elf, DWARF_C_READ, NULL);
			cfi = dw ? dwarf_getcfi(dw) : NULL;
		} else {
			cfi = own = dwarf_getcfi_elf(elf);
		}
		struct elf_image bare = image;

		bare.named[ELF_EH_FRAME_HDR].size = 0;
		struct eh_frame *scanned = eh_frame_new(&source, &bare);
		struct row_oracle o = {.path = path,
			.ef = ef,
			.machine = machine_of(image.machine),
			.cfi = cfi,
			.counts = counts,
			.verbose = verbose,
			.other = image.named[ELF_EH_FRAME].size ? scanned : NULL};
		size_t before = counts->differences;
		int r = check_rows(&o);

		if (r < 0)
			printf("%s: %s\n", path, strerror(-r));
		if (verbose || counts->differences > before)
			printf("%s: %zu differences%s\n", path, counts->differences - before,
				eh_frame_is_scanned(ef) ? ", scanned" : "");
		if (own)
			dwarf_cfi_end(own);
		if (dw)
			dwarf_end(dw);
		elf_end(elf);
		eh_frame_free(scanned);
		eh_frame_free(ef);
	}
	elf_image_release(&image);
}

#endif
