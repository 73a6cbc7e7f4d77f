// SPDX-License-Identifier: Apache-2.0
/*
 * The memory of a process, which may be gone, be written to while we read, and hold anything. Everything
 * in this room that looks into a process does so through this, so that it can be tried on a recorded image.
 */
#ifndef INTERP_MEMORY_H
#define INTERP_MEMORY_H

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
 * /proc/PID/mem of one program image: once that is gone by exec or exit, reading fails, whoever has the pid
 * then. Closed by its owner.
 */
struct process_memory {
	struct interp_memory memory;
	int fd;
};

/* process_dir: an open /proc/PID. 0 or -errno. */
int process_memory_open(struct process_memory *p, int process_dir) MUST_CHECK;
void process_memory_close(struct process_memory *p);
#define cleanup_process_memory __attribute__((cleanup(process_memory_close)))

#endif
