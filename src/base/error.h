// SPDX-License-Identifier: Apache-2.0
/*
 * What went wrong, in words for a person. A value on the caller's stack: nothing to release.
 *
 *	struct error err = {0};
 *	if (config_load(path, &config, &err) < 0)
 *		log_error("config", "msg", err.message);
 *
 * Functions that take `struct error *err` leave it untouched on success and accept NULL.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "base/macros.h"

struct error {
	int code; /* negative errno */
	char message[512]; /* one line, no final newline; longer texts are cut */
};

/* Stores code (negative errno) and message; returns code, so `return error_set(...)` is one line. */
int error_set(struct error *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Puts "prefix: " before the message that is there. Does nothing for NULL. */
void error_prefix(struct error *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Like error_set() with ": strerror(-code)" after the message. */
int error_set_errno(struct error *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
