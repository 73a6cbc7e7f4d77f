// SPDX-License-Identifier: Apache-2.0
/* The one place with mutable global state: what is written, and how. */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "base/text.h"

#define MAX_VALUE   256
#define MAX_MESSAGE 1024

static enum log_level minimum = LOG_LEVEL_INFO;
static enum log_format style = LOG_FORMAT_LOGFMT;

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static const char *const format_names[] = {"logfmt", "json"};

void log_setup(enum log_level level, enum log_format format)
{
	minimum = level;
	style = format;
}

bool log_enabled(enum log_level level)
{
	return level >= minimum;
}

int log_level_parse(const char *name, enum log_level *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(level_names); i++) {
		if (strcmp(name, level_names[i]) == 0) {
			*ret = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

int log_format_parse(const char *name, enum log_format *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(format_names); i++) {
		if (strcmp(name, format_names[i]) == 0) {
			*ret = (enum log_format)i;
			return 0;
		}
	}
	return -EINVAL;
}

static bool bare(const char *s, size_t len)
{
	if (!len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (s[i] <= ' ' || s[i] > '~' || strchr("\"\\=", s[i]))
			return false;
	return true;
}

static void add_logfmt(struct strbuf *line, const char *key, const char *value, size_t max)
{
	size_t len = strlen(value);

	strbuf_addf(line, " %s=", key);
	if (len <= max && bare(value, len)) {
		strbuf_add(line, value, len);
		return;
	}
	strbuf_add_char(line, '"');
	text_add_safe(line, value, len, max);
	strbuf_add_char(line, '"');
}

static void add_json(struct strbuf *line, const char *key, const char *value, size_t max)
{
	struct strbuf safe cleanup_strbuf = STRBUF_INIT;

	text_add_safe(&safe, value, strlen(value), max);
	strbuf_addf(line, ",\"%s\":", key);
	text_add_json(line, safe.buf, safe.len);
}

static void add(struct strbuf *line, const char *key, const char *value, size_t max)
{
	(style == LOG_FORMAT_JSON ? add_json : add_logfmt)(line, key, value, max);
}

static void add_number(struct strbuf *line, const char *key, int64_t value)
{
	strbuf_addf(line, style == LOG_FORMAT_JSON ? ",\"%s\":%" PRId64 : " %s=%" PRId64, key,
		value);
}

static void add_timestamp(struct strbuf *line)
{
	int64_t now = clock_realtime_ns();
	time_t seconds = (time_t)(now / NSEC_PER_SEC);
	struct tm tm;
	char text[32];

	gmtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	strbuf_addf(line, style == LOG_FORMAT_JSON ? "{\"ts\":\"%s.%03dZ\"" : "ts=%s.%03dZ", text,
		(int)(now / NSEC_PER_MSEC % 1000));
}

void log_write(enum log_level level, const char *component, const char *msg,
	const struct log_field *fields)
{
	struct strbuf line cleanup_strbuf = STRBUF_INIT;

	add_timestamp(&line);
	add(&line, "level", level_names[level], MAX_VALUE);
	add(&line, "component", component, MAX_VALUE);
	add(&line, "msg", msg, MAX_MESSAGE);
	for (; fields->key; fields++) {
		if (fields->str)
			add(&line, fields->key, fields->str, MAX_VALUE);
		else
			add_number(&line, fields->key, fields->num);
	}
	strbuf_add_str(&line, style == LOG_FORMAT_JSON ? "}\n" : "\n");
	/* One write, so that lines of several processes do not mix; nothing to do where it fails. */
	ssize_t n = write(STDERR_FILENO, line.buf, line.len);
	(void)n;
}

bool log_limit_allow(struct log_limit *limit, int64_t interval_ns, uint64_t *ret_suppressed)
{
	int64_t now = clock_monotonic_ns();

	if (now < limit->next_ns) {
		limit->suppressed++;
		return false;
	}
	if (ret_suppressed)
		*ret_suppressed = limit->suppressed;
	limit->suppressed = 0;
	limit->next_ns = now + interval_ns;
	return true;
}
