// SPDX-License-Identifier: Apache-2.0
/*
 * Reads Protocol Buffers' wire format in tests, written apart from the writer it checks. No ck_assert in
 * the loops: check notes each in a file, which takes longer than the reading.
 */
#ifndef TESTS_PROTOBUF_READER_H
#define TESTS_PROTOBUF_READER_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct reader {
	const unsigned char *at, *end;
};

struct field {
	unsigned number;
	uint64_t value; /* of a varint, or the length */
	struct reader bytes; /* of a length-delimited field */
};

static inline struct reader reader_of(const void *data, size_t len)
{
	const unsigned char *at = data;

	return (struct reader){.at = at, .end = at + len};
}

static inline uint64_t read_varint(struct reader *r)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		if (r->at == r->end)
			break;
		unsigned char c = *r->at++;

		value |= (uint64_t)(c & 0x7f) << shift;
		if (!(c & 0x80))
			return value;
	}
	ck_abort_msg("bad varint");
	return 0;
}

/* The next field; false at the end. */
static inline bool read_field(struct reader *r, struct field *f)
{
	if (r->at == r->end)
		return false;
	uint64_t tag = read_varint(r);

	*f = (struct field){.number = (unsigned)(tag >> 3), .value = read_varint(r)};
	if ((tag & 7) == 2) {
		if (f->value > (uint64_t)(r->end - r->at))
			ck_abort_msg("field past the end");
		f->bytes = reader_of(r->at, f->value);
		r->at += f->value;
	} else if (tag & 7) {
		ck_abort_msg("wire type %u", (unsigned)(tag & 7));
	}
	return true;
}

/* The `index`-th field of that number; its absence is a failure. */
static inline struct field get_field(struct reader r, unsigned number, size_t index)
{
	struct field f;

	while (read_field(&r, &f))
		if (f.number == number && index-- == 0)
			return f;
	ck_abort_msg("no field %u", number);
	return f;
}

/* A number's value, 0 where it is left out. */
static inline uint64_t get_uint(struct reader r, unsigned number)
{
	struct field f;
	uint64_t value = 0;

	while (read_field(&r, &f))
		if (f.number == number)
			value = f.value;
	return value;
}

static inline size_t count_fields(struct reader r, unsigned number)
{
	struct field f;
	size_t n = 0;

	while (read_field(&r, &f))
		n += f.number == number;
	return n;
}

static inline char *reader_string(struct reader r)
{
	return strndup((const char *)r.at, (size_t)(r.end - r.at));
}

#endif
