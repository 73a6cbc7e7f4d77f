// SPDX-License-Identifier: Apache-2.0
/* Lower-case hexadecimal. */
#ifndef BASE_HEX_H
#define BASE_HEX_H

#include <stdbool.h>
#include <stddef.h>

/* Writes 2 * len digits and a NUL to `out`. */
void hex_encode(char *out, const void *data, size_t len);
/* Whether the `len` bytes at s are all in [0-9a-f]. */
bool hex_is_lower(const char *s, size_t len);

#endif
