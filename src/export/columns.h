// SPDX-License-Identifier: Apache-2.0
/* Names of any kind in a number of terminal columns. */
#ifndef EXPORT_COLUMNS_H
#define EXPORT_COLUMNS_H

#include <stddef.h>

#include "base/strbuf.h"

#define ELLIPSIS "\xe2\x80\xa6"

/* How many columns s takes, made harmless, wide scripts are counted as two per code point. */
size_t columns_of(const char *s);
/* Appends s made harmless (text_add_safe()), cut with an ellipsis at `max` columns. */
void columns_add(struct strbuf *out, const char *s, size_t max);

#endif
