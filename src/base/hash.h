// SPDX-License-Identifier: Apache-2.0
/* Hashing for in-memory tables. Values differ from run to run: never store or send them. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Seeded per process from getrandom(2), so that labels chosen by an attacker cannot collide at will. */
uint64_t hash_bytes(const void *data, size_t len);
uint64_t hash_string(const char *s);

/* A bijective mix of one word (splitmix64's finaliser). */
static inline uint64_t hash_u64(uint64_t x)
{
	x ^= x >> 30;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	x ^= x >> 27;
	x *= UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static inline uint64_t hash_combine(uint64_t a, uint64_t b)
{
	return hash_u64(a ^ (b + UINT64_C(0x9e3779b97f4a7c15) + (a << 6) + (a >> 2)));
}

#endif
