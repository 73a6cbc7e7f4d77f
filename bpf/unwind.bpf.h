// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The walk in the kernel: where unwind_walk.h finds memory and tables here, and how its steps follow each
 * other. Where bpf_loop() exists (5.17), it calls a function per frame. Before, a program walks some
 * frames and then calls itself by a tail call, at most 33 times; it goes on from the state in memory.
 */
#ifndef BPF_UNWIND_BPF_H
#define BPF_UNWIND_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "profile.h"

#define FRAMES_PER_CALL      2 /* more save little, and cost the verifier */
#define FRAMES_PER_TAIL_CALL 8 /* 33 * 8 = 264 frames before 5.17 */
#define USER_PAGE_SIZE       4096 /* the smallest there is */

struct slab_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(uint32_t));
	__uint(value_size, SLAB_CHUNK_SIZE + SLAB_GUARD);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, SLAB_CHUNKS_MAX);
	__type(key, uint32_t);
	__array(values, struct slab_map);
} slab SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, UNWIND_RULES_MAX);
	__type(key, uint32_t);
	__type(value, struct unwind_rule);
} rules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, UNWIND_BINARIES_MAX);
	__type(key, uint32_t);
	__type(value, struct unwind_binary);
} binaries SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, UNWIND_PROCESSES_MAX);
	__type(key, uint32_t);
	__type(value, struct known_process);
} known_processes SEC(".maps");

/* Room for one snapshot. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct snapshot);
} snapshot_rooms SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1024 * 1024); /* set before loading */
} snapshots SEC(".maps");

#define WALK_UNROLL _Pragma("unroll")
#define WALK_ROLL   _Pragma("clang loop unroll(disable)")

struct unwind_env {
	struct cpu_state *cpu;
};

/*
 * What was found lately. Most frames of a tick are in rows of one before: one or two lines of memory here,
 * in two pages for all of a process, where a lookup goes through ten lines in five pages.
 */
static __always_inline struct recent_rule *recent_rules(struct unwind_env *env, uint64_t address)
{
	uint32_t group = env->cpu->serial & (RECENT_RULE_GROUPS - 1);
	uint64_t hash = (address >> RECENT_RULE_PIECE_BITS) * 0x9fb21c651e98df25ULL;
	struct recent_rule(*sets)[RECENT_RULE_WAYS] = env->cpu->rules[group];

	/* Else the two offsets are joined by an `or`, of which the verifier of Linux 6.1 learns nothing. */
	__asm__ volatile("" : "+r"(sets));
	return sets[hash >> 32 & (RECENT_RULE_SETS - 1)];
}

static __always_inline bool holds_recent(struct unwind_env *env, const struct recent_rule *r,
	uint64_t address)
{
	uint64_t start = r->row >> RECENT_ROW_SIZE_BITS;
	uint64_t size = r->row & ((1 << RECENT_ROW_SIZE_BITS) - 1);

	return address - start < size && r->serial == env->cpu->serial &&
		r->marks_generation == env->cpu->front.marks_generation;
}

static __always_inline bool walk_recall(struct unwind_env *env, struct unwind_state *s,
	uint64_t address)
{
	const struct recent_rule *r = recent_rules(env, address);

	WALK_ROLL for (int i = 0; i < RECENT_RULE_WAYS; i++, r++)
	{
		if (holds_recent(env, r, address)) {
			s->rule = r->rule;
			return true;
		}
	}
	return false;
}

/* The oldest of the set goes. */
static __always_inline void walk_remember(struct unwind_env *env, const struct unwind_state *s,
	uint64_t address)
{
	struct recent_rule *set = recent_rules(env, address);

	WALK_UNROLL for (int i = RECENT_RULE_WAYS - 1; i > 0; i--) set[i] = set[i - 1];
	set[0].row = s->row_start << RECENT_ROW_SIZE_BITS | s->row_size;
	set[0].serial = env->cpu->serial;
	set[0].marks_generation = env->cpu->front.marks_generation;
	set[0].rule = s->rule;
}

static __always_inline bool walk_read(struct unwind_env *env, void *to, uint32_t size,
	uint64_t from)
{
	(void)env;
	return bpf_probe_read_user(to, size, (const void *)from) == 0;
}

static __always_inline struct recent_mapping *recent_mapping(struct unwind_env *env,
	uint64_t address)
{
	uint64_t piece = address >> RECENT_MAPPING_BITS;

	return &env->cpu->mappings[(piece + env->cpu->serial) & (RECENT_MAPPINGS - 1)];
}

static __always_inline bool walk_recall_mapping(struct unwind_env *env, struct unwind_state *s,
	uint64_t address)
{
	const struct recent_mapping *r = recent_mapping(env, address);

	if (r->serial != env->cpu->serial || address < r->start || address >= r->end)
		return false;
	s->start = r->start;
	s->end = r->end;
	s->bias = r->bias;
	s->code = r->code;
	return true;
}

static __always_inline void walk_remember_mapping(struct unwind_env *env,
	const struct unwind_state *s, uint64_t address)
{
	struct recent_mapping *r = recent_mapping(env, address);

	r->start = s->start;
	r->end = s->end;
	r->bias = s->bias;
	r->code = s->code;
	r->serial = env->cpu->serial;
}

/* Reads what lies around the address, in its page: another one may not be there. */
static __always_inline void move_window(struct stack_window *w, uint64_t from)
{
	uint64_t page = from & ~(uint64_t)(USER_PAGE_SIZE - 1);
	uint64_t start = (from - STACK_WINDOW_BEFORE) & ~(uint64_t)7;
	uint64_t size;

	if (start < page || start > from)
		start = page;
	size = page + USER_PAGE_SIZE - start;
	if (size > STACK_WINDOW)
		size = STACK_WINDOW;
	w->start = start;
	w->size = 0;
	if (bpf_probe_read_user(w->bytes, size, (const void *)start) == 0)
		w->size = size;
}

static __always_inline bool is_in_window(const struct stack_window *w, uint64_t from)
{
	uint64_t at = from - w->start;

	return at < STACK_WINDOW && at + sizeof(uint64_t) <= w->size;
}

static __always_inline uint64_t window_word(const struct stack_window *w, uint64_t from)
{
	return *(const volatile uint64_t *)(w->bytes + ((from - w->start) & (STACK_WINDOW - 1)));
}

static __noinline int read_beyond_window(struct stack_window *w, uint64_t *to, uint64_t from)
{
	move_window(w, from);
	if (!is_in_window(w, from)) /* in two pages, or not to be read */
		return bpf_probe_read_user(to, sizeof(*to), (const void *)from) == 0;
	*to = window_word(w, from);
	return 1;
}

static __always_inline bool walk_read_word(struct unwind_env *env, uint64_t *to, uint64_t from)
{
	struct stack_window *w = &env->cpu->window;

	if (!is_in_window(w, from))
		return read_beyond_window(w, to, from);
	*to = window_word(w, from);
	return true;
}

static __always_inline const uint8_t *walk_chunk(struct unwind_env *env, uint32_t ref)
{
	uint32_t number = ref >> SLAB_REF_OFFSET_BITS, zero = 0;
	void *map = bpf_map_lookup_elem(&slab, &number);

	(void)env;
	return map ? bpf_map_lookup_elem(map, &zero) : NULL;
}

static __always_inline void walk_mark(struct unwind_env *env, const uint8_t *chunk, uint64_t at)
{
	uint8_t *used = (uint8_t *)chunk + (at & (SLAB_CHUNK_SIZE - 1));

	(void)env;
	if (!*used)
		*used = 1;
}

static __always_inline bool walk_binary(struct unwind_env *env, uint32_t number,
	struct unwind_binary *to)
{
	const struct unwind_binary *binary = bpf_map_lookup_elem(&binaries, &number);

	(void)env;
	if (binary)
		*to = *binary;
	return binary != NULL;
}

static __always_inline bool walk_rule(struct unwind_env *env, uint32_t number,
	struct unwind_rule *to)
{
	const struct unwind_rule *rule = bpf_map_lookup_elem(&rules, &number);

	(void)env;
	if (rule)
		*to = *rule;
	return rule != NULL;
}

static __always_inline bool walk_push(struct unwind_env *env, uint64_t ip)
{
	struct stack_record *rec = &env->cpu->record;
	uint32_t at = (uint32_t)rec->interp_count + rec->kernel_count + rec->user_count;

	if (rec->user_count >= USER_FRAMES_MAX || at >= WORDS_MAX)
		return false;
	rec->ips[at] = ip;
	rec->user_count++;
	return true;
}

#include "unwind_walk.h"

/* Some frames; nonzero where the walk has ended. Has the form that bpf_loop() calls, indirectly and at a price. */
static long walk_some(uint32_t index, struct cpu_state **cpu)
{
	struct unwind_env env = {.cpu = *cpu};

	(void)index;
#pragma clang loop unroll(disable)
	for (int i = 0; i < FRAMES_PER_CALL; i++)
		if (walk_frame(&env, &env.cpu->walk))
			return 1;
	return 0;
}

/* Where the stack begins, with its red zone if that is there. */
static __always_inline uint64_t stack_bottom(uint64_t sp)
{
	uint64_t word;

	return bpf_probe_read_user(&word, sizeof(word), (const void *)(sp - RED_ZONE))
		? sp
		: sp - RED_ZONE;
}

/*
 * Copies the stack from sp up into the snapshot, as far as there is one. What the registers below point
 * to is on the other side.
 */
static __always_inline uint32_t copy_stack(struct snapshot *snapshot, uint64_t sp)
{
	uint32_t pieces = 0;

	snapshot->stack_start = stack_bottom(sp) & ~(uint64_t)(SNAPSHOT_PIECE - 1);
#pragma clang loop unroll(disable)
	for (uint32_t i = 0; i < SNAPSHOT_PIECES_MAX; i++) {
		uint64_t from = snapshot->stack_start + i * SNAPSHOT_PIECE;

		if (bpf_probe_read_user(&snapshot->stack[i * SNAPSHOT_PIECE], SNAPSHOT_PIECE,
			    (const void *)from))
			break;
		pieces++;
	}
	snapshot->stack_size = pieces * SNAPSHOT_PIECE;
	return pieces;
}

/* Sends what user space needs to go on with the walk. False where there is no room for it. */
static __noinline int send_snapshot(const struct stack_record *rec, const struct unwind_state *s)
{
	uint32_t zero = 0, pieces;
	struct snapshot *snapshot = bpf_map_lookup_elem(&snapshot_rooms, &zero);

	if (!snapshot)
		return 0;
	snapshot->time_ns = bpf_ktime_get_boot_ns();
	snapshot->regs.ip = s->ip;
	snapshot->regs.sp = s->sp;
	snapshot->regs.fp = s->fp;
	__builtin_memcpy(snapshot->regs.leaf, s->leaf, sizeof(s->leaf));
	snapshot->exact = s->exact;
	snapshot->leaf_known = s->leaf_known;
	snapshot->jumps = s->jumps;
	if (bpf_probe_read_kernel(&snapshot->record, sizeof(snapshot->record), rec))
		return 0;
	snapshot->code_size = 0;
	if (!bpf_probe_read_user(snapshot->code, SNAPSHOT_CODE, (const void *)s->ip))
		snapshot->code_size = SNAPSHOT_CODE;
	pieces = copy_stack(snapshot, s->sp);
	if (pieces > SNAPSHOT_PIECES_MAX)
		return 0;
	return bpf_ringbuf_output(&snapshots, snapshot, SNAPSHOT_HEAD + pieces * SNAPSHOT_PIECE,
		       BPF_RB_FORCE_WAKEUP) == 0;
}

#endif
