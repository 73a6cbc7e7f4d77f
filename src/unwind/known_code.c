// SPDX-License-Identifier: Apache-2.0
/*
 * What is looked for in gaps:
 * - the entry point, if it looks like one: nobody called it. (glibc's has an FDE that says so.)
 * - the instructions a signal handler returns to, which do nothing but rt_sigreturn. Its row begins an
 *   instruction early: the caller of a handler is looked up by the address before the return address.
 * - musl's clone(), and what calls main() and thread functions in musl: `exit(main(...))`. The latter is looked
 *   for only in files whose entry point is in a gap, which those of musl are: in others the same few bytes
 *   may mean anything.
 *
 * Gaps are mostly a few bytes of padding, so a chunk of code is read for many of them, with a margin on both
 * sides for patterns that begin or end outside; what is found in it is painted on a map of the gap, from which
 * its rows are read off. Nearly all chunks have no system call, which all patterns but musl's calls do.
 */
#include "unwind/known_code.h"

#include <elf.h>
#include <string.h>

#include "base/macros.h"

/* Entry stubs have 22 (musl, x86-64) to some tens of bytes. */
#define ENTRY_MAX 96

struct pattern {
	uint16_t elf_machine;
	bool after_indirect_call; /* and only where the entry point is in a gap */
	const char *bytes;
	size_t len;
	int from, to; /* which bytes it says something of, counted from its start */
	struct unwind_rule rule;
};

#define PATTERN(b) .bytes = (b), .len = sizeof(b) - 1
#define END_RULE                                                                                   \
	{                                                                                          \
		.cfa = UNWIND_CFA_END                                                              \
	}
#define SIGNAL_RULE                                                                                \
	{                                                                                          \
		.cfa = UNWIND_CFA_SIGNAL                                                           \
	}
/* A function of x86-64 that has not touched the stack. */
#define LEAF_RULE                                                                                  \
	{                                                                                          \
		.cfa = UNWIND_CFA_SP, .cfa_offset = 8, .ra_offset = -8                             \
	}

#define MUSL_CLONE_CHILD "\x31\xed\x5f\x41\xff\xd1\x89\xc7\x31\xc0\xb0\x3c\x0f\x05\xf4\xc3"

static const struct pattern patterns[] = {
	/* mov $15,%rax; syscall, and with %eax */
	{EM_X86_64, PATTERN("\x48\xc7\xc0\x0f\0\0\0\x0f\x05"), .from = -1, .to = 9,
		.rule = SIGNAL_RULE},
	{EM_X86_64, PATTERN("\xb8\x0f\0\0\0\x0f\x05"), .from = -1, .to = 7, .rule = SIGNAL_RULE},
	/* mov x8,#139; svc #0 */
	{EM_AARCH64, PATTERN("\x68\x11\x80\xd2\x01\0\0\xd4"), .from = -4, .to = 8,
		.rule = SIGNAL_RULE},
	/* musl's clone: the caller's half to the system call and after it, the child's half */
	{EM_X86_64,
		PATTERN("\x31\xc0\xb0\x38\x49\x89\xfb\x48\x89\xd7\x4c\x89\xc2\x4d\x89\xc8"
			"\x4c\x8b\x54\x24\x08\x4d\x89\xd9\x48\x83\xe6\xf0\x48\x83\xee\x08"
			"\x48\x89\x0e\x0f\x05\x85\xc0\x75\x0f"),
		.from = 0, .to = 41, .rule = LEAF_RULE},
	{EM_X86_64, PATTERN(MUSL_CLONE_CHILD), .from = 0, .to = 15, .rule = END_RULE},
	{EM_X86_64, PATTERN(MUSL_CLONE_CHILD), .from = 15, .to = 16, .rule = LEAF_RULE},
	/* ldp x1,x0,[sp],#16; blr x1; mov x8,#93; svc #0 */
	{EM_AARCH64, PATTERN("\xe1\x03\xc1\xa8\x20\0\x3f\xd6\xa8\x0b\x80\xd2\x01\0\0\xd4"),
		.from = 0, .to = 16, .rule = END_RULE},
	/* exit(main(...)): mov %eax,%edi; call. Of threads: mov %rax,%rdi and movslq %eax,%rdi. */
	{EM_X86_64, true, PATTERN("\x89\xc7\xe8"), .from = -1, .to = 7, .rule = END_RULE},
	{EM_X86_64, true, PATTERN("\x48\x89\xc7\xe8"), .from = -1, .to = 8, .rule = END_RULE},
	{EM_X86_64, true, PATTERN("\x48\x63\xf8\xe8"), .from = -1, .to = 8, .rule = END_RULE},
};

#define ENTRY_PAINT (ARRAY_SIZE(patterns) + 1)

struct piece {
	uint64_t lo, hi;
	const struct unwind_rows *under;
	size_t under_at; /* the row of `under` that holds */
	uint8_t paint[KNOWN_CODE_CHUNK]; /* 0, or 1 + the pattern's index, or ENTRY_PAINT */
};

static const struct unwind_rule *rule_of(const struct piece *piece, uint8_t paint)
{
	static const struct unwind_rule end = END_RULE;

	if (paint == ENTRY_PAINT)
		return &end;
	return paint ? &patterns[paint - 1].rule : &piece->under->list[piece->under_at].rule;
}

/* Goes on to the next row of what is under the paint, if that begins at `address`. */
static bool next_under(struct piece *piece, uint64_t address)
{
	const struct unwind_rows *under = piece->under;

	if (piece->under_at + 1 >= under->count ||
		under->list[piece->under_at + 1].address > address)
		return false;
	piece->under_at++;
	return true;
}

static void paint(struct piece *piece, uint64_t from, uint64_t to, size_t color)
{
	from = MAX(from, piece->lo);
	to = MIN(to, piece->hi);
	if (from < to)
		memset(piece->paint + (from - piece->lo), (int)color, (size_t)(to - from));
}

/*
 * Whether code begins as entry points do: with a frame pointer of 0. Linkers give libraries an entry point, too,
 * which is just where their code begins.
 */
static bool is_entry_stub(const struct elf_image *image, const uint8_t code[8])
{
	static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa}, bti[] = {0x5f, 0x24, 0x03, 0xd5};
	static const uint8_t mov_x29[] = {0x1d, 0x00, 0x80, 0xd2};
	bool x86 = image->machine == EM_X86_64;

	if (memcmp(code, x86 ? endbr64 : bti, 4) == 0)
		code += 4;
	if (!x86)
		return memcmp(code, mov_x29, 4) == 0;
	if (code[0] == 0x48)
		code++;
	return code[0] == 0x31 && code[1] == 0xed;
}

/* Whether the file has an entry point that is one, and no FDE for it. */
static bool entry_in_gap(struct known_code *kc)
{
	const struct elf_image *image = eh_frame_image(kc->ef);
	uint64_t offset, left;
	uint8_t code[8];
	struct fde fde;

	if (!kc->entry_asked)
		kc->entry_in_gap = elf_image_is_code(image, image->entry) &&
			elf_image_offset(image, image->entry, &offset, &left) &&
			left >= sizeof(code) &&
			byte_source_read(eh_frame_source(kc->ef), offset, code, sizeof(code)) ==
				0 &&
			is_entry_stub(image, code) && eh_frame_find(kc->ef, image->entry, &fde) < 0;
	kc->entry_asked = true;
	return kc->entry_in_gap;
}

/* Whether the code before `at` is call *%reg, call *(%reg) or call *disp8(%reg). */
static bool is_indirect_call(const uint8_t *start, const uint8_t *at)
{
	if (at - start >= 2 && at[-2] == 0xff &&
		((at[-1] & 0xf8) == 0xd0 || (at[-1] & 0xf8) == 0x10))
		return true;
	return at - start >= 3 && at[-3] == 0xff && (at[-2] & 0xf8) == 0x50;
}

/* The chunk at `lo` and its margins, as far as there is any code. */
static void read_code(const struct known_code *kc, uint64_t lo, struct known_code_bytes *ret)
{
	const struct elf_image *image = eh_frame_image(kc->ef);
	uint64_t offset = 0, left = 0;

	ret->len = 0;
	ret->address = lo - MIN(lo, (uint64_t)KNOWN_CODE_MARGIN);
	if (!elf_image_offset(image, ret->address, &offset, &left)) {
		ret->address = lo; /* a segment begins here */
		if (!elf_image_offset(image, lo, &offset, &left))
			return;
	}
	left = MIN(left, (uint64_t)sizeof(ret->bytes));
	if (byte_source_read(eh_frame_source(kc->ef), offset, ret->bytes, (size_t)left) == 0)
		ret->len = (size_t)left;
}

/* syscall is 0f 05. On arm64 patterns are looked for in any case: its code has few gaps. */
static bool calls_kernel(uint16_t machine, const struct known_code_bytes *code)
{
	const uint8_t *at = code->bytes, *end = code->bytes + code->len;

	if (machine != EM_X86_64)
		return true;
	while (at < end && (at = memchr(at, 0x05, (size_t)(end - at)))) {
		if (at > code->bytes && at[-1] == 0x0f)
			return true;
		at++;
	}
	return false;
}

static void look_for(struct known_code *kc, const struct known_code_bytes *code, size_t index)
{
	const struct pattern *p = &patterns[index];
	const uint8_t *at = code->bytes, *end = code->bytes + code->len;

	while (at < end && (at = memmem(at, (size_t)(end - at), p->bytes, p->len))) {
		if ((!p->after_indirect_call || is_indirect_call(code->bytes, at)) &&
			kc->hit_count < KNOWN_CODE_HITS) {
			kc->hits[kc->hit_count].address =
				code->address + (uint64_t)(at - code->bytes);
			kc->hits[kc->hit_count++].pattern = index;
		}
		at++;
	}
}

static void look_at_chunk(struct known_code *kc, uint64_t lo)
{
	uint16_t machine = eh_frame_image(kc->ef)->machine;
	bool musl = entry_in_gap(kc);

	kc->lo = lo;
	kc->hi = lo + MIN(UINT64_MAX - lo, (uint64_t)KNOWN_CODE_CHUNK);
	kc->hit_count = 0;
	read_code(kc, lo, &kc->code);
	bool kernel = calls_kernel(machine, &kc->code);

	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++)
		if (patterns[i].elf_machine == machine &&
			(patterns[i].after_indirect_call ? musl : kernel))
			look_for(kc, &kc->code, i);
}

static void look_at(struct known_code *kc, uint64_t lo, uint64_t hi)
{
	if (lo < kc->lo || hi > kc->hi)
		look_at_chunk(kc, lo);
}

const uint8_t *known_code_read(struct known_code *kc, uint64_t lo, uint64_t hi)
{
	const struct known_code_bytes *code = &kc->code;

	if (hi - lo > KNOWN_CODE_CHUNK)
		return NULL;
	look_at(kc, lo, hi);
	return lo >= code->address && hi <= code->address + code->len
		? code->bytes + (lo - code->address)
		: NULL;
}

static void add_piece(struct known_code *kc, struct piece *piece, struct unwind_rows *rows)
{
	uint64_t entry = eh_frame_image(kc->ef)->entry;
	size_t len = (size_t)(piece->hi - piece->lo);

	memset(piece->paint, 0, len);
	look_at(kc, piece->lo, piece->hi);
	for (size_t i = 0; i < kc->hit_count; i++) {
		const struct pattern *p = &patterns[kc->hits[i].pattern];
		uint64_t address = kc->hits[i].address;

		paint(piece, address + (uint64_t)(int64_t)p->from, address + (uint64_t)p->to,
			kc->hits[i].pattern + 1);
	}
	if (entry < piece->hi && piece->lo < entry + ENTRY_MAX && entry_in_gap(kc))
		paint(piece, entry, entry + ENTRY_MAX, ENTRY_PAINT);
	for (size_t i = 0; i < len; i++)
		if (next_under(piece, piece->lo + i) || !i ||
			piece->paint[i] != piece->paint[i - 1])
			unwind_rows_add(rows, piece->lo + i, rule_of(piece, piece->paint[i]));
}

void known_code_rows(struct known_code *kc, uint64_t lo, uint64_t hi,
	const struct unwind_rows *under, struct unwind_rows *rows)
{
	struct piece piece = {.under = under};

	for (piece.lo = lo; piece.lo < hi; piece.lo = piece.hi) {
		uint64_t len = MIN(hi - piece.lo, (uint64_t)KNOWN_CODE_CHUNK);

		piece.hi = piece.lo + len;
		add_piece(kc, &piece, rows);
	}
}
