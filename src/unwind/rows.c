// SPDX-License-Identifier: Apache-2.0
/*
 * A range is cut at every start and end of an FDE; each piece is either one FDE's, whose instructions are
 * run, or a gap:
 *
 *	lo        FDE 1 ends    FDE 2 starts   FDE 3 starts in FDE 2 and ends       hi
 *	|-- FDE 1 --|---- gap ------|-- FDE 2 --|-- FDE 3 --|----- FDE 2 -----------|
 *
 * Which FDE a piece belongs to is eh_frame_find()'s answer, asked anew at each cut, so that nothing depends
 * on where a range begins: the rows of pages put together are the rows of the file.
 */
#include "unwind/rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "unwind/cfi_rule.h"
#include "unwind/code_rows.h"
#include "unwind/known_code.h"
#include "unwind/machine.h"

/* Instructions run for one range, or what takes as long: made to be slow, files take some 50 ms. */
#define WORK_MAX  (4u << 20)
#define WORK_FIND 64 /* looking up an address */
#define WORK_GAP  256 /* beside what code_rows.h takes */

/* How far back at a time the end of the FDE before a gap is looked for. */
#define GAP_STRIDE ((uint64_t)UNWIND_PAGE_SIZE)

void unwind_rows_release(struct unwind_rows *rows)
{
	free(rows->list);
	code_flow_free(rows->flow);
	*rows = (struct unwind_rows){0};
}

void unwind_rows_add(struct unwind_rows *rows, uint64_t address, const struct unwind_rule *rule)
{
	if (rows->count && memcmp(&rows->list[rows->count - 1].rule, rule, sizeof(*rule)) == 0)
		return;
	if (rows->count == rows->capacity) {
		rows->capacity = grow_capacity(rows->capacity, rows->count + 1);
		rows->list = xreallocarray(rows->list, rows->capacity, sizeof(rows->list[0]));
	}
	rows->list[rows->count++] = (struct unwind_row){.address = address, .rule = *rule};
}

/* From there on too much work was to be done. */
static void add_limit(struct unwind_rows *rows, uint64_t address)
{
	struct unwind_rule rule = cfi_rule_unsupported(UNWIND_LIMIT);

	unwind_rows_add(rows, address, &rule);
}

/* The FDE's rows of lo <= address < hi, within it. */
static void add_fde(struct eh_frame *ef, const struct fde *fde, uint64_t lo, uint64_t hi,
	struct unwind_rows *rows, size_t *work)
{
	struct cfi_program p;

	cfi_program_init(&p, ef, fde, machine_of(eh_frame_image(ef)->machine));
	while (cfi_program_step(&p) && p.start < hi) {
		if (p.end <= lo)
			continue;
		struct unwind_rule rule = p.wrong >= 0
			? cfi_rule_unsupported((enum unwind_unsupported)p.wrong)
			: cfi_rule_of(p.machine, &p.state, fde->cie->ra_column,
				  fde->cie->is_signal_frame);

		unwind_rows_add(rows, MAX(p.start, lo), &rule);
	}
	*work += p.work;
}

static bool in_fde(struct eh_frame *ef, uint64_t address, size_t *work, struct fde *ret)
{
	*work += WORK_FIND;
	return eh_frame_find(ef, address, ret) == 0;
}

/* The first start above `at` of an FDE that is not empty, or what is at or above `limit`. */
static uint64_t next_code_start(struct eh_frame *ef, uint64_t at, uint64_t limit, size_t *work)
{
	struct fde fde;

	do {
		at = eh_frame_next_start(ef, at);
	} while (at < limit && *work <= WORK_MAX && !in_fde(ef, at, work, &fde));
	return at;
}

/* Where the gap around `at` begins, looked for as far back as code_rows.h can make use of. */
static uint64_t gap_start(struct eh_frame *ef, uint64_t at, size_t *work)
{
	uint64_t page = at & ~(uint64_t)(UNWIND_PAGE_SIZE - 1), start;
	uint64_t farthest = page - MIN(page, (uint64_t)CODE_ROWS_BEFORE), next;
	struct fde fde;

	if (at && in_fde(ef, at - 1, work, &fde))
		return at;
	for (start = at; start > farthest; start = next) {
		next = start == at && at > page ? page : start - MIN(start - farthest, GAP_STRIDE);
		uint64_t end = 0;

		/* The last FDE between the two. */
		for (uint64_t a = next; a < start && *work <= WORK_MAX;
			a = eh_frame_next_start(ef, a))
			if (in_fde(ef, a, work, &fde))
				end = MAX(end, fde.end);
		if (end)
			return MIN(end, at);
	}
	return start;
}

/* Go keeps frame pointers, and its assembler switches stacks in ways that are not followed. */
static void add_code(struct eh_frame *ef, uint64_t lo, uint64_t hi, struct unwind_rows *rows,
	size_t *work)
{
	static const struct unwind_rule none = {.cfa = UNWIND_CFA_NONE};
	uint64_t next;

	if (eh_frame_image(ef)->is_go) {
		unwind_rows_add(rows, lo, &none);
		return;
	}
	if (!rows->flow)
		rows->flow = code_flow_new();
	struct code_gap gap = {
		.source = eh_frame_source(ef),
		.image = eh_frame_image(ef),
		.start = gap_start(ef, lo, work),
		.end = next_code_start(ef, lo, hi + UNWIND_PAGE_SIZE + CODE_ROWS_AFTER, work),
		.flow = rows->flow,
	};

	for (uint64_t at = lo; at < hi; at = next) {
		if (*work > WORK_MAX) {
			add_limit(rows, at);
			break;
		}
		next = MIN(hi, (at | (UNWIND_PAGE_SIZE - 1)) + 1);
		*work += code_rows_add(&gap, at, next, rows);
	}
}

/* Most gaps are that, and what is around them need not be known then. */
static bool is_padding(struct eh_frame *ef, struct known_code *known, uint64_t lo, uint64_t hi)
{
	const uint8_t *code;

	return (lo ^ (hi - 1)) < UNWIND_PAGE_SIZE && (code = known_code_read(known, lo, hi)) &&
		code_rows_is_padding(eh_frame_image(ef), code, (size_t)(hi - lo));
}

static void add_gap(struct eh_frame *ef, struct known_code *known, uint64_t lo, uint64_t hi,
	struct unwind_rows *rows, size_t *work)
{
	static const struct unwind_rule none = {.cfa = UNWIND_CFA_NONE};
	struct unwind_rows code cleanup_unwind_rows = {.flow = steal_ptr(&rows->flow)};

	*work += WORK_GAP;
	if (is_padding(ef, known, lo, hi))
		unwind_rows_add(&code, lo, &none);
	else
		add_code(ef, lo, hi, &code, work);
	known_code_rows(known, lo, hi, &code, rows);
	rows->flow = steal_ptr(&code.flow);
}

int unwind_rows_read(struct eh_frame *ef, uint64_t lo, uint64_t hi, struct unwind_rows *ret)
{
	struct known_code known = {.ef = ef};
	size_t work = 0;

	ret->count = 0;
	if (!machine_of(eh_frame_image(ef)->machine))
		return -ENOTSUP;
	for (uint64_t at = lo, next; at < hi; at = next) {
		struct fde fde;

		if (work > WORK_MAX) {
			add_limit(ret, at);
			break;
		}
		next = MIN(eh_frame_next_start(ef, at), hi);
		if (in_fde(ef, at, &work, &fde)) {
			next = MIN(next, fde.end);
			add_fde(ef, &fde, at, next, ret, &work);
		} else {
			next = MIN(next_code_start(ef, at, hi, &work), hi);
			add_gap(ef, &known, at, next, ret, &work);
		}
		if (ret->count > UNWIND_ROWS_MAX)
			return -E2BIG;
	}
	return 0;
}
