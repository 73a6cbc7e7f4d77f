// SPDX-License-Identifier: Apache-2.0
#include "docker/filters.h"

#include <string.h>

#include "base/text.h"
#include "http/http.h"

static void add_value(struct strbuf *json, const char *value)
{
	if (json->buf[json->len - 1] != '{')
		strbuf_add_char(json, ',');
	text_add_json(json, value, strlen(value));
	strbuf_add_str(json, ":true");
}

static void begin_name(struct strbuf *json, const char *name)
{
	strbuf_add_char(json, json->len > 0 ? ',' : '{');
	text_add_json(json, name, strlen(name));
	strbuf_add_str(json, ":{");
}

static bool is_first_of_name(struct filters user, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (!strcmp(user.list[j].name, user.list[i].name))
			return false;
	return true;
}

static void add_user(struct strbuf *json, struct filters user)
{
	for (size_t i = 0; i < user.count; i++) {
		if (!is_first_of_name(user, i))
			continue;
		begin_name(json, user.list[i].name);
		for (size_t j = i; j < user.count; j++) {
			const struct docker_filter *f = &user.list[j];

			for (size_t k = 0;
				!strcmp(f->name, user.list[i].name) && k < f->value_count; k++)
				add_value(json, f->values[k]);
		}
		strbuf_add_char(json, '}');
	}
}

void filters_add_query(struct strbuf *out, struct filters user, const char *name,
	const char *const *values, size_t value_count)
{
	struct strbuf json cleanup_strbuf = STRBUF_INIT;

	add_user(&json, user);
	if (name) {
		begin_name(&json, name);
		for (size_t i = 0; i < value_count; i++)
			add_value(&json, values[i]);
		strbuf_add_char(&json, '}');
	}
	if (json.len == 0)
		return;
	strbuf_add_char(&json, '}');
	strbuf_add_str(out, "filters=");
	http_escape(out, json.buf);
}

bool filters_have(struct filters user, const char *name)
{
	for (size_t i = 0; i < user.count; i++)
		if (!strcmp(user.list[i].name, name))
			return true;
	return false;
}

/* "key" or "key=value"; the engine wants all of several label filters to hold. */
static bool label_matches(const char *wanted, const struct pairs *labels)
{
	const char *equals = strchr(wanted, '=');
	size_t len = equals ? (size_t)(equals - wanted) : strlen(wanted);

	for (size_t i = 0; i < labels->count; i++) {
		const struct pair *p = &labels->list[i];

		if (strlen(p->key) == len && !memcmp(p->key, wanted, len))
			return !equals || !strcmp(p->value, equals + 1);
	}
	return false;
}

bool filters_match_labels(struct filters user, const struct pairs *labels)
{
	for (size_t i = 0; i < user.count; i++) {
		const struct docker_filter *f = &user.list[i];

		if (strcmp(f->name, "label"))
			return false;
		for (size_t k = 0; k < f->value_count; k++)
			if (!label_matches(f->values[k], labels))
				return false;
	}
	return true;
}
