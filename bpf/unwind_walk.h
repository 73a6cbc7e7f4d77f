// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * One step of a walk through a user stack: from a frame to its caller. The same source runs in the
 * kernel on live stacks (unwind.bpf.h) and in user space on kept ones (src/unwind/walk.c); whoever
 * includes it has defined how memory and tables are read:
 *
 *	struct unwind_env		what the readers need; may be empty
 *	bool walk_read(env, void *to, uint32_t size, uint64_t from)	of the user's memory
 *	bool walk_read_word(env, uint64_t *to, uint64_t from)	of the stack: 8 bytes
 *	const uint8_t *walk_chunk(env, uint32_t ref)	the slab's chunk that ref is in, or NULL
 *	void walk_mark(env, const uint8_t *chunk, uint64_t at)	a page was of use: sets the byte there
 *	bool walk_push(env, uint64_t ip)		records a frame; false where there is no more room
 *	bool walk_binary(env, uint32_t number, struct unwind_binary *to)
 *	bool walk_rule(env, uint32_t number, struct unwind_rule *to)
 *	bool walk_recall(env, s, uint64_t address)	sets s->rule to what was remembered of the row it is in
 *	void walk_remember(env, s, uint64_t address)	that row: row_start, row_size and rule
 *	bool walk_recall_mapping(env, s, uint64_t address)	the same of start, end, bias and code
 *	void walk_remember_mapping(env, s, uint64_t address)
 *
 * For each frame: which mapping, which page, which row, what does its rule say. Code without a row is
 * walked by frame pointers:
 *
 *	fp -> | caller's fp | return address |
 *	         '-> | its caller's fp | return address |   ...  until one is 0
 *
 * and the tables take over again where an address leads back to code that has some. Code that keeps no
 * frame pointers leaves anything at all in that register, so such a step must be plausible: aligned,
 * upwards and near. Where stacks are switched (a signal handler's own stack, Go's system stack) it
 * may jump; a few jumps are followed, if what is found there is again such a list.
 *
 * The state lives in memory, not in registers, so that the verifier does not follow what comes after
 * once for each value it could have; searches are free of branches for the same reason.
 */
#ifndef BPF_UNWIND_WALK_H
#define BPF_UNWIND_WALK_H

#include "unwind_arch.h"

/*
 * All ones where the uppermost bit is set, else 0; of a difference of values below 2^63 that is where it is negative.
 * Without a branch, whatever the compiler thinks.
 */
static __always_inline uint64_t walk_sign(uint64_t value)
{
	__asm__ volatile("" : "+r"(value));
	return (uint64_t)((int64_t)value >> 63);
}

static __always_inline uint32_t walk_offset(uint32_t ref)
{
	return (ref << 3) & (SLAB_CHUNK_SIZE - 1);
}

static __always_inline uint16_t walk_u16(const uint8_t *chunk, uint64_t at)
{
	return *(const volatile uint16_t *)(chunk + (at & (SLAB_CHUNK_SIZE - 2)));
}

static __always_inline uint32_t walk_u32(const uint8_t *chunk, uint64_t at)
{
	return *(const volatile uint32_t *)(chunk + (at & (SLAB_CHUNK_SIZE - 4)));
}

static __always_inline uint64_t walk_u64(const uint8_t *chunk, uint64_t at)
{
	return *(const volatile uint64_t *)(chunk + (at & (SLAB_CHUNK_SIZE - 8)));
}

/*
 * The last of ascending values that is <= key, given that the first is. `pos` is where in the chunk to start, and then
 * where that value is; they end at `end`. `steps`, a power of two, is how many may be between, to be halved down to
 * `last`, which leaves as many. Some 15 instructions a step: unrolled, as loops cost the verifier too much here.
 */
#define WALK_SEARCH(load, chunk, pos, end, key, steps, last)                                       \
	do {                                                                                       \
		WALK_UNROLL for (uint64_t step_ = (steps); step_ >= (last); step_ >>= 1)           \
		{                                                                                  \
			uint64_t size_ = step_ * sizeof(load(chunk, 0));                           \
			uint64_t next_ = (pos) + size_;                                            \
			uint64_t before_ = next_ - (end), above_ = (key)-load(chunk, next_);       \
			(pos) += size_ & walk_sign(before_ & ~above_);                             \
		}                                                                                  \
	} while (0)

/* Finds the mapping that holds the address; s->end is 0 where none does. */
static __noinline int walk_find_mapping(struct unwind_env *env, struct unwind_state *s,
	uint64_t address)
{
	const uint8_t *chunk = walk_chunk(env, s->mappings);
	uint64_t at = walk_offset(s->mappings), count = s->mapping_count, pos = at;

	s->end = 0;
	if (walk_recall_mapping(env, s, address))
		return 0;
	if (!chunk || !count || address >> 63 || walk_u64(chunk, at) > address)
		return 0;
	uint64_t end = at + count * sizeof(uint64_t);

	if (count > 64)
		WALK_SEARCH(walk_u64, chunk, pos, end, address, PROCESS_MAPPINGS_MAX / 2, 64);
	WALK_SEARCH(walk_u64, chunk, pos, end, address, 32, 1);
	uint64_t of = end + (pos - at) * (sizeof(struct unwind_mapping) / sizeof(uint64_t));

	if (walk_u64(chunk, of) <= address)
		return 0;
	s->start = walk_u64(chunk, pos);
	s->end = walk_u64(chunk, of);
	s->bias = walk_u64(chunk, of + offsetof(struct unwind_mapping, bias));
	s->code.page_count = 0;
	walk_binary(env, walk_u32(chunk, of + offsetof(struct unwind_mapping, binary)), &s->code);
	walk_remember_mapping(env, s, address);
	return 0;
}

/* The rule's number for an address of the binary, from its page's rows; and which row that is in the process. */
static __always_inline uint32_t walk_find_row(struct unwind_state *s, const uint8_t *chunk,
	uint32_t ref, uint64_t address)
{
	uint64_t at = walk_offset(ref), count = walk_u16(chunk, at) & ROWS_PER_PAGE_MAX;
	uint64_t pos = at + ROWS_HEAD, end = pos + count * sizeof(uint16_t);
	uint64_t key = address & (UNWIND_PAGE_SIZE - 1), start, next, inner;

	if (count > 128)
		WALK_SEARCH(walk_u16, chunk, pos, end, key, (ROWS_PER_PAGE_MAX + 1) / 2, 128);
	WALK_SEARCH(walk_u16, chunk, pos, end, key, 64, 1);
	start = walk_u16(chunk, pos);
	next = walk_u16(chunk, pos + sizeof(uint16_t));
	inner = walk_sign(pos + sizeof(uint16_t) - end);
	s->row_start = address + s->bias - (key - start);
	s->row_size = ((next & inner) | (UNWIND_PAGE_SIZE & ~inner)) - start;
	return walk_u16(chunk, pos + count * sizeof(uint16_t));
}

/* Sets s->rule, and its row, for an address of the binary; UNWIND_CFA_NONE where it has none. */
static __noinline int walk_find_rule(struct unwind_env *env, struct unwind_state *s,
	uint64_t address)
{
	uint64_t page = (address >> UNWIND_PAGE_BITS) - s->code.first_page;

	s->rule.cfa = UNWIND_CFA_NONE;
	s->row_start = address + s->bias;
	s->row_size = 1;
	if (page >= s->code.page_count)
		return 0;
	const uint8_t *chunk = walk_chunk(env, s->code.pages);
	uint64_t pages = walk_offset(s->code.pages);

	if (!chunk)
		return 0;
	uint32_t ref = walk_u32(chunk, pages + page * sizeof(uint32_t));

	if (!ref)
		return walk_end(s, UNWIND_END_NOT_LOADED);
	walk_mark(env, chunk, pages + s->code.page_count * sizeof(uint32_t) + page);
	chunk = walk_chunk(env, ref);
	if (!chunk || !walk_rule(env, walk_find_row(s, chunk, ref, address), &s->rule))
		s->rule.cfa = UNWIND_CFA_NONE;
	return 0;
}

static __always_inline bool walk_near_above(uint64_t fp, uint64_t low)
{
	return fp >= low && fp - low <= WALK_FRAME_SPAN_MAX;
}

/* Now in the frame's caller. */
static __always_inline int walk_to(struct unwind_state *s, uint64_t ip, uint64_t sp, uint64_t fp)
{
	ip = code_address(ip);
	if (ip == 0)
		return walk_end(s, UNWIND_END_ROOT);
	if (!walk_plausible_code(ip))
		return walk_end(s, UNWIND_END_NO_CODE);
	s->ip = ip;
	s->sp = sp;
	s->fp = fp;
	s->exact = 0;
	s->leaf_known = 0;
	return 0;
}

struct walk_frame_record {
	uint64_t fp, ip;
};

static __always_inline bool walk_read_record(struct unwind_env *env, struct walk_frame_record *to,
	uint64_t from)
{
	return walk_read_word(env, &to->fp, from) &&
		walk_read_word(env, &to->ip, from + sizeof(to->fp));
}

/* By frame pointers. */
static __noinline int walk_step_fp(struct unwind_env *env, struct unwind_state *s)
{
	struct walk_frame_record frame, next;
	uint64_t caller, slot;

	if (s->leaf_known && walk_caller_slot(env, s->ip, &slot)) {
		slot += s->sp;
		if (walk_read_word(env, &caller, slot))
			return walk_to(s, caller, slot + sizeof(caller), s->fp);
		return walk_end(s, UNWIND_END_FAULT);
	}
	if (!s->fp && !s->leaf_known)
		return walk_end(s, UNWIND_END_ROOT);
	if (s->fp % sizeof(s->fp) || !s->fp || s->fp >> USER_SPACE_BITS)
		return walk_end(s, UNWIND_END_BAD_FP);
	if (!walk_read_record(env, &frame, s->fp))
		return walk_end(s, UNWIND_END_BAD_FP);
	if (!walk_near_above(s->fp, s->sp)) {
		/* Whether a frame list goes on there, though that is not near the frame before. */
		if (s->leaf_known || s->jumps++ >= WALK_JUMPS_MAX)
			return walk_end(s, UNWIND_END_BAD_FP);
		if (frame.fp && !walk_near_above(frame.fp, s->fp + sizeof(frame)))
			return walk_end(s, UNWIND_END_BAD_FP);
		if (frame.fp && !walk_read_record(env, &next, frame.fp))
			return walk_end(s, UNWIND_END_BAD_FP);
	}
	return walk_to(s, frame.ip, s->fp + sizeof(frame), frame.fp);
}

/* What few rules say. False where the walk has ended. */
static __noinline int walk_rare_cfa(struct unwind_env *env, struct unwind_state *s, uint64_t *ret)
{
	const struct unwind_rule *r = &s->rule;
	uint64_t base = 0, offset = (uint64_t)(int64_t)r->cfa_offset;

	switch (r->cfa) {
	case UNWIND_CFA_PLT:
		*ret = s->sp + 8 + ((s->ip & 15) >= (uint64_t)(uint16_t)r->cfa_add ? 8 : 0);
		return 1;
	case UNWIND_CFA_SP_DEREF:
		base = s->sp;
		break;
	case UNWIND_CFA_FP_DEREF:
		base = s->fp;
		break;
	case UNWIND_CFA_REG:
	case UNWIND_CFA_REG_DEREF:
		if (!s->leaf_known) {
			s->result = UNWIND_END_LOST_REGISTER;
			return 0;
		}
		base = s->leaf[r->cfa_reg & (UNWIND_LEAF_REGS - 1)];
		*ret = base + offset;
		if (r->cfa == UNWIND_CFA_REG)
			return 1;
		break;
	default:
		s->result = UNWIND_END_UNSUPPORTED;
		return 0;
	}
	if (!walk_read_word(env, &base, base + offset)) {
		s->result = UNWIND_END_FAULT;
		return 0;
	}
	*ret = base + (uint64_t)(int64_t)r->cfa_add;
	return 1;
}

static __always_inline int walk_cfa(struct unwind_env *env, struct unwind_state *s, uint64_t *ret)
{
	const struct unwind_rule *r = &s->rule;

	if (r->cfa > UNWIND_CFA_FP)
		return walk_rare_cfa(env, s, ret);
	*ret = (r->cfa == UNWIND_CFA_SP ? s->sp : s->fp) + (uint64_t)(int64_t)r->cfa_offset;
	return 1;
}

/* The caller's frame pointer; false where it cannot be read. */
static __always_inline bool walk_fp(struct unwind_env *env, const struct unwind_state *s,
	uint64_t cfa, uint64_t *ret)
{
	uint64_t base = cfa;

	switch (s->rule.fp) {
	case UNWIND_FP_SAME:
		*ret = s->fp;
		return true;
	case UNWIND_FP_UNKNOWN:
		*ret = 1; /* odd: no frame pointer */
		return true;
	case UNWIND_FP_AT_FP:
		base = s->fp;
		break;
	case UNWIND_FP_AT_SP:
		base = s->sp;
		break;
	}
	return walk_read_word(env, ret, base + (uint64_t)(int64_t)s->rule.fp_offset);
}

/* By a rule that has a CFA. */
static __always_inline int walk_step_rule(struct unwind_env *env, struct unwind_state *s)
{
	const struct unwind_rule *r = &s->rule;
	uint64_t cfa = 0, ip = 0, fp = 0;

	if (!walk_cfa(env, s, &cfa))
		return 1;
	if (cfa < s->sp || (cfa == s->sp && !s->leaf_known)) {
		/* Only where a stack was switched. */
		if (r->cfa == UNWIND_CFA_SP || s->jumps++ >= WALK_JUMPS_MAX)
			return walk_end(s, UNWIND_END_STUCK);
	}
	if (r->ra == UNWIND_RA_REG) {
		if (!s->leaf_known)
			return walk_end(s, UNWIND_END_LOST_REGISTER);
		ip = s->leaf[r->ra_reg & (UNWIND_LEAF_REGS - 1)];
	} else if (!walk_read_word(env, &ip, cfa + (uint64_t)(int64_t)r->ra_offset)) {
		return walk_end(s, UNWIND_END_FAULT);
	}
	if (!walk_fp(env, s, cfa, &fp))
		return walk_end(s, UNWIND_END_FAULT);
	if (cfa == s->sp && code_address(ip) == s->ip)
		return walk_end(s, UNWIND_END_STUCK);
	return walk_to(s, ip, cfa, fp);
}

/* The address to look up for the frame: in its call, not behind it. */
static __always_inline uint64_t walk_address(const struct unwind_state *s)
{
	return s->exact ? s->ip : s->ip - 1;
}

static __always_inline bool walk_in_mapping(const struct unwind_state *s, uint64_t address)
{
	return address >= s->start && address < s->end;
}

/* Finds s->rule in the tables. Nonzero where the walk has ended. */
static __noinline int walk_find(struct unwind_env *env, struct unwind_state *s, uint64_t address)
{
	if (!walk_in_mapping(s, address))
		walk_find_mapping(env, s, address);
	if (!s->end)
		return walk_end(s, UNWIND_END_NO_MAPPING);
	if (!s->code.page_count)
		return 0;
	if (walk_find_rule(env, s, address - s->bias))
		return 1;
	walk_remember(env, s, address);
	return 0;
}

/* Finds what to do at s->ip: sets s->rule. Nonzero where the walk has ended. */
static __always_inline int walk_lookup(struct unwind_env *env, struct unwind_state *s)
{
	uint64_t address = walk_address(s);

	s->rule.cfa = UNWIND_CFA_NONE;
	if (!s->mapping_count || (!s->code.page_count && walk_in_mapping(s, address)))
		return 0;
	return walk_recall(env, s, address) ? 0 : walk_find(env, s, address);
}

/* From the frame at s->ip to its caller, by s->rule. */
static __always_inline int walk_step(struct unwind_env *env, struct unwind_state *s)
{
	switch (s->rule.cfa) {
	case UNWIND_CFA_NONE:
		return walk_step_fp(env, s);
	case UNWIND_CFA_END:
		return walk_end(s, UNWIND_END_ROOT);
	case UNWIND_CFA_SIGNAL:
		return walk_step_signal(env, s);
	}
	return walk_step_rule(env, s);
}

/*
 * A frame that a signal interrupted is recorded as if it had made a call, so that who looks one byte before
 * a return address finds it.
 */
static __always_inline bool walk_push_frame(struct unwind_env *env, struct unwind_state *s)
{
	if (!walk_push(env, s->ip + (s->exact && s->frames)))
		return false;
	s->frames++;
	return true;
}

/*
 * Records the frame at s->ip and goes to its caller. Nonzero where the walk has ended; s->result says how.
 * Where that is for want of a mapping or of rows, the frame is not recorded and the state is as before:
 * the walk can go on once they are there.
 */
static __always_inline int walk_frame(struct unwind_env *env, struct unwind_state *s)
{
	if (walk_lookup(env, s))
		return 1;
	if (!walk_push_frame(env, s))
		return walk_end(s, UNWIND_END_TRUNCATED);
	return walk_step(env, s);
}

/*
 * Where the walk will not go on: records the frame that it stopped at. An address in no mapping is only
 * recorded if it was interrupted; else it was read from where no return address is.
 */
static __always_inline void walk_push_last(struct unwind_env *env, struct unwind_state *s)
{
	if (s->result == UNWIND_END_NOT_LOADED ||
		(s->result == UNWIND_END_NO_MAPPING && !s->frames))
		walk_push_frame(env, s);
}

/* At a frame: ip, sp, fp, leaf, leaf_known, exact, jumps and frames are set. */
static __always_inline void walk_begin(struct unwind_state *s, uint32_t mappings, uint32_t count)
{
	s->mappings = mappings;
	s->mapping_count = count <= PROCESS_MAPPINGS_MAX ? count : 0;
	s->start = s->end = 0;
	s->result = UNWIND_GOING;
}

#endif
