// SPDX-License-Identifier: Apache-2.0
#include "target/labels.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/hash.h"

void labels_release(struct labels *labels)
{
	for (size_t i = 0; i < labels->count; i++) {
		free(labels->list[i].name);
		free(labels->list[i].value);
	}
	free(labels->list);
	*labels = (struct labels){0};
}

/* The index of `name`, or where it would be inserted. */
static size_t position(const struct labels *labels, const char *name, bool *ret_found)
{
	size_t lo = 0, hi = labels->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int order = strcmp(labels->list[mid].name, name);

		if (order == 0) {
			*ret_found = true;
			return mid;
		}
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*ret_found = false;
	return lo;
}

const char *labels_get(const struct labels *labels, const char *name)
{
	bool found;
	size_t i = position(labels, name, &found);

	return found ? labels->list[i].value : "";
}

bool labels_has(const struct labels *labels, const char *name)
{
	bool found;

	position(labels, name, &found);
	return found;
}

static void remove_at(struct labels *labels, size_t i)
{
	free(labels->list[i].name);
	free(labels->list[i].value);
	labels->count--;
	memmove(&labels->list[i], &labels->list[i + 1],
		(labels->count - i) * sizeof(labels->list[0]));
}

static void insert_at(struct labels *labels, size_t i, const char *name, const char *value)
{
	if (labels->count == labels->capacity) {
		labels->capacity = grow_capacity(labels->capacity, labels->count + 1);
		labels->list =
			xreallocarray(labels->list, labels->capacity, sizeof(labels->list[0]));
	}
	memmove(&labels->list[i + 1], &labels->list[i],
		(labels->count - i) * sizeof(labels->list[0]));
	labels->list[i] = (struct label){.name = xstrdup(name), .value = xstrdup(value)};
	labels->count++;
}

void labels_set(struct labels *labels, const char *name, const char *value)
{
	bool found;
	size_t i = position(labels, name, &found);

	if (!value || !*value) {
		if (found)
			remove_at(labels, i);
		return;
	}
	if (!found) {
		insert_at(labels, i, name, value);
		return;
	}
	char *copy = xstrdup(value); /* value may be the old one */

	free(labels->list[i].value);
	labels->list[i].value = copy;
}

void labels_setf(struct labels *labels, const char *name, const char *fmt, ...)
{
	char *value cleanup_free = NULL;
	va_list ap;

	va_start(ap, fmt);
	int n = vasprintf(&value, fmt, ap);

	va_end(ap);
	if (n < 0) {
		value = NULL;
		abort();
	}
	labels_set(labels, name, value);
}

void labels_copy(struct labels *to, const struct labels *from)
{
	to->list = xcalloc(from->count, sizeof(to->list[0]));
	to->count = to->capacity = from->count;
	for (size_t i = 0; i < from->count; i++)
		to->list[i] = (struct label){
			.name = xstrdup(from->list[i].name),
			.value = xstrdup(from->list[i].value),
		};
}

bool labels_equal(const struct labels *a, const struct labels *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->list[i].name, b->list[i].name) != 0 ||
			strcmp(a->list[i].value, b->list[i].value) != 0)
			return false;
	return true;
}

uint64_t labels_hash(const struct labels *labels)
{
	uint64_t h = labels->count;

	for (size_t i = 0; i < labels->count; i++) {
		h = hash_combine(h, hash_string(labels->list[i].name));
		h = hash_combine(h, hash_string(labels->list[i].value));
	}
	return h;
}

bool label_name_valid_legacy(const char *name)
{
	if (!*name || (*name >= '0' && *name <= '9'))
		return false;
	name += strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
	return !*name;
}
