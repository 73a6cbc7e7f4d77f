// SPDX-License-Identifier: Apache-2.0
/*
 * The memory of an interpreter, recorded: what was read of it, in blocks, behind what its binary said. So
 * readers can be tried on versions that the machine has not, and on memory that is not as it should be.
 *
 *	| struct image_head | address, 64 bytes | address, 64 bytes | ...     by address
 */
#ifndef TESTS_MEMORY_IMAGE_H
#define TESTS_MEMORY_IMAGE_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interp/memory.h"
#include "interp/python_binary.h"

#define IMAGE_MAGIC UINT64_C(0x31676d692e796470) /* "pdy.img1" */
#define IMAGE_BLOCK 64

struct image_head {
	uint64_t magic, thread_pointer;
	struct python_binary binary; /* addresses are the process's own */
};

struct image_block {
	uint64_t address;
	uint8_t bytes[IMAGE_BLOCK];
};

struct memory_image {
	struct interp_memory memory;
	const struct image_block *blocks;
	size_t count;
};

static inline int image_read(const struct interp_memory *memory, uint64_t address, void *buf,
	size_t len)
{
	const struct memory_image *image = container_of(memory, struct memory_image, memory);

	for (size_t done = 0; done < len;) {
		uint64_t block = (address + done) & ~(uint64_t)(IMAGE_BLOCK - 1);
		size_t skip = (size_t)(address + done - block),
		       n = MIN(len - done, IMAGE_BLOCK - skip);
		size_t lo = 0, hi = image->count;

		while (lo < hi) {
			size_t mid = lo + (hi - lo) / 2;

			if (image->blocks[mid].address < block)
				lo = mid + 1;
			else
				hi = mid;
		}
		if (lo == image->count || image->blocks[lo].address != block)
			return -EFAULT;
		memcpy((char *)buf + done, image->blocks[lo].bytes + skip, n);
		done += n;
	}
	return 0;
}

/* data must outlive the image and be aligned. False where it is none. */
static inline bool image_open(struct memory_image *image, const void *data, size_t size,
	struct image_head *ret)
{
	if (size < sizeof(*ret))
		return false;
	memcpy(ret, data, sizeof(*ret));
	*image = (struct memory_image){
		.memory = {.read = image_read},
		.blocks = (const void *)((const char *)data + sizeof(*ret)),
		.count = (size - sizeof(*ret)) / sizeof(struct image_block),
	};
	return ret->magic == IMAGE_MAGIC && ret->binary.range_count <= INTERP_RANGES_MAX;
}

/* Reads from `from` and keeps what was read. */
struct memory_recorder {
	struct interp_memory memory;
	const struct interp_memory *from;
	struct image_block *blocks; /* by address */
	size_t count;
};

static inline void record_block(struct memory_recorder *r, uint64_t address)
{
	size_t i = 0;

	while (i < r->count && r->blocks[i].address < address)
		i++;
	if (i < r->count && r->blocks[i].address == address)
		return;
	struct image_block block = {.address = address};

	if (memory_read(r->from, address, block.bytes, sizeof(block.bytes)) < 0)
		return;
	r->blocks = realloc(r->blocks, (r->count + 1) * sizeof(block));
	memmove(r->blocks + i + 1, r->blocks + i, (r->count - i) * sizeof(block));
	r->blocks[i] = block;
	r->count++;
}

static inline int recorder_read(const struct interp_memory *memory, uint64_t address, void *buf,
	size_t len)
{
	struct memory_recorder *r = container_of(memory, struct memory_recorder, memory);

	for (uint64_t at = address & ~(uint64_t)(IMAGE_BLOCK - 1); at < address + len;
		at += IMAGE_BLOCK)
		record_block(r, at);
	return memory_read(r->from, address, buf, len);
}

static inline struct memory_recorder recorder_of(const struct interp_memory *from)
{
	return (struct memory_recorder){.memory = {.read = recorder_read}, .from = from};
}

static inline bool recorder_save(struct memory_recorder *r, const struct image_head *head,
	const char *path)
{
	FILE *f = fopen(path, "w");
	bool good = f && fwrite(head, sizeof(*head), 1, f) == 1 &&
		fwrite(r->blocks, sizeof(r->blocks[0]), r->count, f) == r->count;

	free(r->blocks);
	*r = (struct memory_recorder){0};
	return f && fclose(f) == 0 && good;
}

#endif
