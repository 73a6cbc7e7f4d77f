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

static inline uint8_t cursor_u8(struct cursor *c)
{
	const uint8_t *at = cursor_take(c, 1);

	return at ? *at : 0;
}

/* In the machine's byte order, as those below. */
static inline uint16_t cursor_u16(struct cursor *c)
{
	uint16_t value = 0;
	const uint8_t *at = cursor_take(c, sizeof(value));

	if (at)
		memcpy(&value, at, sizeof(value));
	return value;
}

static inline uint32_t cursor_u32(struct cursor *c)
{
	uint32_t value = 0;
	const uint8_t *at = cursor_take(c, sizeof(value));

	if (at)
		memcpy(&value, at, sizeof(value));
	return value;
}

static inline uint64_t cursor_u64(struct cursor *c)
{
	uint64_t value = 0;
	const uint8_t *at = cursor_take(c, sizeof(value));

	if (at)
		memcpy(&value, at, sizeof(value));
	return value;
}

/* DWARF's numbers of variable length (LEB128). What is beyond 64 bits is lost; ten bytes hold 64. */
static inline uint64_t cursor_leb128(struct cursor *c, bool is_signed)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; shift < 70; shift += 7) {
		uint8_t byte = cursor_u8(c);

		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte & 0x80)
			continue;
		if (is_signed && byte & 0x40 && shift + 7 < 64)
			value |= UINT64_MAX << (shift + 7);
		return value;
	}
	c->failed = true;
	return 0;
}

static inline uint64_t cursor_uleb128(struct cursor *c)
{
	return cursor_leb128(c, false);
}

static inline int64_t cursor_sleb128(struct cursor *c)
{
	return (int64_t)cursor_leb128(c, true);
}

/* Skips to a multiple of `align` (a power of two) counted from `start`; the end will do as well. */
static inline void cursor_align(struct cursor *c, const uint8_t *start, size_t align)
{
	size_t pad = (align - ((size_t)(c->next - start) & (align - 1))) & (align - 1);

	cursor_take(c, pad < c->left ? pad : c->left);
}

#endif
