// SPDX-License-Identifier: Apache-2.0
/*
 * Walks the file's own tree, with the section of each map beside it, so that what the file says is shown
 * and not what came of it (an expanded variable may be a secret). Nothing is remembered of the values.
 */
#include "config/show.h"

#include <ctype.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/text.h"
#include "config/sections.h"

#define SECRET "<secret>"

static void show(struct strbuf *out, const struct node *node, const struct config_section *section,
	bool secret, unsigned indent);

/* "http://user:pass@host" -> "http://<secret>@host" */
static void redact_url(struct strbuf *out, const char *text)
{
	const char *host = strstr(text, "://");
	size_t len = host ? strcspn(host + 3, "/?#") : 0;
	const char *at = host ? memrchr(host + 3, '@', len) : NULL;

	if (at) {
		strbuf_add(out, text, (size_t)(host + 3 - text));
		strbuf_add_str(out, SECRET);
	}
	strbuf_add_str(out, at ? at : text);
}

/* Whether YAML reads it as this very text without quotes; careful rather than pretty. */
static bool is_plain(const char *text)
{
	const char *letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_/";

	return *text && strchr(letters, *text) &&
		!text[strspn(text,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_/"
			"0123456789.-")];
}

static void show_scalar(struct strbuf *out, const struct node *node, bool secret)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;

	if (node->kind == NODE_SCALAR && secret)
		strbuf_add_str(out, SECRET);
	else if (node->kind == NODE_SCALAR) {
		redact_url(&text, node->text);
		if (!node->quoted && (is_plain(text.buf) || isdigit((unsigned char)text.buf[0])))
			strbuf_add_str(out, text.buf);
		else
			text_add_json(out, text.buf, text.len);
	}
	strbuf_add_char(out, '\n');
}

static void add_indent(struct strbuf *out, unsigned indent)
{
	for (; indent > 0; indent--)
		strbuf_add_str(out, "  ");
}

static bool holds_something(const struct node *node)
{
	return (node->kind == NODE_LIST || node->kind == NODE_MAP) && node->count;
}

static void show_value(struct strbuf *out, const struct node *value,
	const struct config_section *section, bool secret, unsigned indent)
{
	if (holds_something(value)) {
		strbuf_add_char(out, '\n');
		show(out, value, section, secret, indent);
	} else if (value->kind == NODE_LIST || value->kind == NODE_MAP) {
		strbuf_add_str(out, value->kind == NODE_LIST ? " []\n" : " {}\n");
	} else {
		strbuf_add_char(out, ' ');
		show_scalar(out, value, secret);
	}
}

static void show_entry(struct strbuf *out, const struct node *map, size_t i,
	const struct config_section *section, bool secret, unsigned indent)
{
	const struct node *name = node_key(map, i);
	const struct config_key *key =
		section && name->text ? section_find(section, name->text, NULL) : NULL;
	const struct config_section *inner = key && key->section ? key->section
		: key && key->list                               ? key->list->section
								 : NULL;

	if (name->text && is_plain(name->text))
		strbuf_add_str(out, name->text);
	else
		text_add_json(out, name->text ? name->text : "",
			name->text ? strlen(name->text) : 0);
	strbuf_add_char(out, ':');
	secret = secret ||
		(key &&
			(key->type == KEY_SECRET ||
				key->flags & (KEY_SECRET_ITEMS | KEY_SECRET_INSIDE)));
	show_value(out, node_value(map, i), inner, secret, indent + 1);
}

static void show(struct strbuf *out, const struct node *node, const struct config_section *section,
	bool secret, unsigned indent)
{
	size_t count = node->kind == NODE_MAP ? node_entries(node) : node->count;

	for (size_t i = 0; i < count; i++) {
		/* The first entry of a map in a list stands behind the dash. */
		if (i || !out->len || out->buf[out->len - 1] == '\n')
			add_indent(out, indent);
		if (node->kind == NODE_MAP) {
			show_entry(out, node, i, section, secret, indent);
			continue;
		}
		strbuf_add_str(out, "-");
		if (node->items[i]->kind == NODE_MAP && node->items[i]->count) {
			strbuf_add_char(out, ' ');
			show(out, node->items[i], section, secret, indent + 1);
		} else {
			show_value(out, node->items[i], section, secret, indent + 1);
		}
	}
}

char *config_show(const struct node *root)
{
	struct strbuf out = STRBUF_INIT;

	if (root && holds_something(root))
		show(&out, root, &root_section, false, 0);
	return strbuf_detach(&out);
}
