// SPDX-License-Identifier: Apache-2.0
/*
 * Each function is a run of its own: from its beginning along all jumps, with the state before each
 * instruction. Where two ways meet, what both know is kept (a join), and followed again if it is less than before; a
 * state can only lose a few times, so this ends.
 *
 *	f:	push %rbx		depth 8
 *		test %edi,%edi		depth 16
 *		jne  1f			   "
 *		call abort		   "    comes back? then 2 would be at depth 16,
 *	2:	ret			depth 8    but a return there needs 8
 *	1:	...
 *
 * That a call comes back is an assumption. So the way on from behind it is taken last, first where nothing jumps to
 * what is behind it, and not at all where another way has already been there with another depth. Where the code
 * contradicts the states (a return at a depth other than 8, a way that ends at a known depth with
 * another), the call before which the depth was too large by that much is taken not to come back, and
 * the function is followed once more.
 *
 * A function whose contradictions do not go away gets no states at all: no row is better than a wrong one.
 */
#include "unwind/code_flow_inside.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/macros.h"

/* Runs of one function; one with more calls that do not come back and contradict the rest is not known. */
#define RUNS_MAX         16
/* Instructions looked at per byte of code: compilers' code needs 2 to 4. */
#define WORK_PER_BYTE    24
/* So many take as long as one. */
#define PADDING_PER_WORK 4 /* bytes */
#define STEPS_PER_WORK   16 /* along calls */

struct code_flow *code_flow_new(void)
{
	struct code_flow *f = xmalloc(sizeof(*f)); /* most of it is written before it is read */

	for (uint8_t i = 0; i < ARRAY_SIZE(f->hash_key); i++)
		f->hash_key[i] = hash_bytes(&i, sizeof(i));
	f->code = f->mark = f->plain = NULL;
	f->state = NULL;
	f->journal = NULL;
	f->capacity = 0;
	return f;
}

static void free_arrays(struct code_flow *f)
{
	free(f->code);
	free(f->state);
	free(f->mark);
	free(f->plain);
	free(f->journal);
}

void code_flow_free(struct code_flow *f)
{
	if (!f)
		return;
	free_arrays(f);
	free(f);
}

static void make_room(struct code_flow *f, size_t capacity)
{
	if (capacity <= f->capacity)
		return;
	free_arrays(f);
	f->code = xmalloc(capacity);
	f->state = xreallocarray(NULL, capacity, sizeof(f->state[0]));
	f->mark = xmalloc(capacity);
	f->plain = xmalloc(capacity);
	f->journal = xreallocarray(NULL, capacity, sizeof(f->journal[0]));
	f->capacity = capacity;
}

uint8_t *code_flow_begin(struct code_flow *f, size_t len, uint64_t address)
{
	len = MIN(len, (size_t)CODE_FLOW_MAX);
	make_room(f, len + 1);
	memset(f->state, 0, (len + 1) * sizeof(f->state[0]));
	memset(f->mark, 0, len + 1);
	memset(f->plain, 0, len + 1);
	memset(f->state_hash, 0, sizeof(f->state_hash));
	f->len = len;
	f->address = address;
	f->state_count = 1;
	f->work = 0;
	f->work_max = len * WORK_PER_BYTE;
	f->blamed_count = 0;
	return f->code;
}

void code_flow_add_start(struct code_flow *f, size_t offset)
{
	if (offset < f->len)
		f->mark[offset] |= MARK_START;
}

/* Keyed, as the code that is followed may have been made to be slow to follow. One multiplication. */
static size_t hash_state(const struct code_flow *f, const struct flow_state *s)
{
	uint64_t word[3] = {0};

	memcpy(word, s, sizeof(*s));
	__extension__ unsigned __int128 product =
		(unsigned __int128)(word[0] ^ f->hash_key[0] ^ word[2] << 32) *
		(word[1] ^ f->hash_key[1]);

	return (size_t)(product ^ product >> 64);
}

uint16_t flow_number(struct code_flow *f, const struct flow_state *s)
{
	size_t mask = ARRAY_SIZE(f->state_hash) - 1, at = hash_state(f, s) & mask;

	while (f->state_hash[at]) {
		if (flow_state_equal(&f->states[f->state_hash[at]], s))
			return f->state_hash[at];
		at = (at + 1) & mask;
	}
	if (f->state_count == STATES_MAX)
		return 0;
	f->states[f->state_count] = *s;
	f->state_hash[at] = (uint16_t)f->state_count;
	return (uint16_t)f->state_count++;
}

bool flow_decode(struct code_flow *f, size_t offset, struct x86_insn *ret)
{
	f->work++;
	if (!x86_insn_decode(f->code + offset, f->len - offset, ret))
		return false;
	if (ret->flow == X86_NEXT && ret->effect == X86_NO_EFFECT && !ret->has_target)
		f->plain[offset] = ret->len;
	return true;
}

bool flow_target(const struct code_flow *f, size_t offset, const struct x86_insn *insn, size_t *ret)
{
	int64_t at = (int64_t)offset + insn->len + insn->distance;

	*ret = (size_t)at;
	return insn->has_target && at >= 0 && at < (int64_t)f->len;
}

size_t flow_skip_padding(struct code_flow *f, size_t offset)
{
	struct x86_insn insn;
	size_t start = offset;

	while (offset < f->len) {
		if (f->len - offset >= 2 && !f->code[offset] && !f->code[offset + 1])
			offset += 2;
		else if (x86_insn_decode(f->code + offset, f->len - offset, &insn) &&
			insn.is_padding)
			offset += insn.len;
		else
			break;
	}
	f->work += (offset - start) / PADDING_PER_WORK;
	return offset;
}

static void add_edge(struct code_flow *f, size_t to, uint16_t state, uint16_t via)
{
	if (!state || f->edge_count == EDGES_MAX)
		f->overflow = true;
	else
		f->edges[f->edge_count++] = (struct edge){(uint32_t)to, state, via};
}

/* Of the calls on the way, the last that explains the excess: what is behind it is a function's beginning. */
static void blame(struct code_flow *f, int32_t excess, uint16_t via)
{
	const struct call *found = NULL;
	size_t steps = 0;

	for (uint16_t i = via; i && !found; i = f->calls[i - 1].via, steps++)
		if (f->states[f->calls[i - 1].state].depth == 8 + excess)
			found = &f->calls[i - 1];
	f->work += steps / STEPS_PER_WORK;
	if (!found && via)
		found = &f->calls[via - 1];
	f->could_blame |= found != NULL;
	if (found && f->blames && !(f->mark[found->at] & MARK_NO_RETURN) &&
		f->blamed_count < BLAMED_MAX) {
		f->mark[found->at] |= MARK_NO_RETURN;
		f->blamed[f->blamed_count++] = found->at;
		f->blamed_more = true;
	}
}

static void expect_depth(struct code_flow *f, const struct flow_state *s, int32_t depth,
	uint16_t via)
{
	if (s->depth == FLOW_UNKNOWN || depth == FLOW_UNKNOWN)
		return;
	if (s->depth == depth) {
		f->confirmed++;
		return;
	}
	int32_t excess = s->depth - depth;

	f->excess_varies |= f->contradicted && excess != f->excess;
	f->excess = excess;
	f->contradicted++;
	blame(f, excess, via);
}

/*
 * What rows say of rbp there is to be true of what comes by this way too. Where the caller's is on the stack,
 * it does not matter what is in the register, if no frame is found by it.
 */
static void expect_fp(struct code_flow *f, const struct flow_state *s,
	const struct flow_state *there)
{
	bool same = s->fp == there->fp && s->frame == there->frame;

	if (there->saved != s->saved || (there->fp == FLOW_FP_FRAME && !same) ||
		(there->fp == FLOW_FP_SAME && !there->saved && !same)) {
		f->contradicted++;
		f->excess_varies = true;
	}
}

/* Whether the way ends at `to`, in what is known already. Else *state is what holds there, given to it. */
static bool arrives(struct code_flow *f, const struct edge *e, uint16_t *state)
{
	const struct flow_state *s = &f->states[*state];
	uint16_t there = f->state[e->to];

	if (f->mark[e->to] & MARK_START && e->to != f->seed) {
		expect_depth(f, s, 8, e->via); /* a tail call */
		return true;
	}
	if (!there) {
		f->journal[f->journal_count++] = e->to;
		f->mark[e->to] |= MARK_THIS_RUN;
	} else if (!(f->mark[e->to] & MARK_THIS_RUN)) {
		expect_depth(f, s, f->states[there].depth, e->via);
		if (f->doubtful)
			expect_fp(f, s, &f->states[there]);
		return true;
	} else if (*state == there) {
		return true;
	} else {
		struct flow_state joined = flow_state_join(&f->states[there], s);

		*state = flow_number(f, &joined);
		if (*state == there)
			return true;
		if (!*state) {
			f->overflow = true;
			return true;
		}
	}
	f->state[e->to] = *state;
	return false;
}

static uint16_t after(struct code_flow *f, uint16_t state, const struct x86_insn *insn)
{
	struct flow_state s = f->states[state];

	flow_state_apply(&s, insn);
	return flow_state_equal(&s, &f->states[state]) ? state : flow_number(f, &s);
}

static uint16_t not_taken(struct code_flow *f, uint16_t state, const struct x86_insn *branch)
{
	struct flow_state s = f->states[state];

	if (!s.compared)
		return state;
	flow_state_not_taken(&s, branch);
	return flow_number(f, &s);
}

static void take_jump(struct code_flow *f, const struct edge *e, const struct x86_insn *insn,
	uint16_t state)
{
	size_t to;

	if (flow_target(f, e->to, insn, &to))
		add_edge(f, to, state, e->via);
}

/* Whether what is there keeps as its first act what callees must. */
static bool is_prologue(struct code_flow *f, size_t at)
{
	struct x86_insn insn;

	if ((f->address + at) % 16 || !flow_decode(f, at, &insn))
		return false;
	return insn.effect == X86_PUSH_FP ||
		(insn.effect == X86_PUSH_REG && (insn.reg == X86_RBX || insn.reg >= 12));
}

/* What is behind a call is looked at later. */
static void take_call(struct code_flow *f, const struct edge *e, const struct x86_insn *insn,
	uint16_t state)
{
	size_t next = e->to + insn->len, end = flow_skip_padding(f, next);

	if (f->mark[e->to] & MARK_NO_RETURN || next >= f->len || f->mark[next] & MARK_START)
		return;
	bool jumped_to = end < f->len && f->mark[end] & MARK_TARGET;

	/* Filled up to the next function: nothing comes back. A loop's head is jumped to, but seldom keeps a register. */
	if (end > next && (f->address + end) % 16 == 0 && (!jumped_to || is_prologue(f, end)))
		return;
	if (end == next && !jumped_to && is_prologue(f, next))
		return;
	if (f->call_count == CALLS_MAX) {
		f->overflow = true;
		return;
	}
	f->calls[f->call_count++] =
		(struct call){.at = e->to, .to = (uint32_t)next, .state = state, .via = e->via};
}

/* True where the way goes on at e->to. */
static bool step(struct code_flow *f, struct edge *e, uint16_t state)
{
	struct x86_insn insn;

	if (f->plain[e->to] && f->states[state].reg == X86_NO_REGISTER) {
		f->work++;
		e->to += f->plain[e->to];
		return e->to < f->len;
	}
	if (!flow_decode(f, e->to, &insn)) {
		f->contradicted++;
		f->excess_varies = true;
		blame(f, FLOW_UNKNOWN / 2, e->via);
		return false;
	}
	uint16_t next = after(f, state, &insn);

	f->overflow |= !next;
	switch ((enum x86_flow)insn.flow) {
	case X86_NEXT:
		break;
	case X86_BRANCH:
		take_jump(f, e, &insn, next);
		next = not_taken(f, state, &insn);
		break;
	case X86_JUMP:
		take_jump(f, e, &insn, next);
		return false;
	case X86_CALL:
		if (insn.distance == 0)
			break;
		take_call(f, e, &insn, next);
		return false;
	case X86_CALL_INDIRECT:
		take_call(f, e, &insn, next);
		return false;
	case X86_RETURN:
		expect_depth(f, &f->states[state], 8, e->via);
		if (f->doubtful && f->states[state].fp != FLOW_FP_SAME) {
			f->contradicted++;
			f->excess_varies = true;
		}
		return false;
	case X86_JUMP_INDIRECT:
	case X86_STOP:
		return false;
	}
	e->to += insn.len;
	e->state = next;
	return next && e->to < f->len;
}

static void follow_edges(struct code_flow *f)
{
	while (f->edge_count && f->work < f->work_max) {
		struct edge e = f->edges[--f->edge_count];

		do {
			uint16_t state = e.state;

			if (arrives(f, &e, &state) || !step(f, &e, state))
				break;
		} while (f->work < f->work_max);
	}
}

/* The next call to be come back from: those first that nothing jumps behind. NULL where all are done. */
static struct call *next_call(struct code_flow *f)
{
	struct call *lowest = NULL;

	for (; f->next_call < f->call_count; f->next_call++) {
		struct call *c = &f->calls[f->next_call];

		if (!c->done && !(f->mark[c->to] & MARK_TARGET))
			return c;
	}
	for (size_t i = 0; i < f->call_count; i++) {
		struct call *c = &f->calls[i];

		if (!c->done && (!lowest || c->to < lowest->to))
			lowest = c;
	}
	f->work += f->call_count / 16;
	return lowest;
}

/* Another way was there before, at another depth. */
static bool is_refuted(const struct code_flow *f, const struct call *c)
{
	uint16_t there = f->state[c->to];

	return there && f->mark[c->to] & MARK_THIS_RUN &&
		f->states[there].depth != f->states[c->state].depth;
}

static void follow_once(struct code_flow *f, size_t seed, uint16_t state)
{
	struct call *c;

	f->journal_count = f->edge_count = f->call_count = f->next_call = 0;
	f->confirmed = f->contradicted = 0;
	f->blamed_more = false;
	f->excess = 0;
	f->excess_varies = f->overflow = false;
	f->seed = (uint32_t)seed;
	add_edge(f, seed, state, 0);
	follow_edges(f);
	while ((c = next_call(f)) && f->work < f->work_max) {
		c->done = true;
		if (is_refuted(f, c))
			continue;
		add_edge(f, c->to, c->state, (uint16_t)(c - f->calls + 1));
		follow_edges(f);
	}
	if (f->overflow || f->work >= f->work_max)
		f->contradicted++;
}

static void forget_states(struct code_flow *f)
{
	for (size_t i = 0; i < f->journal_count; i++) {
		f->state[f->journal[i]] = 0;
		f->mark[f->journal[i]] &= (uint8_t)~MARK_THIS_RUN;
	}
	f->journal_count = 0;
}

void flow_undo(struct code_flow *f)
{
	forget_states(f);
	for (size_t i = 0; i < f->blamed_count; i++)
		f->mark[f->blamed[i]] &= (uint8_t)~MARK_NO_RETURN;
	f->blamed_count = 0;
}

void flow_keep(struct code_flow *f)
{
	for (size_t i = 0; i < f->journal_count; i++)
		f->mark[f->journal[i]] &= (uint8_t)~MARK_THIS_RUN;
	f->journal_count = f->blamed_count = 0;
}

void flow_follow(struct code_flow *f, size_t seed, uint16_t state)
{
	for (int i = 0; i < RUNS_MAX; i++) {
		follow_once(f, seed, state);
		if (!f->blamed_more || f->work >= f->work_max)
			break;
		if (i + 1 < RUNS_MAX)
			forget_states(f);
	}
}

size_t code_flow_run(struct code_flow *f, size_t wanted)
{
	f->wanted = MIN(wanted, f->len);
	uint16_t entry = flow_number(f, &FLOW_AT_ENTRY);

	flow_find_marks(f);
	f->doubtful = false;
	f->blames = true;
	for (size_t at = 0; at < f->wanted; at++) {
		if (!(f->mark[at] & MARK_START) || f->state[at])
			continue;
		flow_follow(f, at, entry);
		if (f->contradicted)
			flow_undo(f);
		else
			flow_keep(f);
	}
	flow_follow_rest(f);
	return f->work;
}

size_t code_flow_next(const struct code_flow *f, size_t offset, const struct flow_state **ret,
	size_t *ret_len)
{
	struct x86_insn insn;

	for (; offset < f->len; offset++) {
		if (f->state[offset] && x86_insn_decode(f->code + offset, f->len - offset, &insn)) {
			*ret = &f->states[f->state[offset]];
			*ret_len = insn.len;
			return offset;
		}
	}
	return f->len;
}
