// SPDX-License-Identifier: Apache-2.0
/*
 * Frames that were named in this round, found by what they were asked by: most stacks are made of the same few. They
 * stand still, so that a stack is a list of pointers to them.
 */
#ifndef SYMBOLS_NAMED_FRAMES_H
#define SYMBOLS_NAMED_FRAMES_H

#include <stddef.h>
#include <stdint.h>

#include "symbols/frame.h"

#define NAMED_FRAMES_MAX 4096 /* 88 bytes each; a stack with a language's frames has 900 */

/* Whatever tells frames apart, the owner's. */
struct named_key {
	uint64_t words[4];
};

struct named_frame {
	struct frame frame;
	struct named_key key;
};

struct named_frames {
	struct named_frame *list; /* NAMED_FRAMES_MAX; taken up as far as it is used */
	size_t count;
	uint16_t index[2 * NAMED_FRAMES_MAX]; /* by hash: the number in the list + 1, 0: free */
};

void named_frames_init(struct named_frames *n);
void named_frames_release(struct named_frames *n);
/* Forgets all of them. */
void named_frames_clear(struct named_frames *n);

/* That so many can be added, NAMED_FRAMES_MAX at most: forgets all others, if need be. */
void named_frames_reserve(struct named_frames *n, size_t count);
/* NULL where it is not there. Valid until named_frames_reserve(), as all that is returned here. */
struct frame *named_frames_find(const struct named_frames *n, const struct named_key *key);
/* It must not be there. */
struct frame *named_frames_add(struct named_frames *n, const struct named_key *key,
	const struct frame *frame);
/* Only keeps it: it will not be found. */
struct frame *named_frames_put(struct named_frames *n, const struct frame *frame);

#endif
