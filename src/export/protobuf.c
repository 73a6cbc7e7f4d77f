// SPDX-License-Identifier: Apache-2.0
/*
 * A length-delimited field stores its length before its contents, and the length of the length depends
 * on it. protobuf_begin() reserves one byte, which is enough for the many small messages of a profile;
 * protobuf_end() moves the contents up where it takes more:
 *
 *	| tag | 0 | contents ...        ->    | tag | len (1..10) | contents ... |
 *	          ^ start
 */
#include "export/protobuf.h"

#include <string.h>

#define WIRE_VARINT 0U
#define WIRE_BYTES  2U

void protobuf_add_varint(struct strbuf *out, uint64_t value)
{
	strbuf_grow(out, PROTOBUF_VARINT_MAX);
	strbuf_set_len(out, (size_t)(protobuf_put_varint(out->buf + out->len, value) - out->buf));
}

void protobuf_add_uint(struct strbuf *out, unsigned field, uint64_t value)
{
	if (!value)
		return;
	protobuf_add_varint(out, (uint64_t)field << 3 | WIRE_VARINT);
	protobuf_add_varint(out, value);
}

void protobuf_add_bytes(struct strbuf *out, unsigned field, const void *data, size_t len)
{
	protobuf_add_varint(out, (uint64_t)field << 3 | WIRE_BYTES);
	protobuf_add_varint(out, len);
	strbuf_add(out, data, len);
}

size_t protobuf_begin(struct strbuf *out, unsigned field)
{
	protobuf_add_varint(out, (uint64_t)field << 3 | WIRE_BYTES);
	strbuf_add_char(out, 0);
	return out->len;
}

void protobuf_end(struct strbuf *out, size_t start)
{
	char length[PROTOBUF_VARINT_MAX];
	size_t contents = out->len - start;
	size_t n = (size_t)(protobuf_put_varint(length, contents) - length);

	strbuf_grow(out, n - 1);
	memmove(out->buf + start + n - 1, out->buf + start, contents);
	memcpy(out->buf + start - 1, length, n);
	strbuf_set_len(out, out->len + n - 1);
}
