// SPDX-License-Identifier: Apache-2.0
#include "base/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/macros.h"

static const struct {
	const char *name;
	int64_t ns;
} units[] = {
	{"y", 365 * 86400 * NSEC_PER_SEC},
	{"w", 7 * 86400 * NSEC_PER_SEC},
	{"d", 86400 * NSEC_PER_SEC},
	{"h", 3600 * NSEC_PER_SEC},
	{"m", 60 * NSEC_PER_SEC},
	{"s", NSEC_PER_SEC},
	{"ms", NSEC_PER_MSEC},
};

/* Digits at *s; 0, -EINVAL where there are none, -ERANGE. */
static int number(const char **s, int64_t *ret)
{
	const char *p = *s;
	int64_t n = 0;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *p - '0', &n))
			return -ERANGE;
	*s = p;
	*ret = n;
	return 0;
}

int duration_parse(const char *s, int64_t *ret_ns)
{
	int64_t total = 0;
	size_t from = 0;

	if (strcmp(s, "0") == 0) {
		*ret_ns = 0;
		return 0;
	}
	if (!*s)
		return -EINVAL;
	while (*s) {
		int64_t n;
		int r = number(&s, &n);

		if (r < 0)
			return r;
		size_t len = strcspn(s, "0123456789");
		size_t i = from;

		while (i < ARRAY_SIZE(units) &&
			!(strlen(units[i].name) == len && strncmp(s, units[i].name, len) == 0))
			i++;
		if (i == ARRAY_SIZE(units))
			return -EINVAL;
		if (__builtin_mul_overflow(n, units[i].ns, &n) ||
			__builtin_add_overflow(total, n, &total))
			return -ERANGE;
		from = i + 1;
		s += len;
	}
	*ret_ns = total;
	return 0;
}

void duration_add(struct strbuf *out, int64_t ns)
{
	bool any = false;

	/* Years and weeks are only shown where nothing remains, as Prometheus does. */
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		bool exact_only = i < 2;

		if (ns < units[i].ns || (exact_only && ns % units[i].ns))
			continue;
		strbuf_addf(out, "%" PRId64 "%s", ns / units[i].ns, units[i].name);
		ns %= units[i].ns;
		any = true;
	}
	if (!any)
		strbuf_add_str(out, "0s");
}

int size_parse(const char *s, uint64_t *ret_bytes)
{
	static const char prefixes[] = "KMGT";
	int64_t n;
	int r = number(&s, &n);

	if (r < 0)
		return r;
	unsigned shift = 0;
	const char *prefix = *s ? strchr(prefixes, *s) : NULL;

	if (prefix) {
		shift = 10 * (unsigned)(prefix - prefixes + 1);
		s += s[1] == 'i' ? 2 : 1;
		if (*s != 'B')
			return -EINVAL;
	}
	if (*s == 'B')
		s++;
	if (*s)
		return -EINVAL;
	if ((uint64_t)n > UINT64_MAX >> shift)
		return -ERANGE;
	*ret_bytes = (uint64_t)n << shift;
	return 0;
}

void size_add(struct strbuf *out, uint64_t bytes)
{
	static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	double value = (double)bytes;
	size_t i = 0;

	for (; value >= 1024 && i + 1 < ARRAY_SIZE(names); i++)
		value /= 1024;
	strbuf_addf(out, i ? "%.1f %s" : "%.0f %s", value, names[i]);
}
