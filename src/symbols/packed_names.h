// SPDX-License-Identifier: Apache-2.0
/*
 * Many short strings, compressed in pages of their own, for a list that is read once and asked rarely.
 * A string is known by the 32-bit reference that packed_names_add() gave.
 */
#ifndef SYMBOLS_PACKED_NAMES_H
#define SYMBOLS_PACKED_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "base/strbuf.h"

#define PACKED_NAME_MAX 1024 /* bytes of one string with its NUL; longer ones are cut */

struct packed_names;

struct packed_names *packed_names_new(void);
void packed_names_free(struct packed_names *n);
/* Only before packed_names_finish(). UINT32_MAX: there is no more room. */
uint32_t packed_names_add(struct packed_names *n, const char *name);
/* Gives back what only adding needs. */
void packed_names_finish(struct packed_names *n);
/* Appends the string to `out`; -EINVAL for a reference that was not given out. */
int packed_names_get(const struct packed_names *n, uint32_t ref, struct strbuf *out) MUST_CHECK;
size_t packed_names_bytes(const struct packed_names *n);

#endif
