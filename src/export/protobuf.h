// SPDX-License-Identifier: Apache-2.0
/* Writing Protocol Buffers' wire format (protobuf.dev/programming-guides/encoding) to a strbuf. */
#ifndef EXPORT_PROTOBUF_H
#define EXPORT_PROTOBUF_H

#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

#define PROTOBUF_VARINT_MAX 10

/* For whoever has made room: writes a bare varint there, and returns what comes after it. */
static inline char *protobuf_put_varint(char *to, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		*to++ = (char)(value | 0x80);
	*to++ = (char)value;
	return to;
}

/* The tag of a length-delimited field, and its length. */
static inline char *protobuf_put_length(char *to, unsigned field, size_t len)
{
	return protobuf_put_varint(protobuf_put_varint(to, (uint64_t)field << 3 | 2), len);
}

/* A byte for each seven bits. */
static inline size_t protobuf_varint_size(uint64_t value)
{
	return (size_t)(63 - __builtin_clzll(value | 1)) / 7 + 1;
}

/* A bare varint, for packed fields. */
void protobuf_add_varint(struct strbuf *out, uint64_t value);
/* A varint field; 0 is left out, as proto3 reads a missing number as 0. */
void protobuf_add_uint(struct strbuf *out, unsigned field, uint64_t value);
/* A string or bytes field; written even when empty (it may be an element of a repeated field). */
void protobuf_add_bytes(struct strbuf *out, unsigned field, const void *data, size_t len);
/* A message or packed field: everything appended between the two calls. Nests. */
size_t protobuf_begin(struct strbuf *out, unsigned field);
void protobuf_end(struct strbuf *out, size_t start);

#endif
