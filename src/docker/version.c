// SPDX-License-Identifier: Apache-2.0
#include "docker/version.h"

#include <stdio.h>
#include <string.h>

#define MAX_PART 999

/* Digits at *s, at most MAX_PART; moves *s behind them. */
static bool read_part(const char **s, unsigned *ret)
{
	const char *start = *s;

	*ret = 0;
	while (**s >= '0' && **s <= '9') {
		*ret = *ret * 10 + (unsigned)(**s - '0');
		if (*ret > MAX_PART)
			return false;
		(*s)++;
	}
	return *s > start;
}

static bool read_version(const char **s, unsigned *ret)
{
	unsigned major, minor;

	if (!read_part(s, &major) || **s != '.')
		return false;
	(*s)++;
	if (!read_part(s, &minor) || major == 0)
		return false;
	*ret = major * (MAX_PART + 1) + minor;
	return true;
}

bool docker_version_parse(const char *text, unsigned *ret)
{
	return read_version(&text, ret) && !*text;
}

void docker_version_format(unsigned version, char *ret, size_t size)
{
	snprintf(ret, size, "%u.%u", version / (MAX_PART + 1), version % (MAX_PART + 1));
}

bool docker_version_wanted(const char *message, unsigned *ret)
{
	const char *at = strstr(message, "supported API version is ");

	if (!at || (!strstr(message, "too new") && !strstr(message, "too old")))
		return false;
	at += strlen("supported API version is ");
	return read_version(&at, ret);
}
