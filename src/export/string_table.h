// SPDX-License-Identifier: Apache-2.0
/* A profile's strings, each once, as valid UTF-8. Number 0 is the empty string, as pprof demands. */
#ifndef EXPORT_STRING_TABLE_H
#define EXPORT_STRING_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "export/dedup.h"

/* Longer strings (mangled C++ templates reach several KiB) are cut and end in "...". */
#define STRING_MAX        4096
/* Names come from what is profiled, which could bring millions: once a table holds this many bytes,
 * new strings are cut at STRING_MAX_FULL. */
#define STRING_TABLE_FULL ((size_t)4 << 20)
#define STRING_MAX_FULL   128

struct string_table {
	struct strbuf bytes; /* all strings, each with its NUL */
	uint32_t *offsets;
	size_t count, capacity;
	struct dedup dedup;
	struct strbuf scratch;
};

void string_table_init(struct string_table *t);
void string_table_release(struct string_table *t);
/* The number of s after repair and cutting. */
uint32_t string_table_add(struct string_table *t, const char *s, size_t len);
/* Valid until the next addition; the pointers of two numbers differ. */
const char *string_table_get(const struct string_table *t, uint32_t number);

#endif
