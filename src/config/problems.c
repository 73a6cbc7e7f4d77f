// SPDX-License-Identifier: Apache-2.0
#include "config/problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define MESSAGE_MAX 512

void problem_add(struct config_problems *problems, unsigned line, unsigned column, const char *fmt,
	...)
{
	char message[MESSAGE_MAX];
	va_list ap;

	if (problems->count > PROBLEMS_MAX)
		return;
	if (problems->count == PROBLEMS_MAX) {
		line = column = 0;
		snprintf(message, sizeof(message), "more than %d mistakes; the rest is not shown",
			PROBLEMS_MAX);
	} else {
		va_start(ap, fmt);
		vsnprintf(message, sizeof(message), fmt, ap);
		va_end(ap);
	}
	if (problems->count == problems->capacity) {
		problems->capacity = grow_capacity(problems->capacity, problems->count + 1);
		problems->list =
			xreallocarray(problems->list, problems->capacity, sizeof(*problems->list));
	}
	problems->list[problems->count++] = (struct config_problem){
		.line = line,
		.column = column,
		.message = xstrdup(message),
	};
}

static int compare(const void *a, const void *b)
{
	const struct config_problem *x = a, *y = b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	if (x->column != y->column)
		return x->column < y->column ? -1 : 1;
	return strcmp(x->message, y->message);
}

void problems_sort(struct config_problems *problems)
{
	size_t kept = 0;

	if (problems->count < 2)
		return;
	qsort(problems->list, problems->count, sizeof(*problems->list), compare);
	for (size_t i = 0; i < problems->count; i++) {
		struct config_problem *p = &problems->list[i];

		if (kept && compare(&problems->list[kept - 1], p) == 0)
			free(p->message);
		else
			problems->list[kept++] = *p;
	}
	problems->count = kept;
}

void config_problems_release(struct config_problems *problems)
{
	for (size_t i = 0; i < problems->count; i++)
		free(problems->list[i].message);
	free(problems->list);
	*problems = (struct config_problems){0};
}

void config_problem_format(struct strbuf *out, const char *path, const struct config_problem *p)
{
	strbuf_add_str(out, path);
	if (p->line)
		strbuf_addf(out, ":%u:%u", p->line, p->column);
	strbuf_addf(out, ": %s", p->message);
}
