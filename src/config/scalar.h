// SPDX-License-Identifier: Apache-2.0
/* Single values: text -> bool, number, duration, size, choice, path. */
#ifndef CONFIG_SCALAR_H
#define CONFIG_SCALAR_H

#include <stdbool.h>

#include "base/strbuf.h"
#include "config/schema.h"

/* Checks and stores the value where the key says. */
void scalar_read(struct config_reader *r, const struct config_key *key, const struct node *value,
	void *object);
/*
 * The text of a scalar with its variables expanded; false with a problem added where there is none.
 * A null is the empty text. what: "`regex`", "a label value".
 */
bool scalar_text(struct config_reader *r, const char *what, bool secret, const struct node *value,
	struct strbuf *out);
/*
 * A list of texts -> array that the caller frees with strings_free(). *ret is NULL where the list
 * is empty or a problem was added.
 */
void scalar_list(struct config_reader *r, const char *what, bool secret, const struct node *value,
	char ***ret, size_t *ret_count);
void strings_free(char **list, size_t count);

/* Puts the file's directory before a relative path (an allocated string, replaced). */
void path_resolve(const struct config_reader *r, char **path);

/* "a whole number from 1 to 10000", "true or false": what the key takes. */
void key_add_type(struct strbuf *out, const struct config_key *key);
/* "a list", "a map", "nothing": what the node is. */
const char *node_kind_name(const struct node *node);

#endif
