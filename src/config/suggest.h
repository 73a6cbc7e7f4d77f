// SPDX-License-Identifier: Apache-2.0
/* "Did you mean ...?" */
#ifndef CONFIG_SUGGEST_H
#define CONFIG_SUGGEST_H

#include <stddef.h>

/*
 * How many letters must be inserted, removed, changed or swapped with their neighbour to make b of
 * a; at most `limit` + 1 is told apart. Names longer than 64 bytes are never close.
 */
size_t edit_distance(const char *a, const char *b, size_t limit);

/* Close enough to be a slip of the same name: at most a third of its letters. */
size_t suggest_limit(const char *name);

#endif
