// SPDX-License-Identifier: Apache-2.0
/* A file's contents as they may be shown to anybody. */
#ifndef CONFIG_SHOW_H
#define CONFIG_SHOW_H

#include "config/tree.h"

/*
 * The tree of a whole file (NULL: an empty one) as YAML, in the order of the file: what the tables call a
 * secret, and the user and password of an URL, are "<secret>"; ${VARIABLES} stay as they are. The caller
 * frees it.
 */
char *config_show(const struct node *root);

#endif
