// SPDX-License-Identifier: Apache-2.0
/*
 *	gap.start         window              page: lo hi           window       gap.end
 *	|-----------------|====================|==|..|===============|--------------|
 *	                    CODE_ROWS_BEFORE       4 KiB   CODE_ROWS_AFTER
 *
 * The window depends on the page alone, so the rows of pages put together are the same whatever was asked
 * first. What is behind the page is only there for where the page's code leads. Beginnings of functions come from
 * the symbol tables, where there are any, and from the code.
 *
 * CFA is put as compilers put it, so that both can be compared: by rbp where that is the base of the frame and
 * the caller's rbp is at it, else by rsp.
 */
#include "unwind/code_rows.h"

#include <elf.h>
#include <string.h>

#include "base/macros.h"
#include "unwind/code_flow.h"

/*
 * A larger symbol table is not read, for it would be for each page; libraries without unwind tables are small
 * (musl has 1,700 symbols).
 */
#define SYMBOLS_MAX (64u << 10)
#define CHUNK       512 /* symbols read at once */
#define NAME_MAX_   256 /* of a name is looked at for what it ends in */

/* Some take as long as looking at one instruction, or one as long as some. */
#define BYTES_PER_WORK   4
#define SYMBOLS_PER_WORK 2
#define WORK_PER_NAME    64

static const uint8_t dwarf_number[16] = {0, 2, 1, 3, 7, 6, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15};

static uint8_t fp_of(const struct flow_state *s, struct unwind_rule *r)
{
	if (!s->saved || s->saved > INT16_MAX)
		return s->fp == FLOW_FP_SAME ? UNWIND_FP_SAME : UNWIND_FP_UNKNOWN;
	r->fp_offset = (int16_t)-s->saved;
	return UNWIND_FP_AT_CFA;
}

struct unwind_rule code_rule_of(const struct flow_state *s)
{
	struct unwind_rule r = {.ra_offset = -8, .fp = UNWIND_FP_SAME};
	bool framed = s->fp == FLOW_FP_FRAME && s->frame >= 16;

	if (framed && (s->frame == s->saved || s->depth == FLOW_UNKNOWN)) {
		r.cfa = UNWIND_CFA_FP;
		r.cfa_offset = s->frame;
	} else if (s->depth != FLOW_UNKNOWN && s->depth >= 8) {
		r.cfa = UNWIND_CFA_SP;
		r.cfa_offset = s->depth;
	} else if (s->depth == FLOW_UNKNOWN && s->reg != X86_NO_REGISTER) {
		r.cfa = UNWIND_CFA_REG;
		r.cfa_reg = dwarf_number[s->reg];
		r.cfa_offset = s->other;
	} else {
		return (struct unwind_rule){.cfa = UNWIND_CFA_NONE};
	}
	r.fp = fp_of(s, &r);
	return r;
}

/* Compilers split functions; the part that is rarely run does not begin as a function does. */
static bool is_cold_part(const struct code_gap *gap, const struct elf_symbol_section *section,
	uint32_t offset)
{
	char name[NAME_MAX_ + 1] = "";

	if (offset >= section->strings_size ||
		section->strings_offset + offset >= gap->source->size)
		return true;
	uint64_t at = section->strings_offset + offset;
	size_t n = (size_t)MIN((uint64_t)NAME_MAX_, gap->source->size - at);

	return byte_source_read(gap->source, at, name, n) < 0 || strstr(name, ".cold");
}

/* A window of code and what is known to begin in it. */
struct window {
	const struct code_gap *gap;
	uint64_t start, end;
	struct code_flow *flow;
	size_t work;
};

static void take_symbol(struct window *w, const struct elf_symbol_section *section,
	const Elf64_Sym *sym)
{
	int type = ELF64_ST_TYPE(sym->st_info);

	if ((type != STT_FUNC && type != STT_GNU_IFUNC) || sym->st_shndx == SHN_UNDEF ||
		sym->st_value < w->start || sym->st_value >= w->end)
		return;
	w->work += WORK_PER_NAME;
	if (!is_cold_part(w->gap, section, sym->st_name))
		code_flow_add_start(w->flow, (size_t)(sym->st_value - w->start));
}

static void take_symbols(struct window *w, const struct elf_symbol_section *section)
{
	uint64_t count = section->size / sizeof(Elf64_Sym);
	Elf64_Sym chunk[CHUNK];

	if (count > SYMBOLS_MAX)
		return;
	w->work += count / SYMBOLS_PER_WORK;
	for (uint64_t i = 0, n; i < count; i += n) {
		n = MIN(count - i, (uint64_t)CHUNK);
		if (byte_source_read(w->gap->source, section->offset + i * sizeof(chunk[0]), chunk,
			    (size_t)n * sizeof(chunk[0])) < 0)
			return;
		for (uint64_t k = 0; k < n; k++)
			take_symbol(w, section, &chunk[k]);
	}
}

/* Rows of lo <= address < hi from the states of the window. */
static void emit(const struct window *w, uint64_t lo, uint64_t hi, struct unwind_rows *rows)
{
	static const struct unwind_rule none = {.cfa = UNWIND_CFA_NONE};
	const struct flow_state *state;
	size_t len = 0;
	uint64_t done = lo;

	/* An instruction may reach into the page. */
	uint64_t from = lo - MIN(lo - w->start, (uint64_t)X86_INSN_MAX);

	while (done < hi) {
		uint64_t at =
			w->start + code_flow_next(w->flow, (size_t)(from - w->start), &state, &len);

		if (at > done || at >= w->end)
			unwind_rows_add(rows, done, &none);
		if (at >= hi || at >= w->end)
			break;
		struct unwind_rule rule = code_rule_of(state);

		from = at + len;
		if (from <= lo)
			continue;
		done = MAX(at, lo);
		unwind_rows_add(rows, done, &rule);
		done = from;
	}
}

/* Before long padding assemblers put a jump to its end. */
static bool jumps_within(const struct x86_insn *insn, size_t left)
{
	return insn->flow == X86_JUMP && insn->has_target && insn->distance >= 0 &&
		(uint64_t)insn->distance <= left - insn->len;
}

static bool is_x86_64(const struct elf_image *image)
{
	return image->machine == EM_X86_64 && image->is_64;
}

bool code_rows_is_padding(const struct elf_image *image, const uint8_t *code, size_t len)
{
	struct x86_insn insn;

	for (size_t at = 0; at < len; at += insn.len) {
		if (!code[at]) {
			insn.len = 1;
			continue;
		}
		if (!x86_insn_decode(code + at, len - at, &insn) ||
			(!insn.is_padding && !jumps_within(&insn, len - at)))
			return false;
	}
	return is_x86_64(image);
}

/* Reads the code, as far as it is of the segment that `address` is in. NULL where that cannot be. */
static const uint8_t *read_window(struct window *w, uint64_t address)
{
	const struct elf_image *image = w->gap->image;
	uint64_t offset, left;

	for (size_t i = 0; i < image->segment_count; i++) {
		const struct elf_segment *s = &image->segments[i];

		if (s->executable && s->address <= address && address - s->address < s->file_size)
			w->start = MAX(w->start, s->address);
	}
	if (!elf_image_offset(image, w->start, &offset, &left))
		return NULL;
	size_t len = (size_t)MIN(w->end - w->start, left);
	uint8_t *code = code_flow_begin(w->flow, len, w->start);

	w->end = w->start + len;
	w->work += len / BYTES_PER_WORK;
	return len && byte_source_read(w->gap->source, offset, code, len) == 0 ? code : NULL;
}

/* The states of the window. False where there is nothing to follow. */
static bool follow(struct window *w, uint64_t lo, uint64_t hi)
{
	if (!is_x86_64(w->gap->image) || w->start > lo)
		return false;
	const uint8_t *code = read_window(w, lo);

	if (!code || w->end <= lo ||
		code_rows_is_padding(w->gap->image, code + (lo - w->start),
			(size_t)(MIN(hi, w->end) - lo)))
		return false;
	take_symbols(w, &w->gap->image->symtab);
	take_symbols(w, &w->gap->image->dynsym);
	w->work += code_flow_run(w->flow, (size_t)((lo | (UNWIND_PAGE_SIZE - 1)) + 1 - w->start));
	return true;
}

size_t code_rows_add(const struct code_gap *gap, uint64_t lo, uint64_t hi, struct unwind_rows *rows)
{
	static const struct unwind_rule none = {.cfa = UNWIND_CFA_NONE};
	uint64_t page = lo & ~(uint64_t)(UNWIND_PAGE_SIZE - 1);
	struct window w = {
		.gap = gap,
		.start = MAX(gap->start, page - MIN(page, (uint64_t)CODE_ROWS_BEFORE)),
		.end = MIN(gap->end, page + UNWIND_PAGE_SIZE + CODE_ROWS_AFTER),
		.flow = gap->flow,
	};

	if (follow(&w, lo, hi))
		emit(&w, lo, hi, rows);
	else
		unwind_rows_add(rows, lo, &none);
	return w.work;
}
