// SPDX-License-Identifier: Apache-2.0
/*
 * A set of labels, sorted by name in byte order, each name once. An empty value means "no such label",
 * as in Prometheus: setting one to "" removes it. Names and values are NUL-terminated UTF-8; whoever
 * takes them from outside repairs them first (utf8_repair) and cuts NULs.
 */
#ifndef TARGET_LABELS_H
#define TARGET_LABELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct label {
	char *name;
	char *value;
};

/* Zero-initialised is an empty set. The arrays and strings belong to it. */
struct labels {
	struct label *list;
	size_t count;
	size_t capacity;
};

void labels_release(struct labels *labels);
#define cleanup_labels __attribute__((cleanup(labels_release)))

/* "" where there is none; never NULL. Valid until the set changes. */
const char *labels_get(const struct labels *labels, const char *name);
bool labels_has(const struct labels *labels, const char *name);
/* Copies both. value "" (or NULL) removes. */
void labels_set(struct labels *labels, const char *name, const char *value);
void labels_setf(struct labels *labels, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* `to` must be empty (zero-initialised or released). */
void labels_copy(struct labels *to, const struct labels *from);
bool labels_equal(const struct labels *a, const struct labels *b);
uint64_t labels_hash(const struct labels *labels);

/* [a-zA-Z_][a-zA-Z0-9_]* */
bool label_name_valid_legacy(const char *name);

#endif
