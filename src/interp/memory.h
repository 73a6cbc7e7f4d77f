// SPDX-License-Identifier: Apache-2.0
/*
 * The memory of a process, which may be gone, be written to while we read, and hold anything. Everything
 * in this room that looks into a process does so through this, so that it can be tried on a recorded image.
 */
#ifndef INTERP_MEMORY_H
#define INTERP_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

struct interp_memory {
	/* All len bytes: 0, else -errno. */
	int (*read)(const struct interp_memory *memory, uint64_t address, void *buf, size_t len);
};

static inline MUST_CHECK int memory_read(const struct interp_memory *memory, uint64_t address,
	void *buf, size_t len)
{
	return memory->read(memory, address, buf, len);
}

/* The word at the address, 0 where it cannot be read. */
static inline uint64_t memory_word(const struct interp_memory *memory, uint64_t address)
{
	uint64_t word = 0;

	return memory->read(memory, address, &word, sizeof(word)) < 0 ? 0 : word;
}

/*
 * How much of a process is read before we take it for one that only wants to keep us busy; then reading it fails
 * with -EAGAIN. In numbers, not in time: on a busy machine all is slow. A read takes some 0.4 us, a MiB as much as 1 ms.
 */
struct read_budget {
	size_t calls, bytes; /* left */
	struct read_budget *of; /* what it is a part of: counts as well; NULL: nothing */
};

bool read_budget_is_spent(const struct read_budget *left);

/*
 * For one look at its threads, or all names of a round: 50 ms. The interpreters that the tests start take 1,600
 * calls and 0.5 MB to be found, 10 calls and 400 bytes for each place in the code.
 */
#define READ_BUDGET   ((struct read_budget){.calls = 100000, .bytes = 16 << 20})
/* For all processes of a container in a round: 1 s. Some 500 interpreters that begin at once are found in it. */
#define SHARED_BUDGET ((struct read_budget){.calls = 1600000, .bytes = 256 << 20})
/* For all processes of a round: 4 s. */
#define ROUND_BUDGET  ((struct read_budget){.calls = 6400000, .bytes = 1024 << 20})

/*
 * /proc/PID/mem of one program image: once that is gone by exec or exit, reading fails, whoever has the pid
 * then. Closed by its owner.
 */
struct process_memory {
	struct interp_memory memory;
	int fd;
	struct read_budget *left; /* NULL: as much as you like */
};

/* process_dir: an open /proc/PID. Without a budget at first. 0 or -errno. */
int process_memory_open(struct process_memory *p, int process_dir) MUST_CHECK;
void process_memory_close(struct process_memory *p);
#define cleanup_process_memory __attribute__((cleanup(process_memory_close)))

#endif
