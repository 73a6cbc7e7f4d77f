// SPDX-License-Identifier: Apache-2.0
/*
 * The memory that tables lie in, shared with the kernel: chunks that are added as they are needed, up to
 * a budget, and pieces of them by reference (bpf/unwind.h). What is given back may still be read by
 * programs that run; so it rests until slab_quiesced().
 */
#ifndef UNWIND_SLAB_H
#define UNWIND_SLAB_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/unwind.h"

/* Where chunks come from: zeroed memory of SLAB_CHUNK_SIZE + SLAB_GUARD bytes, or NULL. */
struct slab_source {
	void *(*add_chunk)(void *ctx, uint32_t number);
	void *ctx;
};

/* The largest piece that there may be: sizes above are rounded up to a chunk, whose first one has no room for that. */
#define SLAB_SIZE_MAX (SLAB_CHUNK_SIZE / 8 * 7)

struct slab;

/* max_bytes is rounded up to whole chunks. */
struct slab *slab_new(const struct slab_source *source, size_t max_bytes);
/* The chunks are their source's. */
void slab_free(struct slab *s);

/* Room for `size` bytes, at most SLAB_SIZE_MAX, with undefined contents. 0 where there is none. */
uint32_t slab_take(struct slab *s, size_t size);
/* Gives it back, with the size that was asked for. 0 is fine. */
void slab_give(struct slab *s, uint32_t ref, size_t size);
/* No program that ran before the last slab_give() runs any more. */
void slab_quiesced(struct slab *s);
/* What is free in the chunk rests too: nothing is taken from it meanwhile. */
void slab_rest_chunk(struct slab *s, uint32_t chunk);
/* Joins free pieces that lie side by side, for larger ones to be had. Looks at all of them. */
void slab_join(struct slab *s);

/* NULL for 0. */
void *slab_at(const struct slab *s, uint32_t ref);
/* The start of the chunk that ref is in, NULL where there is none. */
uint8_t *slab_chunk(const struct slab *s, uint32_t ref);
/* In chunks so far; of that, what is not free. */
size_t slab_bytes(const struct slab *s);
size_t slab_used(const struct slab *s);

#endif
