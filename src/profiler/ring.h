// SPDX-License-Identifier: Apache-2.0
/* The reading end of a BPF ring buffer. */
#ifndef PROFILER_RING_H
#define PROFILER_RING_H

#include <stddef.h>
#include <stdint.h>

#include "loop/loop.h"

struct ring {
	struct loop_fd fd; /* the map's, not owned */
	void (*on_record)(struct ring *ring, const void *data, size_t size);
	uint64_t *consumer; /* the first page, ours to write */
	const uint64_t *producer; /* the second page; the data follows it, mapped twice */
	size_t size; /* of the data, a power of two */
};

/*
 * Maps the ring and reads it whenever BPF wakes the loop. `size` is the map's max_entries. 0 or
 * -errno. The data handed to on_record is valid during the call and aligned to 8.
 */
int ring_init(struct ring *ring, struct loop *loop, int map_fd, size_t size,
	void (*on_record)(struct ring *ring, const void *data, size_t size));
/* Harmless where it was only zeroed. */
void ring_release(struct ring *ring);

/* Reads what is complete. */
void ring_consume(struct ring *ring);
/*
 * Reads everything for which BPF had reserved room when this was called, waiting for what is being
 * written. 0, or -ETIMEDOUT where a writer does not finish for a whole second.
 */
int ring_drain(struct ring *ring);

#endif
