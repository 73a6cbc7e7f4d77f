// SPDX-License-Identifier: Apache-2.0
/*
 * The version decides which table of offsets holds; from 3.13 on the process brings its own. Before 3.7 the
 * list of interpreters is a static variable, but its reader is exported and begins by loading it:
 *
 *	48 8b 05 d1 d2 d3 d4    mov interp_head(%rip), %rax
 *
 * From interpreter to interpreter and thread to thread leads a chain of pointers. A thread is known by
 * thread_id, which on Linux is pthread_self(): on x86-64 the thread pointer itself, and the first word there
 * is its own address (both glibc and musl).
 */
#include "interp/python_process.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"

/* Far more than anybody has; the chains may be circular. All interpreters' states count together. */
#define MAX_INTERPRETERS 256
#define MAX_STATES       8192
/* To see where they keep their state: the main thread, which may keep it elsewhere, comes last. */
#define THREADS_SEEN     4096

static int find_interpreters(const struct python_binary *b, const struct interp_memory *memory,
	uint64_t bias, uint64_t *ret)
{
	static const uint8_t endbr[] = {0xf3, 0x0f, 0x1e, 0xfa}, load[] = {0x48, 0x8b, 0x05};
	uint8_t code[sizeof(endbr) + sizeof(load) + sizeof(int32_t)];
	uint64_t at = b->interpreter_head + bias;
	int32_t distance;

	if (!b->interpreter_head || memory_read(memory, at, code, sizeof(code)) < 0)
		return -ENOTSUP;
	size_t skip = memcmp(code, endbr, sizeof(endbr)) == 0 ? sizeof(endbr) : 0;

	if (memcmp(code + skip, load, sizeof(load)) != 0)
		return -ENOTSUP;
	skip += sizeof(load);
	memcpy(&distance, code + skip, sizeof(distance));
	*ret = at + skip + sizeof(distance) + (uint64_t)(int64_t)distance;
	return 0;
}

static int find_offsets(const struct python_binary *b, const struct interp_memory *memory,
	uint64_t bias, struct python_offsets *ret)
{
	int r = b->runtime ? python_offsets_read(memory, b->runtime + bias, ret) : -ENOENT;
	unsigned minor = b->minor;

	if (r != -ENOENT)
		return r;
	if (b->version) {
		uint64_t word = memory_word(memory, b->version + bias);

		if (word >> 24 != 3)
			return -ENOTSUP;
		minor = (word >> 16) & 0xff;
	}
	ret->minor = (uint8_t)minor;
	if (!python_offsets_of(minor, ret))
		return -ENOTSUP;
	if (b->code_type)
		python_offsets_refine(ret, memory, b->code_type + bias);
	return 0;
}

static void describe(const struct python_binary *b, const struct python_attached *a, uint64_t bias,
	struct interp_process *ret)
{
	*ret = (struct interp_process){
		.kind = INTERP_PYTHON,
		.python = {.layout = a->offsets.walk},
	};
	if (!b->runtime)
		ret->python.current = b->current + bias;
	else if (a->offsets.runtime_current)
		ret->python.current = b->runtime + bias + a->offsets.runtime_current;
}

int python_attach(const struct python_binary *binary, const struct interp_memory *memory,
	uint64_t bias, struct python_attached *ret, struct interp_process *ret_process)
{
	struct interp_thread *threads cleanup_free = NULL;
	struct python_attached a = {0};
	int r = find_offsets(binary, memory, bias, &a.offsets);

	ret->offsets.minor = a.offsets.minor;
	if (r < 0)
		return r;
	if (!python_offsets_usable(&a.offsets))
		return -ENOTSUP;
	if (binary->runtime)
		a.interpreters = binary->runtime + bias + a.offsets.runtime_interpreters;
	else if ((r = find_interpreters(binary, memory, bias, &a.interpreters)) < 0)
		return r;
	threads = xcalloc(THREADS_SEEN, sizeof(*threads));
	size_t count = python_threads(&a, memory, threads, THREADS_SEEN);

	/* Also where the chains are not what they should be: then that will not change. */
	if (!count)
		return -EAGAIN;
	describe(binary, &a, bias, ret_process);
	ret_process->python.path = python_find_path(memory, threads, count);
	*ret = a;
	return 0;
}

/* *left: how many states may still be looked at, whether or not they are a living thread's. */
static size_t threads_of(const struct python_offsets *o, const struct interp_memory *memory,
	uint64_t interpreter, size_t *left, struct interp_thread *ret, size_t capacity)
{
	uint64_t state = memory_word(memory, interpreter + o->interpreter_threads);
	size_t count = 0;

	for (; state && *left && count < capacity; --*left) {
		uint64_t id = memory_word(memory, state + o->walk.state_thread_id);

		/* Of a thread that has ended its control block may be gone, or another's. */
		if (id && state % sizeof(state) == 0 && memory_word(memory, id) == id)
			ret[count++] = (struct interp_thread){.thread_pointer = id, .state = state};
		state = memory_word(memory, state + o->state_next);
	}
	return count;
}

size_t python_threads(const struct python_attached *attached, const struct interp_memory *memory,
	struct interp_thread *ret, size_t capacity)
{
	uint64_t interpreter = memory_word(memory, attached->interpreters);
	size_t count = 0, left = MAX_STATES;

	for (size_t i = 0; interpreter && i < MAX_INTERPRETERS && left && count < capacity; i++) {
		count += threads_of(&attached->offsets, memory, interpreter, &left, ret + count,
			capacity - count);
		interpreter = memory_word(memory, interpreter + attached->offsets.interpreter_next);
	}
	return count;
}
