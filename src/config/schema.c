// SPDX-License-Identifier: Apache-2.0
/*
 * A map of the file against the table of its section. Each key of the file is looked up in the
 * table (not the other way round), so that unknown and repeated ones are found; then missing ones;
 * then check() sees the object as a whole. Nothing stops at the first mistake.
 */
#include "config/schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "config/problems.h"
#include "config/scalar.h"
#include "config/suggest.h"

#define MAX_SHOWN_KEY   64
#define FEW_ENOUGH_KEYS 12 /* to name them all in a message */

void reader_problem(struct config_reader *r, const struct node *at, const char *fmt, ...)
{
	char message[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	problem_add(r->problems, at->line, at->column, "%s", message);
}

const struct config_key *section_find(const struct config_section *section, const char *name,
	size_t *ret_base)
{
	for (const struct config_key *k = section->keys; k->name; k++) {
		if (k->type == KEY_INLINE) {
			const struct config_key *found = section_find(k->section, name, ret_base);

			if (found && ret_base)
				*ret_base += k->offset;
			if (found)
				return found;
		} else if (strcmp(k->name, name) == 0) {
			if (ret_base)
				*ret_base = 0;
			return k;
		}
	}
	return NULL;
}

/* The closest name within `*limit`, which shrinks; keys that are refused are no advice. */
static void closest(const struct config_section *section, const char *name, size_t *limit,
	const char **ret)
{
	for (const struct config_key *k = section->keys; k->name; k++) {
		if (k->type == KEY_INLINE) {
			closest(k->section, name, limit, ret);
			continue;
		}
		size_t distance = edit_distance(name, k->name, *limit);

		if (k->type == KEY_REFUSED || (k->flags & KEY_ALIAS) || distance > *limit ||
			(*ret && distance == *limit))
			continue;
		*limit = distance;
		*ret = k->name;
	}
}

static size_t add_names(struct strbuf *out, const struct config_section *section)
{
	size_t count = 0;

	for (const struct config_key *k = section->keys; k->name; k++) {
		if (k->type == KEY_INLINE) {
			count += add_names(out, k->section);
		} else if (k->type != KEY_REFUSED && !(k->flags & KEY_ALIAS)) {
			strbuf_addf(out, "%s`%s`", out->len ? ", " : "", k->name);
			count++;
		}
	}
	return count;
}

static void unknown_key(struct config_reader *r, const struct config_section *section,
	const struct node *key)
{
	struct strbuf shown cleanup_strbuf = STRBUF_INIT;
	struct strbuf names cleanup_strbuf = STRBUF_INIT;
	size_t limit = suggest_limit(key->text);
	const char *best = NULL;

	text_add_safe(&shown, key->text, strlen(key->text), MAX_SHOWN_KEY);
	closest(section, key->text, &limit, &best);
	if (best)
		reader_problem(r, key, "unknown key `%s` in %s; did you mean `%s`?", shown.buf,
			section->name, best);
	else if (add_names(&names, section) <= FEW_ENOUGH_KEYS)
		reader_problem(r, key, "unknown key `%s` in %s; it has %s", shown.buf,
			section->name, names.buf);
	else
		reader_problem(r, key, "unknown key `%s` in %s; dockprof.yml(5) lists its keys",
			shown.buf, section->name);
}

static int compare_keys(const void *a, const void *b)
{
	const struct node *x = *(const struct node *const *)a;
	const struct node *y = *(const struct node *const *)b;
	int order = strcmp(x->text, y->text);

	if (order)
		return order;
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->column < y->column ? -1 : x->column > y->column;
}

static void check_duplicates(struct config_reader *r, const struct node *map)
{
	size_t count = node_entries(map);

	if (count < 2)
		return;
	const struct node **keys cleanup_free = xreallocarray(NULL, count, sizeof(*keys));

	for (size_t i = 0; i < count; i++)
		keys[i] = node_key(map, i);
	qsort(keys, count, sizeof(*keys), compare_keys);
	for (size_t i = 1; i < count; i++) {
		struct strbuf shown cleanup_strbuf = STRBUF_INIT;

		if (strcmp(keys[i - 1]->text, keys[i]->text) != 0)
			continue;
		text_add_safe(&shown, keys[i]->text, strlen(keys[i]->text), MAX_SHOWN_KEY);
		reader_problem(r, keys[i], "`%s` is written twice, first in line %u; keep one",
			shown.buf, keys[i - 1]->line);
	}
}

bool expect_map(struct config_reader *r, const char *what, const struct node *value)
{
	if (value->kind == NODE_MAP) {
		check_duplicates(r, value);
		return true;
	}
	if (value->kind != NODE_NULL)
		reader_problem(r, value, "%s takes a map (lines of `key: value`), not %s", what,
			node_kind_name(value));
	return false;
}

bool expect_item(struct config_reader *r, const char *what, const struct node *item)
{
	if (item->kind == NODE_NULL)
		reader_problem(r, item, "an empty item in %s; remove the -", what);
	else if (item->kind != NODE_MAP)
		reader_problem(r, item, "an item of %s is a map (- key: value), not %s", what,
			node_kind_name(item));
	return item->kind == NODE_MAP;
}

bool expect_list(struct config_reader *r, const char *what, const struct node *value)
{
	if (value->kind == NODE_LIST)
		return true;
	if (value->kind != NODE_NULL)
		reader_problem(r, value, "%s takes a list (lines that begin with `- `), not %s",
			what, node_kind_name(value));
	return false;
}

static void read_strings(struct config_reader *r, const struct config_key *key,
	const struct node *value, char *object)
{
	struct strbuf what cleanup_strbuf = STRBUF_INIT;
	char **list;
	size_t count;

	strbuf_addf(&what, "`%s`", key->name);
	scalar_list(r, what.buf, key->flags & KEY_SECRET_ITEMS, value, &list, &count);
	if (count && key->only)
		reader_problem(r, value, "`%s` is not supported: %s", key->name, key->why);
	char ***field =
		key->offset == KEY_NOWHERE ? NULL : (char ***)(void *)(object + key->offset);

	if (!field || *field) {
		strings_free(list, count);
		return;
	}
	for (size_t i = 0; i < count && (key->flags & KEY_PATH_ITEMS); i++)
		path_resolve(r, &list[i]);
	*field = list;
	*(size_t *)(void *)(object + key->count_offset) = count;
}

static void read_key(struct config_reader *r, const struct config_key *key,
	const struct node *key_node, const struct node *value, char *object)
{
	switch (key->type) {
	case KEY_REFUSED:
		reader_problem(r, key_node, "`%s` is not supported: %s", key->name, key->help);
		break;
	case KEY_STRINGS:
		read_strings(r, key, value, object);
		break;
	case KEY_SECTION:
		section_read(r, key->section, value, object + key->offset);
		break;
	case KEY_SECTIONS:
		sections_read(r, key, value, object);
		break;
	case KEY_CUSTOM:
		key->read(r, key, value, object);
		break;
	default:
		scalar_read(r, key, value, object);
	}
}

static void check_missing(struct config_reader *r, const struct config_section *section,
	const struct node *map)
{
	for (const struct config_key *k = section->keys; k->name; k++)
		if ((k->flags & KEY_REQUIRED) && !node_get(map, k->name))
			reader_problem(r, map, "`%s` is missing in %s: %s", k->name, section->name,
				k->help);
}

static void run_checks(struct config_reader *r, const struct config_section *section,
	const struct node *map, char *object)
{
	if (section->check)
		section->check(r, map, object);
	for (const struct config_key *k = section->keys; k->name; k++)
		if (k->type == KEY_INLINE)
			run_checks(r, k->section, map, object + k->offset);
}

void section_read(struct config_reader *r, const struct config_section *section,
	const struct node *map, void *object)
{
	if (!expect_map(r, section->name, map) && map->kind != NODE_NULL)
		return;
	for (size_t i = 0; i < node_entries(map); i++) {
		const struct node *key_node = node_key(map, i);
		size_t base = 0;
		const struct config_key *key = section_find(section, key_node->text, &base);

		if (key)
			read_key(r, key, key_node, node_value(map, i), (char *)object + base);
		else
			unknown_key(r, section, key_node);
	}
	check_missing(r, section, map);
	run_checks(r, section, map, object);
}

void sections_read(struct config_reader *r, const struct config_key *key, const struct node *value,
	void *object)
{
	const struct list_type *list = key->list;
	char **items = (char **)((char *)object + key->offset);
	size_t *count = (size_t *)(void *)((char *)object + key->count_offset);
	struct strbuf what cleanup_strbuf = STRBUF_INIT;

	strbuf_addf(&what, "`%s`", key->name);
	/* A key written twice has been reported; the first list stays. */
	if (!expect_list(r, what.buf, value) || *count || !value->count)
		return;
	*items = xcalloc(value->count, list->item_size);
	*count = value->count;
	for (size_t i = 0; i < value->count; i++) {
		char *item = *items + i * list->item_size;

		list->init(item);
		if (expect_item(r, what.buf, value->items[i]))
			section_read(r, list->section, value->items[i], item);
	}
}
