// SPDX-License-Identifier: Apache-2.0
/*
 * Each thread's state is kept where its own code finds it quickly: under a pthread key, or in a thread-local
 * variable. Where that is depends on the C library, on how many keys there were before, on how the program
 * is linked. Instead of knowing all that, one looks: of a thread whose state is known, in which word is it?
 *
 *	pthread key       thread pointer --> struct pthread: | ... | key's sequence, value | ...
 *	... of musl       thread pointer --> tsd --> | value | value | ...
 *	... beyond the 31st of glibc                 the same
 *	static TLS        | variables of the program and its libraries | <-- thread pointer
 *	dynamic TLS       thread pointer --> dtv --> module's block --> variable
 *
 * (The threads that musl starts have their keys behind struct pthread, so a distance would do; the main thread has not.)
 *
 * The places that hold it always come first: Python's own variable for the current thread is empty whenever
 * the thread has let go of the GIL, the key is not. From 3.15 on there is no key but a second variable, and while only
 * one thread is there, which has the GIL, the two look the same. Where several threads are known, the place must be
 * right for the most of them. It need not be right for ever: what is found there is checked each time, and whose
 * variable is empty is looked for among the threads (python_never_ran()).
 *
 * All this is x86-64's: arm64 has its static TLS above the thread pointer and struct pthread below, so that pthread_self(), which
 * is what a state holds as its thread's id, is another address there (python_binary_read()).
 */
#include "interp/python_process.h"

#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"

#define ABOVE       2560 /* struct pthread of glibc: 2304 */
#define BELOW       16384 /* static TLS: a program's own and its libraries' */
#define POINTERS    1800 /* of struct pthread, where pointers to blocks of keys are */
#define BLOCK       1024 /* of keys: 32 of glibc, 128 of musl */
#define DTV         8 /* the word that points to the dtv, glibc's and musl's */
#define DTV_ENTRIES 64
#define TLS_BLOCK   4096 /* of a module */
#define PROBED      8 /* threads that are asked whether a place is right for them as well */
#define PAGE        4096

struct search {
	const struct interp_memory *memory;
	const struct interp_thread *threads;
	size_t count;
	size_t thread; /* the one looked into */
	struct python_path best;
	size_t best_right;
	uint64_t buf[BELOW / 8];
};

static uint64_t follow(const struct interp_memory *memory, const struct python_path *path,
	uint64_t thread_pointer)
{
	uint64_t at = thread_pointer + (uint64_t)(int64_t)path->first;

	for (uint32_t i = 0; i < path->derefs; i++)
		at = memory_word(memory, at) + (uint64_t)(int64_t)path->next[i];
	return memory_word(memory, at);
}

/* Spread over all: the first and the last are among them. */
static const struct interp_thread *probed(const struct search *s, size_t i)
{
	return s->count <= PROBED ? &s->threads[i] : &s->threads[i * (s->count - 1) / (PROBED - 1)];
}

static void try_path(struct search *s, const struct python_path *path)
{
	size_t right = 0;

	for (size_t i = 0; i < MIN(s->count, (size_t)PROBED); i++) {
		const struct interp_thread *t = probed(s, i);

		right += follow(s->memory, path, t->thread_pointer) == t->state;
	}
	if (right > s->best_right) {
		s->best = *path;
		s->best_right = right;
	}
}

static bool satisfied(const struct search *s)
{
	return s->best_right == MIN(s->count, (size_t)PROBED);
}

/* Tries each word of [at, at + len) that holds the state as the end of `path`, whose last offset is `last`. */
static void search_block(struct search *s, uint64_t at, size_t len, struct python_path *path,
	int32_t *last)
{
	int32_t from = *last;

	for (size_t done = 0; done < len && !satisfied(s);) {
		/* Piece by piece: what follows may not be mapped. */
		size_t n = MIN(len - done, (size_t)(PAGE - (at + done) % PAGE));

		if (memory_read(s->memory, at + done, s->buf, n) == 0)
			for (size_t i = 0; i + 8 <= n && !satisfied(s); i += 8) {
				if (s->buf[i / 8] != s->threads[s->thread].state)
					continue;
				*last = from + (int32_t)(done + i);
				try_path(s, path);
			}
		done += n;
	}
}

static void search_directly(struct search *s, int32_t from, size_t len)
{
	struct python_path path = {.first = from};

	search_block(s, s->threads[s->thread].thread_pointer + (uint64_t)(int64_t)from, len, &path,
		&path.first);
}

static void search_by_pointers(struct search *s)
{
	uint64_t at = s->threads[s->thread].thread_pointer;

	for (int32_t first = DTV + 8; first < POINTERS && !satisfied(s); first += 8) {
		struct python_path path = {.first = first, .derefs = 1};
		uint64_t block = memory_word(s->memory, at + (uint64_t)first);

		if (block && block % 8 == 0)
			search_block(s, block, BLOCK, &path, &path.next[0]);
	}
}

/* entry: bytes of one of the dtv. */
static void search_modules(struct search *s, int32_t entry)
{
	uint64_t dtv = memory_word(s->memory, s->threads[s->thread].thread_pointer + DTV);

	for (int32_t i = 1; i < DTV_ENTRIES && !satisfied(s); i++) {
		struct python_path path = {.first = DTV, .next = {i * entry}, .derefs = 2};
		uint64_t block = memory_word(s->memory, dtv + (uint64_t)(i * entry));

		if (block && block % 8 == 0)
			search_block(s, block, TLS_BLOCK, &path, &path.next[1]);
	}
}

struct python_path python_find_path(const struct interp_memory *memory,
	const struct interp_thread *threads, size_t count)
{
	struct search *s cleanup_free = xcalloc(1, sizeof(*s));

	s->memory = memory;
	s->threads = threads;
	s->count = count;
	s->best.derefs = PYTHON_NO_PATH;
	for (s->thread = 0; s->thread < MIN(count, (size_t)2) && !satisfied(s); s->thread++) {
		search_directly(s, 0, ABOVE);
		search_by_pointers(s);
		search_directly(s, -BELOW, BELOW);
		search_modules(s, 16);
		search_modules(s, 8);
	}
	return s->best;
}
