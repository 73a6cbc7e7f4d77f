// SPDX-License-Identifier: Apache-2.0
/*
 * Open addressing with linear probing, at most half full. The index is small: it stays in the CPU's caches. Who chooses
 * addresses so that their hashes are equal gets a few of them found, and pays for no long searches.
 */
#include "symbols/named_frames.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"

#define PLACES     ARRAY_SIZE(((struct named_frames *)NULL)->index)
#define PROBES_MAX 16

_Static_assert(NAMED_FRAMES_MAX < UINT16_MAX, "the index has numbers of 16 bits");
_Static_assert((NAMED_FRAMES_MAX & (NAMED_FRAMES_MAX - 1)) == 0, "a mask makes a place of a hash");

void named_frames_init(struct named_frames *n)
{
	*n = (struct named_frames){.list = xcalloc(NAMED_FRAMES_MAX, sizeof(n->list[0]))};
}

void named_frames_release(struct named_frames *n)
{
	free(n->list);
}

void named_frames_clear(struct named_frames *n)
{
	if (n->count)
		memset(n->index, 0, sizeof(n->index));
	n->count = 0;
}

void named_frames_reserve(struct named_frames *n, size_t count)
{
	if (n->count + count > NAMED_FRAMES_MAX)
		named_frames_clear(n);
}

static size_t hash_of(const struct named_key *key)
{
	uint64_t hash = hash_combine(key->words[0], key->words[1]);

	if (key->words[2] | key->words[3])
		hash = hash_combine(hash, hash_combine(key->words[2], key->words[3]));
	return hash;
}

static bool is_key(const struct named_key *a, const struct named_key *b)
{
	return a->words[0] == b->words[0] && a->words[1] == b->words[1] &&
		a->words[2] == b->words[2] && a->words[3] == b->words[3];
}

struct frame *named_frames_find(const struct named_frames *n, const struct named_key *key)
{
	size_t hash = hash_of(key);

	for (size_t probe = 0; probe < PROBES_MAX; probe++) {
		uint16_t number = n->index[(hash + probe) & (PLACES - 1)];

		if (!number)
			return NULL;
		if (is_key(&n->list[number - 1].key, key))
			return &n->list[number - 1].frame;
	}
	return NULL;
}

struct frame *named_frames_put(struct named_frames *n, const struct frame *frame)
{
	struct named_frame *new = &n->list[n->count++];

	*new = (struct named_frame){.frame = *frame};
	return &new->frame;
}

struct frame *named_frames_add(struct named_frames *n, const struct named_key *key,
	const struct frame *frame)
{
	struct frame *added = named_frames_put(n, frame);
	size_t hash = hash_of(key);

	n->list[n->count - 1].key = *key;
	for (size_t probe = 0; probe < PROBES_MAX; probe++) {
		uint16_t *place = &n->index[(hash + probe) & (PLACES - 1)];

		if (*place)
			continue;
		*place = (uint16_t)n->count;
		break;
	}
	return added;
}
