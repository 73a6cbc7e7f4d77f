// SPDX-License-Identifier: Apache-2.0
#include "web/json.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/utf8.h"

#define ELLIPSIS "\xe2\x80\xa6"

static void add_text(struct strbuf *out, const char *s, size_t len)
{
	size_t start = out->len;

	text_add_json(out, s, len);
	/* "</script>" must not end a script. Rare, so it is put right afterwards. */
	for (const char *lt; (lt = memchr(out->buf + start, '<', out->len - start));) {
		size_t i = (size_t)(lt - out->buf);

		strbuf_grow(out, 5);
		memmove(out->buf + i + 6, out->buf + i + 1, out->len - i);
		memcpy(out->buf + i, "\\u003c", 6);
		strbuf_set_len(out, out->len + 5);
		start = i + 6;
	}
}

static void add_cut(struct strbuf *out, const char *s)
{
	size_t len = strlen(s);

	if (len <= JSON_STRING_MAX) {
		add_text(out, s, len);
		return;
	}
	add_text(out, s, utf8_cut(s, len, JSON_STRING_MAX));
	strbuf_set_len(out, out->len - 1);
	strbuf_add_str(out, ELLIPSIS "\"");
}

static void begin(struct json *j, const char *key)
{
	if (j->comma)
		strbuf_add_char(j->out, ',');
	j->comma = true;
	if (!key)
		return;
	add_cut(j->out, key); /* relabeling makes names of labels that have to be escaped */
	strbuf_add_char(j->out, ':');
}

void json_open(struct json *j, const char *key, char bracket)
{
	begin(j, key);
	strbuf_add_char(j->out, bracket);
	j->comma = false;
}

void json_close(struct json *j, char bracket)
{
	strbuf_add_char(j->out, bracket);
	j->comma = true;
}

void json_string(struct json *j, const char *key, const char *value)
{
	begin(j, key);
	add_cut(j->out, value);
}

void json_number(struct json *j, const char *key, int64_t value)
{
	begin(j, key);
	strbuf_addf(j->out, "%" PRId64, value);
}

void json_double(struct json *j, const char *key, double value)
{
	begin(j, key);
	if (isfinite(value))
		strbuf_addf(j->out, "%.6g", value);
	else
		strbuf_add_str(j->out, "null");
}

void json_bool(struct json *j, const char *key, bool value)
{
	begin(j, key);
	strbuf_add_str(j->out, value ? "true" : "false");
}

void json_null(struct json *j, const char *key)
{
	begin(j, key);
	strbuf_add_str(j->out, "null");
}

void json_time(struct json *j, const char *key, int64_t realtime_ns)
{
	time_t seconds = (time_t)(realtime_ns / NSEC_PER_SEC);
	struct tm tm = {0};
	char text[32];

	if (!realtime_ns) {
		json_string(j, key, "0001-01-01T00:00:00Z");
		return;
	}
	gmtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	begin(j, key);
	strbuf_addf(j->out, "\"%s.%03dZ\"", text,
		(int)(realtime_ns % NSEC_PER_SEC / NSEC_PER_MSEC));
}
