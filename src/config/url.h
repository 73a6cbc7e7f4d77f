// SPDX-License-Identifier: Apache-2.0
/* Whether a text is a URL that libcurl will understand as the user does. */
#ifndef CONFIG_URL_H
#define CONFIG_URL_H

#include "base/error.h"
#include "base/macros.h"

/*
 * scheme://host[:port][/path], without user, query and fragment; schemes ends with NULL. -EINVAL
 * with what is wrong; the message shows no part of the URL, which may hold a password.
 */
int url_check(const char *url, const char *const *schemes, struct error *err) MUST_CHECK;
/* The same with user:password@ allowed before the host, in which other characters than letters may be written as %XX. */
int url_check_proxy(const char *url, const char *const *schemes, struct error *err) MUST_CHECK;

#endif
