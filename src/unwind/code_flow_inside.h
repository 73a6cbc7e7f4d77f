// SPDX-License-Identifier: Apache-2.0
/* Between code_flow.c, which follows code, and code_blocks.c, which finds where it begins. */
#ifndef UNWIND_CODE_FLOW_INSIDE_H
#define UNWIND_CODE_FLOW_INSIDE_H

#include "unwind/code_flow.h"

#define STATES_MAX 4096 /* different ones in one piece of code; libc has some 1,500 */
#define EDGES_MAX  4096 /* jumps to be followed at once */
#define CALLS_MAX  8192 /* of one function */
#define BLAMED_MAX 128 /* of these, such as do not come back */

/* What is known of a byte. */
enum {
	MARK_START = 1 << 0, /* a function begins */
	MARK_TARGET = 1 << 1, /* a direct jump goes there */
	MARK_ADDRESS = 1 << 2, /* its address is taken */
	MARK_NO_RETURN = 1 << 3, /* a call that does not come back */
	MARK_THIS_RUN = 1 << 4, /* its state is of the run under way */
};

struct edge {
	uint32_t to;
	uint16_t state;
	uint16_t via; /* 1 + the call in `calls` that the way came by last, 0: none */
};

/* A call, from behind which the way goes on if it comes back. */
struct call {
	uint32_t at, to;
	uint16_t state; /* there */
	uint16_t via;
	bool done;
};

struct code_flow {
	uint8_t *code;
	size_t len, capacity; /* what the arrays have room for */
	uint64_t address;
	uint16_t *state; /* by byte: of the instruction that begins there; 0: none is known */
	uint8_t *mark; /* by byte: MARK_* */
	uint8_t *
		plain; /* by byte: length of an instruction that goes on and is not about the stack; 0 */
	size_t wanted; /* where what is followed begins before */
	size_t work, work_max; /* instructions looked at */

	uint64_t hash_key[2];
	struct flow_state states[STATES_MAX]; /* [0] is not used */
	uint16_t state_hash[2 * STATES_MAX];
	size_t state_count;

	/* The run under way: one function, or what is taken for a part of one. */
	uint32_t *journal; /* instructions given a state; room for every byte */
	size_t journal_count;
	struct edge edges[EDGES_MAX];
	size_t edge_count;
	struct call calls[CALLS_MAX];
	size_t call_count, next_call;
	bool overflow;
	bool blames; /* contradictions may be because of calls that do not come back */
	bool could_blame; /* it would have made a difference if it did */
	bool doubtful; /* the state at the seed is a guess: rbp must come out right too */
	uint32_t seed;
	size_t confirmed; /* returns at depth 8, ways that agree */
	size_t contradicted; /* returns at other depths, ways that do not */
	int32_t excess; /* by how much the depth was too large there */
	bool excess_varies;
	uint32_t blamed[BLAMED_MAX]; /* calls marked MARK_NO_RETURN because of that */
	size_t blamed_count;
	bool blamed_more; /* in the last round */
};

/* The number of a state, the same for the same; 0 where there are too many. */
uint16_t flow_number(struct code_flow *f, const struct flow_state *s);

/*
 * Follows the code from `seed` on. Calls that turn out not to come back are marked, and the run is begun anew. Afterwards
 * the run is to be kept or undone.
 */
void flow_follow(struct code_flow *f, size_t seed, uint16_t state);
void flow_keep(struct code_flow *f);
void flow_undo(struct code_flow *f);

/* The end of the padding at `offset`. */
size_t flow_skip_padding(struct code_flow *f, size_t offset);
bool flow_decode(struct code_flow *f, size_t offset, struct x86_insn *ret);
/* Where the instruction's target is, false where that is outside. */
bool flow_target(const struct code_flow *f, size_t offset, const struct x86_insn *insn,
	size_t *ret);

/* Marks what direct calls and jumps and addresses taken tell. */
void flow_find_marks(struct code_flow *f);
/* Follows what is left when all functions known were followed. */
void flow_follow_rest(struct code_flow *f);

#endif
