// SPDX-License-Identifier: Apache-2.0
/* Where threads keep their state: the C libraries' layouts, as memory that a test has made up. */
#include "unit/unit.h"

#include <errno.h>
#include <string.h>

#include "interp/python_process.h"

#define THREADS 40
#define CONTROL 4096 /* bytes from one thread's control block to the next one's */
#define BASE    0x7f0000000000ULL
#define BLOCKS  0x7f1000000000ULL /* of keys, or of thread-locals; one page each */
#define KEY     3

struct made_up {
	struct interp_memory memory;
	uint64_t control[THREADS + 1][CONTROL / 8];
	uint64_t blocks[THREADS + 1][CONTROL / 8];
	struct interp_thread threads[THREADS];
};

static int read_made_up(const struct interp_memory *memory, uint64_t from, void *to, size_t size)
{
	const struct made_up *m = container_of(memory, struct made_up, memory);

	if (from >= BASE && from + size <= BASE + sizeof(m->control))
		memcpy(to, (const char *)m->control + (from - BASE), size);
	else if (from >= BLOCKS && from + size <= BLOCKS + sizeof(m->blocks))
		memcpy(to, (const char *)m->blocks + (from - BLOCKS), size);
	else
		return -EFAULT;
	return 0;
}

static struct made_up *make_up(void)
{
	struct made_up *m = calloc(1, sizeof(*m));

	m->memory.read = read_made_up;
	for (size_t i = 0; i < THREADS; i++) {
		/* The last one is the main thread, as in the interpreter's list. */
		m->threads[i] =
			(struct interp_thread){BASE + (i + 1) * CONTROL, 0x5500000000 + 64 * i};
		m->control[i + 1][0] = m->threads[i].thread_pointer;
	}
	return m;
}

static void check_path(struct made_up *m, int32_t first, uint32_t derefs, int32_t last)
{
	struct python_path path = python_find_path(&m->memory, m->threads, THREADS);

	ck_assert_uint_eq(path.derefs, derefs);
	ck_assert_int_eq(path.first, first);
	ck_assert_int_eq(derefs ? path.next[derefs - 1] : path.first, last);
	free(m);
}

START_TEST(keys_of_glibc_are_in_the_control_block)
{
	struct made_up *m = make_up();

	for (size_t i = 0; i < THREADS; i++)
		m->control[i + 1][792 / 8] = m->threads[i].state;
	check_path(m, 792, 0, 792);
}
END_TEST

/* musl: a pointer to the keys at 128. Those of threads but the main one are right behind the control block's 200 bytes. */
START_TEST(keys_of_musl_are_found_in_all_threads)
{
	struct made_up *m = make_up();

	for (size_t i = 0; i < THREADS - 1; i++) {
		m->control[i + 1][128 / 8] = m->threads[i].thread_pointer + 200;
		m->control[i + 1][200 / 8 + KEY] = m->threads[i].state;
	}
	m->control[THREADS][128 / 8] = BLOCKS;
	m->blocks[0][KEY] = m->threads[THREADS - 1].state;
	check_path(m, 128, 1, 8 * KEY);
}
END_TEST

/* The dtv: 16 bytes an entry with glibc, 8 with musl. */
START_TEST(thread_locals_of_a_library_are_found)
{
	for (int32_t entry = 8; entry <= 16; entry += 8) {
		struct made_up *m = make_up();

		for (size_t i = 0; i < THREADS; i++) {
			uint64_t block = BLOCKS + i * CONTROL;

			m->control[i + 1][1] = block;
			m->blocks[i][2 * entry / 8] = block + 1024;
			m->blocks[i][(1024 + 320) / 8] = m->threads[i].state;
		}
		check_path(m, 8, 2, 320);
	}
}
END_TEST

START_TEST(where_there_is_none_it_says_so)
{
	struct made_up *m = make_up();

	ck_assert_uint_eq(python_find_path(&m->memory, m->threads, THREADS).derefs, PYTHON_NO_PATH);
	ck_assert_uint_eq(python_find_path(&m->memory, m->threads, 0).derefs, PYTHON_NO_PATH);
	free(m);
}
END_TEST

UNIT_MAIN("python_path", keys_of_glibc_are_in_the_control_block,
	keys_of_musl_are_found_in_all_threads, thread_locals_of_a_library_are_found,
	where_there_is_none_it_says_so)
