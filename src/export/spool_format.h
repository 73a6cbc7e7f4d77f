// SPDX-License-Identifier: Apache-2.0
/* The bytes of a spool's segment files; docs/spool.md describes them. Pure functions. */
#ifndef EXPORT_SPOOL_FORMAT_H
#define EXPORT_SPOOL_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

#define SPOOL_HEADER_LEN  32
#define SPOOL_RECORD_LEN  32 /* before the payload */
/* A push request holds one part of a profile, 1 MiB before compression, and its labels. */
#define SPOOL_MAX_PAYLOAD ((uint32_t)16 << 20)

enum spool_record_type {
	SPOOL_PROFILE = 1, /* payload: a push request; time and value are the profile's */
	SPOOL_SETTLED =
		2, /* no payload; the record at offset `value` of segment `time` is done with */
};

/* Which file this is. The salt is random and part of every checksum: bytes of another file, or of an
 * older one in the same place of the disk, are never taken for a record. */
struct spool_header {
	uint64_t id, salt;
};

struct spool_record {
	enum spool_record_type type;
	int64_t time_ns;
	uint64_t value;
	const void *payload;
	uint32_t len;
	uint64_t offset; /* of the record in its file */
};

void spool_header_add(struct strbuf *out, const struct spool_header *header);
bool spool_header_read(const void *data, size_t len, struct spool_header *ret);

/* record->offset: where the appended bytes will stand in the file. */
void spool_record_add(struct strbuf *out, uint64_t salt, const struct spool_record *record);
/*
 * The record at data[*at], or the next one after bytes that are none; *at is moved behind it, and each
 * run of such bytes is counted once in *damaged. ret->payload points into data. False at the end.
 */
bool spool_record_next(const uint8_t *data, size_t len, uint64_t salt, size_t *at,
	struct spool_record *ret, uint64_t *damaged);
/* Whether data are exactly one record, which stood at that offset of its file. */
bool spool_record_is(const void *data, size_t len, uint64_t salt, uint64_t offset,
	struct spool_record *ret);

#endif
