// SPDX-License-Identifier: Apache-2.0
/*
 * The agent's log: one line per event on stderr, logfmt or JSON, safe whatever the values hold.
 *
 *	log_info("docker", "connected", LOG_STR("host", host), LOG_STR("api", version));
 *	-> ts=2026-01-02T03:04:05.678Z level=info component=docker msg="connected" host=... api=1.41
 *
 * Only the hallway (src/ *.c) logs at info and above; rooms return errors and may log at debug.
 * What a profiled workload can trigger at will is counted and at most logged at debug.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

struct log_field {
	const char *key; /* NULL ends the list */
	const char *str; /* NULL: num is the value */
	int64_t num;
};

#define LOG_STR(k, v)                                                                              \
	{                                                                                          \
		.key = (k), .str = (v)                                                             \
	}
#define LOG_INT(k, v)                                                                              \
	{                                                                                          \
		.key = (k), .num = (int64_t)(v)                                                    \
	}

void log_setup(enum log_level level, enum log_format format);
bool log_enabled(enum log_level level);
/* Names as the command line has them: debug, info, warn, error; logfmt, json. 0 or -EINVAL. */
int log_level_parse(const char *name, enum log_level *ret);
int log_format_parse(const char *name, enum log_format *ret);

/* Values are escaped and cut at 256 bytes, the message at 1024. */
void log_write(enum log_level level, const char *component, const char *msg,
	const struct log_field *fields);

#define LOG_FIELDS(...) ((const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){.key = NULL}})
#define log_at(level, component, msg, ...)                                                         \
	do {                                                                                       \
		if (log_enabled(level))                                                            \
			log_write(level, component, msg, LOG_FIELDS(__VA_ARGS__));                 \
	} while (0)
#define log_debug(component, msg, ...)                                                             \
	log_at(LOG_LEVEL_DEBUG, component, msg __VA_OPT__(, ) __VA_ARGS__)
#define log_info(component, msg, ...)                                                              \
	log_at(LOG_LEVEL_INFO, component, msg __VA_OPT__(, ) __VA_ARGS__)
#define log_warn(component, msg, ...)                                                              \
	log_at(LOG_LEVEL_WARN, component, msg __VA_OPT__(, ) __VA_ARGS__)
#define log_error(component, msg, ...)                                                             \
	log_at(LOG_LEVEL_ERROR, component, msg __VA_OPT__(, ) __VA_ARGS__)

/* Lets one line through per interval and counts the others. Zero-initialised; embed it anywhere. */
struct log_limit {
	int64_t next_ns; /* CLOCK_MONOTONIC */
	uint64_t suppressed;
};

/* True: log now, and *ret_suppressed (may be NULL) lines were held back since the last time. */
bool log_limit_allow(struct log_limit *limit, int64_t interval_ns, uint64_t *ret_suppressed);

#endif
