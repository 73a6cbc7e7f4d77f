// SPDX-License-Identifier: Apache-2.0
/*
 * What keys a section of the file has, as tables: name, type, default, where the value goes, what
 * it means. Reading, checking, suggestions and the reference (dockprof.yml(5)) all come from them.
 */
#ifndef CONFIG_SCHEMA_H
#define CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "config/tree.h"

/* The C type that a value of each kind is stored as stands behind it. */
enum key_type {
	KEY_STRING, /* char *, allocated; an empty text is an error unless KEY_MAY_BE_EMPTY */
	KEY_SECRET, /* char *; never shown in a message */
	KEY_PATH, /* char *; relative ones start at the file's directory */
	KEY_BOOL, /* bool */
	KEY_UINT, /* unsigned */
	KEY_COUNT, /* size_t */
	KEY_NUMBER, /* not stored */
	KEY_SIZE, /* size_t */
	KEY_DURATION, /* int64_t, ns */
	KEY_CHOICE, /* an enum (int); the value is the index in `choices` */
	KEY_STRINGS, /* a list: char ** at `offset`, size_t at `count_offset` */
	KEY_SECTION, /* a map of keys, read into the same object at `offset` */
	KEY_SECTIONS, /* a list of such maps: array at `offset`, size_t at `count_offset` */
	KEY_INLINE, /* not a key: those of `section` are part of this one, at `offset` */
	KEY_CUSTOM, /* whatever read() makes of it */
	KEY_REFUSED, /* an error; `why` says what to write instead */
};

enum key_flags {
	KEY_REQUIRED = 1 << 0,
	KEY_MAY_BE_EMPTY = 1 << 1,
	KEY_NO_ENV = 1 << 2, /* ${...} is part of the value */
	KEY_CHOICE_IS_TEXT = 1 << 3, /* a KEY_CHOICE stored as char *: the chosen word */
	KEY_SECRET_ITEMS = 1 << 4, /* of KEY_STRINGS */
	KEY_PATH_ITEMS = 1 << 5,
	KEY_ALIAS = 1 << 6, /* another name of a key; not offered as advice */
	KEY_SECRET_INSIDE = 1 << 7, /* of KEY_CUSTOM: no text beneath it is shown */
};

#define KEY_NOWHERE SIZE_MAX /* offset: the value is checked and not stored */

struct config_key;
struct config_reader;

struct config_section {
	const char *name; /* for messages and the reference */
	const char *help; /* one paragraph */
	const struct config_key *keys; /* ends with a name of NULL */
	/* After the keys: what concerns several of them. Also called where it is inline. May be
	 * NULL. */
	void (*check)(struct config_reader *r, const struct node *map, void *object);
};

struct list_type {
	const struct config_section *section;
	size_t item_size;
	void (*init)(void *item);
};

struct config_key {
	const char *name;
	enum key_type type;
	unsigned flags;
	size_t offset, count_offset;
	const char *def; /* the default as one would write it; NULL: none */
	const char *help; /* one sentence or two; of KEY_REFUSED: what to write instead */
	int64_t min, max; /* UINT, SIZE, DURATION (ns); max 0: no bounds but those of the type */
	const char *const *choices; /* ends with NULL */
	const struct config_section *section; /* SECTION, INLINE */
	const struct list_type *list; /* SECTIONS */
	const char *type_text; /* CUSTOM: for the reference */
	void (*read)(struct config_reader *r, const struct config_key *key,
		const struct node *value, void *object);
	/* Of BOOL, NUMBER, STRINGS, where set: any value but this one is an error, "not supported:" and
	 * `why`. */
	const char *only;
	const char *why;
};

/* Where the values of one file go through. */
struct config_reader {
	struct config_problems *problems;
	/* Of the file, without the last slash, for relative paths; NULL: they stay as they are. */
	const char *directory;
};

/* Adds a problem at the node. */
void reader_problem(struct config_reader *r, const struct node *at, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

/* Reads a map into an initialised object. A NODE_NULL is an empty section. */
void section_read(struct config_reader *r, const struct config_section *section,
	const struct node *map, void *object);
/* Reads a list of maps; key->list says of what. */
void sections_read(struct config_reader *r, const struct config_key *key, const struct node *value,
	void *object);
/* Whether it is one; false with a problem added, or without where it is NODE_NULL (an empty one).
 */
bool expect_map(struct config_reader *r, const char *what, const struct node *value);
bool expect_list(struct config_reader *r, const char *what, const struct node *value);
/* The same for one in a list, where nothing is a mistake too. */
bool expect_item(struct config_reader *r, const char *what, const struct node *item);
/* The section's key, also of those that are inline; *ret_base (may be NULL) gets their offset. */
const struct config_key *section_find(const struct config_section *section, const char *name,
	size_t *ret_base);

#endif
