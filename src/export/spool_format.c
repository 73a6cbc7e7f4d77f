// SPDX-License-Identifier: Apache-2.0
/*
 *	header  | "dockprof spool 1" | id u64 | salt u64 |
 *	record  | mark u32 | crc u32 | type u32 | len u32 | time i64 | value u64 | payload ... |
 *
 * Numbers are little endian. The checksum is that of gzip, over salt, offset in the file, and all of the
 * record after it. A record is believed only where mark, length and checksum are right; otherwise the
 * search goes on at the next byte, so that one bad sector costs the records in it and no others.
 */
#include "export/spool_format.h"

#include <string.h>
#include <zlib.h>

#define MAGIC "dockprof spool 1"

static const uint8_t mark[4] = {0xd0, 'R', 'e', 'c'};

enum record_at { AT_CRC = 4, AT_TYPE = 8, AT_LEN = 12, AT_TIME = 16, AT_VALUE = 24 };

static void put(uint8_t *to, uint64_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		to[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get(const uint8_t *from, size_t bytes)
{
	uint64_t value = 0;

	for (size_t i = 0; i < bytes; i++)
		value |= (uint64_t)from[i] << (8 * i);
	return value;
}

void spool_header_add(struct strbuf *out, const struct spool_header *header)
{
	uint8_t bytes[16];

	put(bytes, header->id, 8);
	put(bytes + 8, header->salt, 8);
	strbuf_add(out, MAGIC, strlen(MAGIC));
	strbuf_add(out, bytes, sizeof(bytes));
}

bool spool_header_read(const void *data, size_t len, struct spool_header *ret)
{
	const uint8_t *bytes = data;

	if (len < SPOOL_HEADER_LEN || memcmp(data, MAGIC, strlen(MAGIC)) != 0)
		return false;
	ret->id = get(bytes + 16, 8);
	ret->salt = get(bytes + 24, 8);
	return true;
}

/* rest: the record after its checksum. */
static uint32_t checksum(uint64_t salt, uint64_t offset, const uint8_t *rest, const void *payload,
	size_t len)
{
	uint8_t place[16];

	put(place, salt, 8);
	put(place + 8, offset, 8);
	uLong crc = crc32(0, place, sizeof(place));

	crc = crc32(crc, rest, SPOOL_RECORD_LEN - AT_TYPE);
	return (uint32_t)(len ? crc32(crc, payload, (uInt)len) : crc);
}

void spool_record_add(struct strbuf *out, uint64_t salt, const struct spool_record *record)
{
	uint8_t bytes[SPOOL_RECORD_LEN];

	memcpy(bytes, mark, sizeof(mark));
	put(bytes + AT_TYPE, record->type, 4);
	put(bytes + AT_LEN, record->len, 4);
	put(bytes + AT_TIME, (uint64_t)record->time_ns, 8);
	put(bytes + AT_VALUE, record->value, 8);
	put(bytes + AT_CRC,
		checksum(salt, record->offset, bytes + AT_TYPE, record->payload, record->len), 4);
	strbuf_add(out, bytes, sizeof(bytes));
	strbuf_add(out, record->payload, record->len);
}

/* One that begins with data[0]; what follows it does not matter. */
static bool read_record(const uint8_t *data, size_t len, uint64_t salt, uint64_t offset,
	struct spool_record *ret)
{
	if (len < SPOOL_RECORD_LEN || memcmp(data, mark, sizeof(mark)) != 0)
		return false;
	uint64_t type = get(data + AT_TYPE, 4), payload = get(data + AT_LEN, 4);

	if (payload > SPOOL_MAX_PAYLOAD || payload > len - SPOOL_RECORD_LEN ||
		(type != SPOOL_PROFILE && type != SPOOL_SETTLED))
		return false;
	*ret = (struct spool_record){
		.type = (enum spool_record_type)type,
		.time_ns = (int64_t)get(data + AT_TIME, 8),
		.value = get(data + AT_VALUE, 8),
		.payload = data + SPOOL_RECORD_LEN,
		.len = (uint32_t)payload,
		.offset = offset,
	};
	return checksum(salt, offset, data + AT_TYPE, ret->payload, payload) ==
		get(data + AT_CRC, 4);
}

bool spool_record_is(const void *data, size_t len, uint64_t salt, uint64_t offset,
	struct spool_record *ret)
{
	return read_record(data, len, salt, offset, ret) && SPOOL_RECORD_LEN + ret->len == len;
}

bool spool_record_next(const uint8_t *data, size_t len, uint64_t salt, size_t *at,
	struct spool_record *ret, uint64_t *damaged)
{
	size_t start = *at;

	while (*at < len) {
		if (read_record(data + *at, len - *at, salt, *at, ret)) {
			*damaged += *at > start;
			*at += SPOOL_RECORD_LEN + ret->len;
			return true;
		}
		const uint8_t *next = memmem(data + *at + 1, len - *at - 1, mark, sizeof(mark));

		*at = next ? (size_t)(next - data) : len;
	}
	*damaged += len > start;
	return false;
}
