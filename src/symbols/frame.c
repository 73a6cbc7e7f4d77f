// SPDX-License-Identifier: Apache-2.0
/* The words for where names come from and why they are missing. */
#include "symbols/frame.h"

#include "base/macros.h"

const char *name_origin_text(enum name_origin origin)
{
	static const char *const texts[NAME_ORIGIN_COUNT] = {
		[NAME_NONE] = "none",
		[NAME_SYMTAB] = "symtab",
		[NAME_DYNSYM] = "dynsym",
		[NAME_DEBUG_FILE] = "debug file",
		[NAME_DEBUGDATA] = "debugdata",
		[NAME_GO] = "gopclntab",
		[NAME_PLT] = "plt",
		[NAME_PSEUDO] = "pseudo",
		[NAME_VDSO] = "vdso",
		[NAME_KERNEL] = "kallsyms",
		[NAME_PERF_MAP] = "perf map",
		[NAME_JITDUMP] = "jitdump",
		[NAME_INTERPRETER] = "interpreter",
	};

	return (size_t)origin < ARRAY_SIZE(texts) ? texts[origin] : "unknown";
}

const char *name_missing_text(enum name_missing missing)
{
	static const char *const texts[MISSING_COUNT] = {
		[MISSING_NOT] = "named",
		[MISSING_MAPS] = "process was gone",
		[MISSING_MAPPING] = "no mapping",
		[MISSING_JIT] = "JIT code without a map",
		[MISSING_FILE] = "file not readable",
		[MISSING_DAMAGED] = "file damaged",
		[MISSING_STRIPPED] = "stripped",
		[MISSING_SYMBOL] = "no symbol",
		[MISSING_BUDGET] = "too many names",
		[MISSING_KERNEL] = "kernel address unknown",
	};

	return (size_t)missing < ARRAY_SIZE(texts) ? texts[missing] : "unknown";
}
