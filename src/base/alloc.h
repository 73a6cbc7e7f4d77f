// SPDX-License-Identifier: Apache-2.0
/*
 * Allocation that cannot fail: out of memory aborts with one line. Sizes that come from outside are
 * bounded by the caller before they get here.
 */
#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include <stddef.h>

#include "base/macros.h"

void *xmalloc(size_t size) __attribute__((malloc));
void *xcalloc(size_t count, size_t size) __attribute__((malloc));
/* count * size is checked for overflow. */
void *xreallocarray(void *ptr, size_t count, size_t size);
char *xstrdup(const char *s) __attribute__((malloc));
/* At most n bytes, stops at a NUL; always terminated. */
char *xstrndup(const char *s, size_t n) __attribute__((malloc));
void *xmemdup(const void *p, size_t n);
char *xasprintf(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Wipes a text before it is freed. NULL is fine. */
void free_secret(char *s);

/* The next capacity of a growing array that must hold `need` elements. */
size_t grow_capacity(size_t capacity, size_t need);

#endif
