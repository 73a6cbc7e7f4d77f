// SPDX-License-Identifier: Apache-2.0
/* ${VAR} and ${VAR:-default} in values. */
#ifndef CONFIG_EXPAND_H
#define CONFIG_EXPAND_H

#include <stdbool.h>

#include "base/error.h"
#include "base/macros.h"
#include "base/strbuf.h"

#define EXPAND_MAX_BYTES 65536 /* of one value; more is no value of any key */

/*
 * Appends `text` with environment variables in place of their names. ${VAR} must be set (it may be
 * empty); ${VAR:-default} takes the default (everything up to the next brace) where VAR is not set
 * or empty; $${ is a literal ${; any other $ stays. What was put in is not looked at again. -EINVAL
 * with a message that shows nothing of `text` but the variable's name, and where `secret` only such
 * names as [A-Z0-9_]+, because anything else may be part of a password.
 */
int expand_env(struct strbuf *out, const char *text, bool secret, struct error *err) MUST_CHECK;

#endif
