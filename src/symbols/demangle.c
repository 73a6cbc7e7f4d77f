// SPDX-License-Identifier: Apache-2.0
/*
 * libiberty's demangler does the work: it is the one of gdb, binutils and perf, in C, maintained with the
 * compiler that makes the names, reads C++ and both forms of Rust, and may be linked into anything. Its tree of
 * components is public, so the shorter forms are made by cutting the tree, not the text:
 *
 *	TYPED_NAME -- FUNCTION_TYPE (void, int)          simplified: TYPED_NAME and TEMPLATE
 *	    |                                            are replaced by what is left of them;
 *	QUAL_NAME                                        templates: TYPED_NAME only
 *	    |    \__ NAME push_back
 *	TEMPLATE -- TEMPLATE_ARGLIST (int)
 *	    |
 *	QUAL_NAME std::vector
 *
 * What is wrong with it is that it trusts its input in part. Found by reading and by trying:
 * - "cvT_IT_IT_I...", a conversion to a type that has template arguments, is parsed twice at each level: 2^n.
 * - the printer puts an array on the stack, as long as the references to template parameters times the
 *   templates, each of them counted up to twice.
 * - substitutions make a short name stand for a text of exponential length.
 * - recursion is bounded, but by 2,048 levels, with input of any length.
 * So names are short, the first two kinds are counted before, visits of the tree are, and the printer is left
 * by longjmp when the text is too long: it holds no memory then, but for a Rust identifier in
 * Punycode; a name that has one must not refer back often.
 */
#include "symbols/demangle.h"

#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macros.h"

/* 2^6 times the time of a good name; no program was seen with more than one. */
#define CONVERSIONS_MAX 6
/* Elements of 16 bytes on the stack. */
#define SCOPES_MAX      65536
/* Of the tree: good names have fewer components than characters. */
#define VISITS_MAX      (4 * DEMANGLE_INPUT_MAX)
#define BACKREFS_MAX    16
#define DEPTH_MAX       1024

/* Where the text goes, while it is not too long. */
struct sink {
	struct strbuf *out;
	size_t max; /* of out->len */
	jmp_buf full;
};

static void take_text(const char *text, size_t len, void *ctx)
{
	struct sink *sink = ctx;

	if (len > sink->max - sink->out->len)
		longjmp(sink->full, 1);
	strbuf_add(sink->out, text, len);
}

struct cut {
	bool templates; /* cut them, too */
	unsigned visits;
};

static bool is_qualifier_of_function(enum demangle_component_type type)
{
	switch (type) {
	case DEMANGLE_COMPONENT_RESTRICT_THIS:
	case DEMANGLE_COMPONENT_VOLATILE_THIS:
	case DEMANGLE_COMPONENT_CONST_THIS:
	case DEMANGLE_COMPONENT_REFERENCE_THIS:
	case DEMANGLE_COMPONENT_RVALUE_REFERENCE_THIS:
	case DEMANGLE_COMPONENT_TRANSACTION_SAFE:
	case DEMANGLE_COMPONENT_NOEXCEPT:
	case DEMANGLE_COMPONENT_THROW_SPEC:
		return true;
	default:
		return false;
	}
}

static bool cut_tree(struct cut *cut, struct demangle_component **at, unsigned depth);

static bool cut_both(struct cut *cut, struct demangle_component *c, unsigned depth)
{
	return cut_tree(cut, &c->u.s_binary.left, depth) &&
		cut_tree(cut, &c->u.s_binary.right, depth);
}

/* False where the tree is larger or deeper than good ones are, or something is
 * missing: there may be references to qualifiers of nothing, and the printer does not expect that these are cut. */
static bool cut_tree(struct cut *cut, struct demangle_component **at, unsigned depth)
{
	struct demangle_component *c = *at;

	if (!c)
		return false;
	if (++cut->visits > VISITS_MAX || depth > DEPTH_MAX)
		return false;
	if (c->type == DEMANGLE_COMPONENT_TYPED_NAME || is_qualifier_of_function(c->type) ||
		(c->type == DEMANGLE_COMPONENT_TEMPLATE && cut->templates)) {
		*at = c->u.s_binary.left;
		return cut_tree(cut, at, depth + 1);
	}
	switch (c->type) {
	case DEMANGLE_COMPONENT_QUAL_NAME:
	case DEMANGLE_COMPONENT_LOCAL_NAME:
	case DEMANGLE_COMPONENT_CONSTRUCTION_VTABLE:
		return cut_both(cut, c, depth + 1);
	case DEMANGLE_COMPONENT_TEMPLATE:
	case DEMANGLE_COMPONENT_TAGGED_NAME:
	case DEMANGLE_COMPONENT_CONVERSION:
	case DEMANGLE_COMPONENT_CAST:
	case DEMANGLE_COMPONENT_POINTER:
	case DEMANGLE_COMPONENT_REFERENCE:
	case DEMANGLE_COMPONENT_RVALUE_REFERENCE:
	case DEMANGLE_COMPONENT_CONST:
	case DEMANGLE_COMPONENT_VOLATILE:
	case DEMANGLE_COMPONENT_VTABLE:
	case DEMANGLE_COMPONENT_VTT:
	case DEMANGLE_COMPONENT_TYPEINFO:
	case DEMANGLE_COMPONENT_TYPEINFO_NAME:
	case DEMANGLE_COMPONENT_TYPEINFO_FN:
	case DEMANGLE_COMPONENT_THUNK:
	case DEMANGLE_COMPONENT_VIRTUAL_THUNK:
	case DEMANGLE_COMPONENT_COVARIANT_THUNK:
	case DEMANGLE_COMPONENT_GUARD:
	case DEMANGLE_COMPONENT_TLS_INIT:
	case DEMANGLE_COMPONENT_TLS_WRAPPER:
	case DEMANGLE_COMPONENT_HIDDEN_ALIAS:
	case DEMANGLE_COMPONENT_GLOBAL_CONSTRUCTORS:
	case DEMANGLE_COMPONENT_GLOBAL_DESTRUCTORS:
		return cut_tree(cut, &c->u.s_binary.left, depth + 1);
	default:
		return true; /* a name without parts, or a type that is shown whole */
	}
}

/* Occurrences of "T_I", "T4_I": template arguments of a template parameter. */
static unsigned count_conversions(const char *name)
{
	unsigned count = 0;

	if (!strstr(name, "cv"))
		return 0;
	for (const char *p = name; (p = strchr(p, 'T')); p++) {
		const char *end = p + 1 + strspn(p + 1, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");

		count += end[0] == '_' && end[1] == 'I';
	}
	return count;
}

/* At least what the printer would count as scopes times templates. */
static size_t count_scopes(const char *name)
{
	size_t references = 0, templates = 0;

	for (const char *p = name; *p; p++) {
		references += (*p == 'R' || *p == 'O') && (p[1] == 'T' || p[1] == 'S');
		templates += *p == 'I';
	}
	return 2 * references * 2 * templates;
}

static bool print(struct demangle_component *tree, int options, struct sink *sink)
{
	if (setjmp(sink->full))
		return false;
	return cplus_demangle_print_callback(options, tree, take_text, sink) != 0;
}

static bool demangle_as(enum demangle_mode mode, const char *name, struct sink *sink)
{
	/* With parameters the whole name must be a good one. */
	const int options = DMGL_ANSI | DMGL_PARAMS;
	struct cut cut = {.templates = mode == DEMANGLE_SIMPLIFIED};
	void *memory = NULL;
	bool ok;

	struct demangle_component *tree = cplus_demangle_v3_components(name, options, &memory);

	while (tree && tree->type == DEMANGLE_COMPONENT_CLONE)
		tree = tree->u.s_binary.left;
	ok = tree && (mode == DEMANGLE_FULL || cut_tree(&cut, &tree, 0)) && tree;
	if (ok)
		ok = print(tree, options, sink);
	free(memory);
	return ok;
}

static void cut_back(struct strbuf *out, size_t len)
{
	if (out->len > len)
		strbuf_set_len(out, len);
}

static bool demangle_cplus(enum demangle_mode mode, const char *name, struct sink *sink)
{
	size_t before = sink->out->len;

	if (strncmp(name, "_Z", 2) != 0 && strncmp(name, "_GLOBAL_", 8) != 0)
		return false;
	if (count_conversions(name) > CONVERSIONS_MAX || count_scopes(name) > SCOPES_MAX)
		return false;
	if (demangle_as(mode, name, sink))
		return true;
	cut_back(sink->out, before);
	/* "operator T<int>": T is one of the arguments that were cut. */
	return mode == DEMANGLE_SIMPLIFIED && demangle_as(DEMANGLE_TEMPLATES, name, sink);
}

static bool demangle_rust(const char *name, struct sink *sink)
{
	size_t backrefs = 0;

	for (const char *p = name; (p = strchr(p, 'B')); p++)
		backrefs++;
	if (backrefs > BACKREFS_MAX && strchr(name, 'u'))
		return false;
	if (setjmp(sink->full))
		return false;
	return rust_demangle_callback(name, 0, take_text, sink) != 0;
}

/* "_ZN4core3fmt5write17h0123456789abcdefE", perhaps with a suffix. */
static bool is_rust_legacy(const char *name)
{
	const char *hash = NULL;

	if (strncmp(name, "_ZN", 3) != 0)
		return false;
	for (const char *p = name; (p = strstr(p, "17h")); p++)
		hash = p + 3;
	return hash && strspn(hash, "0123456789abcdef") == 16 && hash[16] == 'E';
}

bool demangle(enum demangle_mode mode, const char *name, struct strbuf *out)
{
	size_t len = strcspn(name, "@"), before = out->len;
	char bare[DEMANGLE_INPUT_MAX + 1];
	struct sink sink = {.out = out, .max = before + DEMANGLE_OUTPUT_MAX};
	bool ok = false;

	if (mode == DEMANGLE_NONE || name[0] != '_' || len > DEMANGLE_INPUT_MAX)
		return false;
	memcpy(bare, name, len);
	bare[len] = '\0';
	if (bare[1] == 'R' || is_rust_legacy(bare))
		ok = demangle_rust(bare, &sink);
	if (!ok) {
		cut_back(out, before);
		ok = demangle_cplus(mode, bare, &sink);
	}
	if (!ok || out->len == before) {
		cut_back(out, before);
		return false;
	}
	strbuf_add_str(out, name + len);
	return true;
}
