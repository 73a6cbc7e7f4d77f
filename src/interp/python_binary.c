// SPDX-License-Identifier: Apache-2.0
/*
 * The evaluation function is exported by every CPython from 3.6 on. Compilers move what they think is rarely
 * executed out of it, into parts of their own with a suffix (.cold); builds whose interpreter is made of tail
 * calls have a function for each instruction, side by side. All of these execute Python, so all are
 * ranges, joined where they touch.
 *
 * Before 3.11 no word in the file says which version it is. What was first exported in each does.
 */
#include "interp/python_binary.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "interp/python_eval.h"
#include "symbols/elf_walk.h"

#define EVAL      "_PyEval_EvalFrameDefault"
#define TAIL_CALL "_TAIL_CALL_"
/* Two ranges no further apart than this are one: padding, or a piece between pieces. */
#define GAP_MAX   64

static const struct {
	const char *name;
	unsigned minor;
} since[] = {
	{"PyInterpreterState_GetDict", 8},
	{"PyFrame_GetCode", 9},
	{"PyModule_AddObjectRef", 10},
	{"PyFrame_GetLasti", 11},
	{"PyUnstable_InterpreterFrame_GetCode", 12},
	{"PyUnicode_EqualToUTF8", 13},
};

static bool is_part_of(const char *name, const char *function)
{
	size_t len = strlen(function);

	return strncmp(name, function, len) == 0 && (!name[len] || name[len] == '.');
}

/* Keeps the ranges apart, joining those that touch; the smallest goes where there are too many. */
static void add_range(struct python_binary *b, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < b->range_count;) {
		struct interp_range *r = &b->ranges[i];

		if (start > r->end + GAP_MAX || r->start > end + GAP_MAX) {
			i++;
			continue;
		}
		start = MIN(start, r->start);
		end = MAX(end, r->end);
		*r = b->ranges[--b->range_count];
		i = 0;
	}
	if (b->range_count < INTERP_RANGES_MAX) {
		b->ranges[b->range_count++] = (struct interp_range){start, end};
		return;
	}
	for (size_t i = 0; i < b->range_count; i++)
		if (b->ranges[i].end - b->ranges[i].start < end - start) {
			b->ranges[i] = (struct interp_range){start, end};
			return;
		}
}

static void take_function(struct python_binary *b, const struct elf_symbol *s)
{
	uint64_t end;

	if (!s->size || __builtin_add_overflow(s->address, s->size, &end) || end > INT64_MAX)
		return;
	if (is_part_of(s->name, EVAL) || strncmp(s->name, TAIL_CALL, strlen(TAIL_CALL)) == 0)
		add_range(b, s->address, end);
	else if (strcmp(s->name, "PyInterpreterState_Head") == 0)
		b->interpreter_head = s->address;
	for (size_t i = 0; i < ARRAY_SIZE(since); i++)
		if (strcmp(s->name, since[i].name) == 0 && b->minor < since[i].minor)
			b->minor = since[i].minor;
}

static void take_object(struct python_binary *b, const struct elf_symbol *s)
{
	const struct {
		const char *name;
		uint64_t *address;
	} objects[] = {
		{"_PyRuntime", &b->runtime},
		{"Py_Version", &b->version},
		{"PyCode_Type", &b->code_type},
		{"_PyThreadState_Current", &b->current},
	};

	for (size_t i = 0; i < ARRAY_SIZE(objects); i++)
		if (strcmp(s->name, objects[i].name) == 0)
			*objects[i].address = s->address;
}

static void on_symbol(void *ctx, const struct elf_symbol *s)
{
	if (s->type == STT_FUNC)
		take_function(ctx, s);
	else if (s->type == STT_OBJECT)
		take_object(ctx, s);
}

/* Distributions strip the symbols of the parts. */
static void add_nameless_parts(struct python_binary *b, const struct byte_source *source,
	const struct elf_image *image)
{
	struct interp_range found[INTERP_RANGES_MAX], function = b->ranges[0];
	size_t count;

	if (image->symtab.size)
		return;
	count = python_eval_parts(source, image, &function, found, ARRAY_SIZE(found));
	for (size_t i = 0; i < count; i++)
		add_range(b, found[i].start, found[i].end);
}

int python_binary_read(const struct byte_source *source, const struct elf_image *image,
	struct python_binary *ret)
{
	static const char *const prefixes[] = {"_Py", "Py", TAIL_CALL, NULL};
	struct python_binary b = {0};

	/* Elsewhere a thread's id, by which a state is known to be a thread's, is not its thread pointer. */
	if (image->machine != EM_X86_64 || !image->is_64)
		return -ENOENT;
	if (!elf_names_contain(source, &image->dynsym, EVAL) &&
		!elf_names_contain(source, &image->symtab, EVAL))
		return -ENOENT;
	int r = elf_walk_symbols(source, image, &image->dynsym, prefixes, on_symbol, &b);

	/* Cold parts are local; and a program that embeds Python may export nothing. */
	if (r == 0)
		r = elf_walk_symbols(source, image, &image->symtab, prefixes, on_symbol, &b);
	if (r < 0 && !b.range_count)
		return r;
	if (!b.range_count || (!b.runtime && !b.current))
		return -ENOENT;
	if (b.minor < 7)
		b.minor = b.runtime ? 7 : 6;
	add_nameless_parts(&b, source, image);
	*ret = b;
	return 0;
}
