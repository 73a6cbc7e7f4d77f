// SPDX-License-Identifier: Apache-2.0
/* UTF-8 as RFC 3629 has it: no surrogates, no overlong forms, nothing above U+10FFFF. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

#define UTF8_MAX         4
#define UTF8_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/*
 * The length (1 to 4) of the code point at s and its value, or 0 where the bytes are no valid
 * sequence; then one byte is to be skipped, as Go and the Unicode standard advise. len must be > 0.
 */
size_t utf8_decode(const char *s, size_t len, uint32_t *ret_code_point);
/* Writes up to UTF8_MAX bytes and returns how many. */
size_t utf8_encode(char *out, uint32_t code_point);
bool utf8_valid(const char *s, size_t len);
/* Appends s with each invalid byte replaced by U+FFFD. */
void utf8_repair(struct strbuf *out, const char *s, size_t len);
/* The largest n <= max such that cutting s at n does not split a code point. */
size_t utf8_cut(const char *s, size_t len, size_t max);

#endif
