// SPDX-License-Identifier: Apache-2.0
/*
 * Reads bytes that may lie about their lengths. A cursor never leaves its bytes: a read beyond the end
 * yields zeros and sets `failed`, which stays set; so a parser may read on and check once.
 */
#ifndef BASE_CURSOR_H
#define BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cursor {
	const uint8_t *next;
	size_t left;
	bool failed;
};

static inline struct cursor cursor_over(const void *data, size_t len)
{
	return (struct cursor){.next = data, .left = len};
}

/* The next `len` bytes, or NULL. */
static inline const uint8_t *cursor_take(struct cursor *c, size_t len)
{
	if (len > c->left || c->failed) {
		c->failed = true;
		c->left = 0;
		return NULL;
	}
	const uint8_t *at = c->next;

	c->next += len;
	c->left -= len;
	return at;
}

/* In the machine's byte order. */
static inline uint32_t cursor_u32(struct cursor *c)
{
	uint32_t value = 0;
	const uint8_t *at = cursor_take(c, sizeof(value));

	if (at)
		memcpy(&value, at, sizeof(value));
	return value;
}

/* Skips to a multiple of `align` (a power of two) counted from `start`; the end will do as well. */
static inline void cursor_align(struct cursor *c, const uint8_t *start, size_t align)
{
	size_t pad = (align - ((size_t)(c->next - start) & (align - 1))) & (align - 1);

	cursor_take(c, pad < c->left ? pad : c->left);
}

#endif
