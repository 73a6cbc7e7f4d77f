// SPDX-License-Identifier: Apache-2.0
#include "config/expand.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"

#define NAME_FIRST "ABCDEFGHIJKLMNOPQRSTUVWXYZ_"
#define NAME_UPPER NAME_FIRST "0123456789"
#define NAME_ANY   NAME_UPPER "abcdefghijklmnopqrstuvwxyz"

static bool name_ok(const char *name)
{
	return *name && !strchr("0123456789", *name) && name[strspn(name, NAME_ANY)] == '\0';
}

static int not_set(const char *name, bool secret, struct error *err)
{
	if (secret && name[strspn(name, NAME_UPPER)])
		return error_set(err, -EINVAL,
			"an environment variable named here is not set; write $${ for a literal "
			"${");
	return error_set(err, -EINVAL,
		"the environment variable %.64s is not set; set it, or write ${%.64s:-default}",
		name, name);
}

/* text is what stands between the braces. */
static int expand_one(struct strbuf *out, const char *text, bool secret, struct error *err)
{
	const char *colon = strstr(text, ":-");
	char *name cleanup_free = xstrndup(text, colon ? (size_t)(colon - text) : strlen(text));

	if (!name_ok(name))
		return error_set(err, -EINVAL,
			"only ${NAME} and ${NAME:-default} are expanded; write $${ for a literal "
			"${");
	const char *value = getenv(name);

	if (colon && (!value || !*value))
		value = colon + 2;
	if (!value)
		return not_set(name, secret, err);
	strbuf_add_str(out, value);
	return 0;
}

int expand_env(struct strbuf *out, const char *text, bool secret, struct error *err)
{
	size_t start = out->len;

	while (*text) {
		size_t plain = strcspn(text, "$");

		strbuf_add(out, text, plain);
		text += plain;
		if (strncmp(text, "$${", 3) == 0) {
			strbuf_add_str(out, "${");
			text += 3;
		} else if (strncmp(text, "${", 2) == 0) {
			const char *end = strchr(text, '}');

			if (!end)
				return error_set(err, -EINVAL,
					"${ without }; write $${ for a literal ${");
			char *inner cleanup_free = xstrndup(text + 2, (size_t)(end - text - 2));
			int r = expand_one(out, inner, secret, err);

			if (r < 0)
				return r;
			text = end + 1;
		} else if (*text) {
			strbuf_add_char(out, *text++);
		}
		if (out->len - start > EXPAND_MAX_BYTES)
			return error_set(err, -EINVAL, "longer than %d bytes once expanded",
				EXPAND_MAX_BYTES);
	}
	return 0;
}
