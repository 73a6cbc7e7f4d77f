// SPDX-License-Identifier: Apache-2.0
/* Showing strings that may hold anything: as JSON, or on a terminal or log line. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stddef.h>

#include "base/strbuf.h"

/* Appends s as a JSON string with its quotes; invalid UTF-8 becomes U+FFFD. */
void text_add_json(struct strbuf *out, const char *s, size_t len);

/*
 * Appends s so that it can do nothing to a terminal or a line-based log: control bytes, DEL, C1
 * controls, bidirectional overrides, line separators and invalid UTF-8 become \n, \t or \xNN,
 * backslash and double quote are escaped; after `max` bytes of output it is cut with "...".
 */
void text_add_safe(struct strbuf *out, const char *s, size_t len, size_t max);
/* The same for a sentence of ours that holds such names: quotes and backslashes stay as they are. */
void text_add_sentence(struct strbuf *out, const char *s, size_t max);

#endif
