// SPDX-License-Identifier: Apache-2.0
/* Writing Protocol Buffers' wire format (protobuf.dev/programming-guides/encoding) to a strbuf. */
#ifndef EXPORT_PROTOBUF_H
#define EXPORT_PROTOBUF_H

#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

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
