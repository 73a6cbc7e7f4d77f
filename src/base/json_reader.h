// SPDX-License-Identifier: Apache-2.0
/*
 * JSON as it streams in, value by value, in bounded memory: whatever the peer sends, no more than the
 * keys above the current value and one string are held. Several values may follow one another, as
 * events do.
 *
 * Where we are is told by a path: one element for each enclosing array or object.
 *
 *	[ {"Id": "4f0c", "HostConfig": {"NetworkMode": "host"}, "Names": ["/web"]} ]
 *	         [].Id                  [].HostConfig.NetworkMode         [].Names.[]
 */
#ifndef BASE_JSON_READER_H
#define BASE_JSON_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "base/strbuf.h"

/* What is read nests at most 8 deep. */
#define JSON_MAX_DEPTH  32
/* Raw bytes of a string; what is beyond is skipped and the value marked `cut`. */
#define JSON_MAX_STRING 65536

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING };

struct json_value {
	enum json_type type;
	bool truth; /* JSON_BOOL */
	bool cut; /* JSON_STRING: longer than JSON_MAX_STRING */
	/* JSON_STRING: valid UTF-8 without NULs (both became U+FFFD); JSON_NUMBER: its digits; else
	 * "". NUL-terminated, valid during the callback. */
	const char *text;
};

struct json;

/* Each returns 0, or -errno to stop; NULL: not wanted. */
struct json_ops {
	int (*value)(void *ctx, const struct json *j, const struct json_value *v);
	/* An object or array begins or has ended; the path is that of itself. */
	int (*begin)(void *ctx, const struct json *j);
	int (*end)(void *ctx, const struct json *j);
};

/* ctx and ops must outlive it. */
struct json *json_new(const struct json_ops *ops, void *ctx);
void json_free(struct json *j);
/* 0; -EBADMSG where it is no JSON or nested too deep; or what a callback returned. Then it is over. */
int json_feed(struct json *j, const char *data, size_t len) MUST_CHECK;
/* At the end of the data: -EBADMSG where it ends within a value. */
int json_finish(struct json *j) MUST_CHECK;

/* Elements of the path of the current value; 0: it stands alone. */
size_t json_depth(const struct json *j);
/*
 * Whether the path of the current value is `path`: elements divided by dots; "[]" is an array's, "*"
 * any key. "" is the path of a value that stands alone.
 */
bool json_at(const struct json *j, const char *path);
/* The key of the given level, 0 the outermost; "" for an array's. Repaired as strings are. */
const char *json_key(const struct json *j, size_t level);
/* The same for the current value. */
const char *json_last_key(const struct json *j);
/* Whether some key on the path was cut: the value is then nobody's. */
bool json_key_cut(const struct json *j);

/* The number as an unsigned, 0 where it is none or above max. */
uint32_t json_value_number(const struct json_value *v, uint32_t max);

#endif
