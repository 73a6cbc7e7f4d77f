// SPDX-License-Identifier: Apache-2.0
/*
 * Writes JSON from left to right; commas come by themselves.
 *
 *	json_open(&j, NULL, '{');
 *	json_string(&j, "name", name);
 *	json_open(&j, "list", '[');  json_number(&j, NULL, 1);  json_close(&j, ']');
 *	json_close(&j, '}');
 *
 * The key is NULL in arrays. Keys and strings are repaired and escaped, "<" as well, so that the text may
 * stand in a page.
 */
#ifndef WEB_JSON_H
#define WEB_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"

/* Of one string; what a container may be called and labelled is larger. */
#define JSON_STRING_MAX 4096

struct json {
	struct strbuf *out;
	bool comma;
};

/* bracket: { or [, and } or ]. */
void json_open(struct json *j, const char *key, char bracket);
void json_close(struct json *j, char bracket);
/* Cut at JSON_STRING_MAX bytes with an ellipsis. */
void json_string(struct json *j, const char *key, const char *value);
void json_number(struct json *j, const char *key, int64_t value);
void json_double(struct json *j, const char *key, double value);
void json_bool(struct json *j, const char *key, bool value);
void json_null(struct json *j, const char *key);
/* RFC 3339 in UTC with milliseconds; Go's zero time where it is 0. */
void json_time(struct json *j, const char *key, int64_t realtime_ns);

#endif
