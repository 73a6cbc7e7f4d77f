// SPDX-License-Identifier: Apache-2.0
#include "config/url.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"

#define HOST_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._"

static const char *after_scheme(const char *url, const char *const *schemes)
{
	for (size_t i = 0; schemes[i]; i++) {
		size_t n = strlen(schemes[i]);

		if (strncasecmp(url, schemes[i], n) == 0 && strncmp(url + n, "://", 3) == 0)
			return url + n + 3;
	}
	return NULL;
}

static int bad_scheme(const char *const *schemes, struct error *err)
{
	struct strbuf names cleanup_strbuf = STRBUF_INIT;

	for (size_t i = 0; schemes[i]; i++)
		strbuf_addf(&names, "%s%s://",
			!i                       ? ""
				: schemes[i + 1] ? ", "
						 : " or ",
			schemes[i]);
	return error_set(err, -EINVAL, "a URL starts with %s", names.buf);
}

static bool port_ok(const char *s, size_t len)
{
	unsigned long n = 0;

	if (!len || len > 5)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!isdigit((unsigned char)s[i]))
			return false;
		n = 10 * n + (unsigned long)(s[i] - '0');
	}
	return n >= 1 && n <= 65535;
}

/* s[0..len) is host[:port] or [IPv6][:port]. */
static int check_authority(const char *s, size_t len, struct error *err)
{
	size_t host;

	if (len && *s == '[') {
		host = strspn(s + 1, "0123456789abcdefABCDEF:.%") + 1;
		if (host == 1 || host >= len || s[host] != ']')
			return error_set(err, -EINVAL, "an IPv6 address looks like [::1]");
		host++;
	} else {
		host = strspn(s, HOST_CHARS);
		if (!host)
			return error_set(err, -EINVAL, "the host name is missing");
	}
	if (host < len && s[host] != ':')
		return error_set(err, -EINVAL, "the host name has a character that none can have");
	if (host < len && !port_ok(s + host + 1, len - host - 1))
		return error_set(err, -EINVAL, "the port must be a number from 1 to 65535");
	return 0;
}

/* Skips user[:password]@ at *s, of *len. */
static int skip_user(const char **s, size_t *len, struct error *err)
{
	const char *at = memchr(*s, '@', *len);

	if (!at)
		return 0;
	*len -= (size_t)(at + 1 - *s);
	*s = at + 1;
	return memchr(*s, '@', *len)
		? error_set(err, -EINVAL,
			  "only one @ can be there; write %%40 for that of a password")
		: 0;
}

static int check(const char *url, const char *const *schemes, bool with_user, struct error *err)
{
	const char *rest = after_scheme(url, schemes);

	if (!rest)
		return bad_scheme(schemes, err);
	for (const char *p = url; *p; p++)
		if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f)
			return error_set(err, -EINVAL,
				"a URL has no blanks and only ASCII; write others as %%XX");
	if (strpbrk(rest, "?#"))
		return error_set(err, -EINVAL, "a base URL has no query (?) and no fragment (#)");
	size_t len = strcspn(rest, "/");
	int r = 0;

	if (with_user)
		r = skip_user(&rest, &len, err);
	else if (memchr(rest, '@', len))
		r = error_set(err, -EINVAL,
			"a user or password in a URL shows up in logs; write basic_auth instead");
	return r < 0 ? r : check_authority(rest, len, err);
}

int url_check(const char *url, const char *const *schemes, struct error *err)
{
	return check(url, schemes, false, err);
}

int url_check_proxy(const char *url, const char *const *schemes, struct error *err)
{
	return check(url, schemes, true, err);
}
