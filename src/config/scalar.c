// SPDX-License-Identifier: Apache-2.0
/*
 * The text of a scalar is expanded first and never read as YAML again: ${VAR} can give a number or
 * a text, but no list and no key. Quotes make no difference except that "" is a text and nothing is
 * not.
 */
#include "config/scalar.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "base/units.h"
#include "config/expand.h"

#define MAX_SHOWN_VALUE 60

const char *node_kind_name(const struct node *node)
{
	static const char *const names[] = {
		[NODE_NULL] = "nothing",
		[NODE_SCALAR] = "a single value",
		[NODE_LIST] = "a list",
		[NODE_MAP] = "a map",
	};

	return names[node->kind];
}

static void add_bound(struct strbuf *out, const struct config_key *key, int64_t bound)
{
	if (key->type == KEY_DURATION)
		duration_add(out, bound);
	else if (key->type == KEY_SIZE)
		size_add(out, (uint64_t)bound);
	else
		strbuf_addf(out, "%" PRId64, bound);
}

static void add_choices(struct strbuf *out, const char *const *choices)
{
	for (size_t i = 0; choices[i]; i++)
		strbuf_addf(out, "%s%s", !i ? "" : choices[i + 1] ? ", " : " or ", choices[i]);
}

void key_add_type(struct strbuf *out, const struct config_key *key)
{
	static const char *const names[] = {
		[KEY_STRING] = "a text",
		[KEY_SECRET] = "a text (secret)",
		[KEY_PATH] = "a path",
		[KEY_BOOL] = "true or false",
		[KEY_UINT] = "a whole number",
		[KEY_COUNT] = "a whole number",
		[KEY_NUMBER] = "a number",
		[KEY_SIZE] = "a size such as 64MiB",
		[KEY_DURATION] = "a duration such as 15s or 1m30s",
		[KEY_STRINGS] = "a list of texts",
		[KEY_SECTION] = "a map",
		[KEY_SECTIONS] = "a list of maps",
	};

	if (key->type == KEY_CHOICE)
		add_choices(out, key->choices);
	else if (key->type == KEY_CUSTOM)
		strbuf_add_str(out, key->type_text);
	else
		strbuf_add_str(out, names[key->type]);
	if (!key->max || key->type == KEY_CUSTOM)
		return;
	bool number = key->type == KEY_UINT || key->type == KEY_COUNT;

	strbuf_add_str(out, number ? " from " : ", from ");
	add_bound(out, key, key->min);
	strbuf_add_str(out, " to ");
	add_bound(out, key, key->max);
}

static void wrong(struct config_reader *r, const struct config_key *key, const struct node *value,
	const char *text)
{
	struct strbuf type cleanup_strbuf = STRBUF_INIT;
	struct strbuf shown cleanup_strbuf = STRBUF_INIT;

	key_add_type(&type, key);
	if (!text)
		strbuf_add_str(&shown, node_kind_name(value));
	else if (key->type == KEY_SECRET)
		strbuf_add_str(&shown, "this");
	else {
		strbuf_add_char(&shown, '"');
		text_add_safe(&shown, text, strlen(text), MAX_SHOWN_VALUE);
		strbuf_add_char(&shown, '"');
	}
	reader_problem(r, value, "`%s` takes %s, not %s", key->name, type.buf, shown.buf);
}

bool scalar_text(struct config_reader *r, const char *what, bool secret, const struct node *value,
	struct strbuf *out)
{
	struct error err = {0};

	if (value->kind == NODE_NULL)
		return true;
	if (value->kind != NODE_SCALAR) {
		reader_problem(r, value, "%s takes a text, not %s", what, node_kind_name(value));
		return false;
	}
	if (expand_env(out, value->text, secret, &err) < 0) {
		reader_problem(r, value, "%s: %s", what, err.message);
		return false;
	}
	return true;
}

static bool in_bounds(const struct config_key *key, int64_t n)
{
	return !key->max || (n >= key->min && n <= key->max);
}

static bool read_whole(const struct config_key *key, const char *text, void *where)
{
	char *end;

	errno = 0;
	unsigned long n = strtoul(text, &end, 10);

	if (errno || *end || !isdigit((unsigned char)*text) || n > UINT_MAX ||
		!in_bounds(key, (int64_t)n))
		return false;
	if (where && key->type == KEY_COUNT)
		*(size_t *)where = n;
	else if (where)
		*(unsigned *)where = (unsigned)n;
	return true;
}

static bool read_number(const char *text)
{
	char *end;
	double n = strtod(text, &end);

	return *text && !isspace((unsigned char)*text) && !*end && isfinite(n) && n >= 0;
}

static bool read_size(const struct config_key *key, const char *text, void *where)
{
	uint64_t n;

	if (size_parse(text, &n) < 0 || n > INT64_MAX || n > SIZE_MAX ||
		!in_bounds(key, (int64_t)n))
		return false;
	if (where)
		*(size_t *)where = (size_t)n;
	return true;
}

static bool read_duration(const struct config_key *key, const char *text, void *where)
{
	int64_t ns;

	if (duration_parse(text, &ns) < 0 || !in_bounds(key, ns))
		return false;
	if (where)
		*(int64_t *)where = ns;
	return true;
}

static bool read_bool(const char *text, void *where)
{
	bool yes =
		strcmp(text, "true") == 0 || strcmp(text, "True") == 0 || strcmp(text, "TRUE") == 0;
	bool no = strcmp(text, "false") == 0 || strcmp(text, "False") == 0 ||
		strcmp(text, "FALSE") == 0;

	if (where && (yes || no))
		*(bool *)where = yes;
	return yes || no;
}

static void replace_text(void *where, const char *text)
{
	char **field = where;

	if (!field)
		return;
	free(*field);
	*field = xstrdup(text);
}

static bool read_choice(const struct config_key *key, const char *text, void *where)
{
	for (int i = 0; key->choices[i]; i++) {
		if (strcmp(key->choices[i], text) != 0)
			continue;
		if (key->flags & KEY_CHOICE_IS_TEXT)
			replace_text(where, text);
		else if (where)
			*(int *)where = i;
		return true;
	}
	return false;
}

void path_resolve(const struct config_reader *r, char **path)
{
	if (!r->directory || **path == '/')
		return;
	char *relative cleanup_free = *path;

	*path = xasprintf("%s/%s", r->directory, relative);
}

static bool parse(struct config_reader *r, const struct config_key *key, const char *text,
	void *where)
{
	switch (key->type) {
	case KEY_BOOL:
		return read_bool(text, where);
	case KEY_UINT:
	case KEY_COUNT:
		return read_whole(key, text, where);
	case KEY_NUMBER:
		return read_number(text);
	case KEY_SIZE:
		return read_size(key, text, where);
	case KEY_DURATION:
		return read_duration(key, text, where);
	case KEY_CHOICE:
		return read_choice(key, text, where);
	case KEY_PATH:
		replace_text(where, text);
		if (where)
			path_resolve(r, where);
		return true;
	default:
		replace_text(where, text);
		return true;
	}
}

static bool same_value(const struct config_key *key, const char *a, const char *b)
{
	if (key->type == KEY_BOOL)
		return (*a | ' ') == (*b | ' ');
	if (key->type == KEY_NUMBER)
		return strtod(a, NULL) == strtod(b, NULL);
	return strcmp(a, b) == 0;
}

void scalar_read(struct config_reader *r, const struct config_key *key, const struct node *value,
	void *object)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;
	struct error err = {0};
	void *where = key->offset == KEY_NOWHERE ? NULL : (char *)object + key->offset;

	if (value->kind != NODE_SCALAR) {
		wrong(r, key, value, NULL);
		return;
	}
	if (key->flags & KEY_NO_ENV)
		strbuf_add_str(&text, value->text);
	else if (expand_env(&text, value->text, key->type == KEY_SECRET, &err) < 0) {
		reader_problem(r, value, "`%s`: %s", key->name, err.message);
		return;
	}
	bool is_text = key->type == KEY_STRING || key->type == KEY_SECRET || key->type == KEY_PATH;

	if (is_text && !text.len && !(key->flags & KEY_MAY_BE_EMPTY))
		reader_problem(r, value, "`%s` is empty; write a value or remove the line",
			key->name);
	else if (!parse(r, key, text.buf, where))
		wrong(r, key, value, text.buf);
	else if (key->only && !same_value(key, text.buf, key->only))
		reader_problem(r, value, "`%s: %s` is not supported: %s", key->name, text.buf,
			key->why);
}

void scalar_list(struct config_reader *r, const char *what, bool secret, const struct node *value,
	char ***ret, size_t *ret_count)
{
	*ret = NULL;
	*ret_count = 0;
	if (!expect_list(r, what, value) || !value->count)
		return;
	char **list = xcalloc(value->count, sizeof(char *));
	size_t good = 0;

	for (size_t i = 0; i < value->count; i++) {
		struct strbuf text cleanup_strbuf = STRBUF_INIT;

		if (scalar_text(r, what, secret, value->items[i], &text))
			list[good++] = strbuf_detach(&text);
	}
	if (good < value->count) {
		strings_free(list, good);
		return;
	}
	*ret = list;
	*ret_count = good;
}

void strings_free(char **list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(list[i]);
	free(list);
}
