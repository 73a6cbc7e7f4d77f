// SPDX-License-Identifier: Apache-2.0
/*
 * Eight bytes at a time through the splitmix64 mixer, from a random start. The seed is computed once;
 * a second thread racing here would compute it again, which is why there is no second thread.
 */
#include "base/hash.h"

#include <string.h>
#include <sys/random.h>

static uint64_t seed(void)
{
	static uint64_t value;

	if (!value) {
		if (getrandom(&value, sizeof(value), GRND_NONBLOCK) != (ssize_t)sizeof(value))
			value = (uint64_t)(uintptr_t)&value;
		value |= 1;
	}
	return value;
}

uint64_t hash_bytes(const void *data, size_t len)
{
	const unsigned char *p = data;
	uint64_t h = seed() ^ hash_u64(len);

	for (; len >= 8; p += 8, len -= 8) {
		uint64_t word;

		memcpy(&word, p, sizeof(word));
		h = hash_combine(h, word);
	}
	uint64_t tail = 0;

	if (len)
		memcpy(&tail, p, len);
	return hash_combine(h, tail);
}

uint64_t hash_string(const char *s)
{
	return hash_bytes(s, strlen(s));
}
