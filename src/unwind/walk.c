// SPDX-License-Identifier: Apache-2.0
/*
 * The kernel's walker, from the same source, over a kept stack: memory beyond what was kept cannot be
 * read. Where rows are not loaded it loads them and takes the step again.
 */
#include <string.h>

#include "unwind/slab.h"
#include "unwind/unwinder_inside.h"

/* A test includes this file for stacks of another machine than ours. */
#if defined(__x86_64__) && !defined(UNWIND_ARM64)
#define UNWIND_X86_64
#elif defined(__aarch64__) && !defined(UNWIND_ARM64)
#define UNWIND_ARM64
#endif

#define __noinline
#define WALK_UNROLL
#define WALK_ROLL

#include "bpf/unwind_state.h"

struct unwind_env {
	const struct kept_stack *stack;
	const struct slab *slab;
	const struct unwind_store *store;
	uint64_t *ips;
	size_t count, max;
	bool cut; /* something beyond the kept part was wanted */
};

static bool copy_from(void *to, uint32_t size, uint64_t from, uint64_t start, const uint8_t *bytes,
	size_t len)
{
	uint64_t at = from - start;

	if (from < start || at > len || size > len - at)
		return false;
	memcpy(to, bytes + at, size);
	return true;
}

static bool walk_read(struct unwind_env *env, void *to, uint32_t size, uint64_t from)
{
	const struct kept_stack *s = env->stack;

	if (copy_from(to, size, from, s->stack_start, s->stack, s->stack_size) ||
		copy_from(to, size, from, s->regs.ip, s->code, s->code_size))
		return true;
	env->cut = true;
	return false;
}

static bool walk_read_word(struct unwind_env *env, uint64_t *to, uint64_t from)
{
	return walk_read(env, to, sizeof(*to), from);
}

static const uint8_t *walk_chunk(struct unwind_env *env, uint32_t ref)
{
	return slab_chunk(env->slab, ref);
}

static void walk_mark(struct unwind_env *env, const uint8_t *chunk, uint64_t at)
{
	(void)env;
	((uint8_t *)(uintptr_t)chunk)[at & (SLAB_CHUNK_SIZE - 1)] = 1;
}

static bool walk_binary(struct unwind_env *env, uint32_t number, struct unwind_binary *to)
{
	if (number >= UNWIND_BINARIES_MAX)
		return false;
	*to = env->store->binaries[number];
	return true;
}

static bool walk_rule(struct unwind_env *env, uint32_t number, struct unwind_rule *to)
{
	if (number >= UNWIND_RULES_MAX)
		return false;
	*to = env->store->rules[number];
	return true;
}

/* Here lookups are cheap beside what led here. */
static bool walk_recall(struct unwind_env *env, struct unwind_state *s, uint64_t address)
{
	(void)env;
	(void)s;
	(void)address;
	return false;
}

static void walk_remember(struct unwind_env *env, const struct unwind_state *s, uint64_t address)
{
	(void)env;
	(void)s;
	(void)address;
}

static bool walk_recall_mapping(struct unwind_env *env, struct unwind_state *s, uint64_t address)
{
	(void)env;
	(void)s;
	(void)address;
	return false;
}

static void walk_remember_mapping(struct unwind_env *env, const struct unwind_state *s,
	uint64_t address)
{
	(void)env;
	(void)s;
	(void)address;
}

static bool walk_push(struct unwind_env *env, uint64_t ip)
{
	if (env->count == env->max)
		return false;
	env->ips[env->count++] = ip;
	return true;
}

#include "bpf/unwind_walk.h"

const char *const unwind_end_names[UNWIND_END_COUNT] = {
	[UNWIND_END_ROOT] = "root",
	[UNWIND_END_TRUNCATED] = "truncated",
	[UNWIND_END_NO_MAPPING] = "no_mapping",
	[UNWIND_END_NO_CODE] = "no_code",
	[UNWIND_END_BAD_FP] = "bad_frame_pointer",
	[UNWIND_END_NOT_LOADED] = "not_loaded",
	[UNWIND_END_UNSUPPORTED] = "unsupported",
	[UNWIND_END_LOST_REGISTER] = "lost_register",
	[UNWIND_END_FAULT] = "fault",
	[UNWIND_END_CUT] = "cut",
	[UNWIND_END_STUCK] = "stuck",
	[UNWIND_END_COMPAT] = "32bit",
	[UNWIND_END_NO_USER] = "no_user",
	[UNWIND_END_UNTOLD] = "untold",
};

enum unwind_end unwinder_walk(struct unwinder *u, const struct process_id *id,
	const struct kept_stack *stack, uint64_t *ips, size_t max, size_t *ret_count)
{
	struct unwind_env env = {
		.stack = stack,
		.slab = unwinder_slab(u),
		.store = unwinder_store(u),
		.ips = ips,
		.max = max,
	};
	struct unwind_state s = {
		.ip = stack->regs.ip,
		.sp = stack->regs.sp,
		.fp = stack->regs.fp,
		.exact = stack->exact,
		.leaf_known = stack->leaf_known,
		.jumps = stack->jumps,
		.frames = (uint32_t)stack->frames,
	};
	uint32_t mappings, count;
	bool going = true;

	memcpy(s.leaf, stack->regs.leaf, sizeof(s.leaf));
	unwinder_mappings(u, id, &mappings, &count);
	walk_begin(&s, mappings, count);
	while (going) {
		env.cut = false;
		going = !walk_frame(&env, &s);
		if (!going && s.result == UNWIND_END_NOT_LOADED)
			going = unwinder_load(u, id, walk_address(&s));
	}
	walk_push_last(&env, &s);
	*ret_count = env.count;
	if (env.cut && (s.result == UNWIND_END_FAULT || s.result == UNWIND_END_BAD_FP))
		return UNWIND_END_CUT;
	return s.result;
}
