// SPDX-License-Identifier: Apache-2.0
/*
 * The message is taken apart at its outermost fields only. Whatever is no sample belongs to each part:
 * references stay as they are, and what a part does not refer to does no harm.
 */
#include "export/pprof_file.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "export/protobuf.h"

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };
enum field_number { SAMPLE_TYPE = 1, SAMPLE = 2, TIME = 9, PERIOD_TYPE = 11, SAMPLE_VALUE = 2 };

#define CHUNK       65536
#define GZIP_FORMAT 16 /* added to the window's bits */
#define WHOLE_MAX   ((size_t)4 << 20) /* validation.max-profile-size-bytes */

struct field {
	unsigned number;
	enum wire_type type;
	uint64_t value; /* of a varint */
	const uint8_t *data; /* of WIRE_BYTES */
	size_t len;
};

void pprof_file_release(struct pprof_file *f)
{
	strbuf_release(&f->rest);
	strbuf_release(&f->samples);
}

static uint64_t read_varint(struct cursor *c)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		const uint8_t *byte = cursor_take(c, 1);

		if (!byte)
			return 0;
		value |= (uint64_t)(*byte & 0x7f) << shift;
		if (!(*byte & 0x80))
			return value;
	}
	c->failed = true;
	return 0;
}

static bool read_field(struct cursor *c, struct field *f)
{
	uint64_t tag = read_varint(c), len;

	*f = (struct field){.number = (unsigned)(tag >> 3), .type = (enum wire_type)(tag & 7)};
	switch (f->type) {
	case WIRE_VARINT:
		f->value = read_varint(c);
		break;
	case WIRE_BYTES:
		len = read_varint(c);
		f->len = (size_t)len;
		f->data = cursor_take(c, f->len);
		break;
	case WIRE_FIXED64:
		cursor_take(c, 8);
		break;
	case WIRE_FIXED32:
		cursor_take(c, 4);
		break;
	default:
		c->failed = true;
	}
	return !c->failed && f->number > 0;
}

/* The first value of a sample; values are packed, or not. */
static uint64_t first_value(const uint8_t *data, size_t len)
{
	struct cursor c = cursor_over(data, len);
	struct field f;

	while (c.left && read_field(&c, &f)) {
		if (f.number != SAMPLE_VALUE)
			continue;
		if (f.type != WIRE_BYTES)
			return f.value;
		struct cursor packed = cursor_over(f.data, f.len);

		return read_varint(&packed);
	}
	return 0;
}

static int read_message(struct pprof_file *f, const void *data, size_t len, struct error *err)
{
	struct cursor c = cursor_over(data, len);
	bool typed = false, period_typed = false;

	while (c.left) {
		const uint8_t *start = c.next;
		struct field field;

		if (!read_field(&c, &field))
			return error_set(err, -EBADMSG, "not a pprof profile");
		if (field.number == SAMPLE && field.type == WIRE_BYTES) {
			strbuf_add(&f->samples, start, (size_t)(c.next - start));
			f->sample_count++;
			f->value += first_value(field.data, field.len);
			continue;
		}
		if (field.number == TIME && field.type == WIRE_VARINT) {
			f->time_ns = (int64_t)field.value;
			continue;
		}
		typed |= field.number == SAMPLE_TYPE;
		period_typed |= field.number == PERIOD_TYPE;
		strbuf_add(&f->rest, start, (size_t)(c.next - start));
	}
	if (!typed)
		return error_set(err, -EBADMSG, "not a pprof profile: it has no sample type");
	if (!period_typed)
		return error_set(err, -EBADMSG, "it has no period type, which Pyroscope needs");
	if (f->rest.len > WHOLE_MAX - CHUNK)
		return error_set(err, -EFBIG,
			"its names and places alone are larger than the 4 MiB of a profile");
	return 0;
}

static int inflate_all(z_stream *z, struct strbuf *out)
{
	int code = Z_OK;

	while (code == Z_OK) {
		if (out->len > PPROF_FILE_MAX)
			return -EFBIG;
		strbuf_grow(out, CHUNK);
		z->next_out = (Bytef *)out->buf + out->len;
		z->avail_out = CHUNK;
		code = inflate(z, Z_NO_FLUSH);
		strbuf_set_len(out, out->len + CHUNK - z->avail_out);
	}
	return code == Z_STREAM_END ? 0 : -EBADMSG;
}

static int gunzip(const void *data, size_t len, struct strbuf *out)
{
	z_stream z = {.next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)len};

	if (inflateInit2(&z, MAX_WBITS + GZIP_FORMAT) != Z_OK)
		return -ENOMEM;
	int r = inflate_all(&z, out);

	inflateEnd(&z);
	return r;
}

int pprof_file_parse(struct pprof_file *f, const void *data, size_t len, struct error *err)
{
	struct strbuf plain cleanup_strbuf = STRBUF_INIT;

	*f = (struct pprof_file){.rest = STRBUF_INIT, .samples = STRBUF_INIT};
	if (len < 2 || memcmp(data, "\x1f\x8b", 2) != 0)
		return read_message(f, data, len, err);
	int r = gunzip(data, len, &plain);

	if (r < 0)
		return error_set(err, r,
			r == -EFBIG ? "unpacked it has more than 256 MiB" : "it is damaged (gzip)");
	return read_message(f, plain.buf, plain.len, err);
}

bool pprof_file_next_part(struct pprof_file *f, const struct pprof_part_limits *limits,
	int64_t time_ns, struct strbuf *out)
{
	/* Large tables leave less room than usual; then the server's own limit is the one. */
	size_t max = f->rest.len * 2 > limits->bytes ? WHOLE_MAX : limits->bytes;
	size_t begin = out->len;

	f->part_value = 0;
	if (f->at == f->samples.len)
		return false;
	strbuf_add(out, f->rest.buf, f->rest.len);
	protobuf_add_uint(out, TIME, (uint64_t)time_ns);
	for (size_t n = 0; n < limits->samples && f->at < f->samples.len; n++) {
		struct cursor c = cursor_over(f->samples.buf + f->at, f->samples.len - f->at);
		struct field field;

		if (!read_field(&c, &field))
			break; /* parsed before: it cannot be */
		size_t len = f->samples.len - f->at - c.left;

		if (n && out->len - begin + len > max)
			break;
		strbuf_add(out, f->samples.buf + f->at, len);
		f->part_value += first_value(field.data, field.len);
		f->at += len;
	}
	return true;
}
