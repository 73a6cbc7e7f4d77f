// SPDX-License-Identifier: Apache-2.0
/* Names of C++ and Rust functions as people write them. */
#ifndef SYMBOLS_DEMANGLE_H
#define SYMBOLS_DEMANGLE_H

#include <stdbool.h>

#include "base/strbuf.h"

/* Longer ones stay as they are, as do those that would become longer than the second. The longest of node,
 * LLVM and libstdc++ have some 500 bytes. */
#define DEMANGLE_INPUT_MAX  4096
#define DEMANGLE_OUTPUT_MAX 8192

enum demangle_mode {
	DEMANGLE_NONE,
	DEMANGLE_SIMPLIFIED, /* "std::vector::push_back" */
	DEMANGLE_TEMPLATES, /* "std::vector<int, std::allocator<int> >::push_back" */
	DEMANGLE_FULL, /* with parameters, and what a template function returns */
};

/*
 * Appends the readable form of a C++ name (Itanium ABI) or a Rust one (legacy or v0; the same in all modes but
 * NONE). What follows an '@' is kept ("@plt", "@@GLIBCXX_3.4"), suffixes of clones (".cold") are not. False,
 * and nothing appended, where it is no such name or not a good one. Takes some microseconds; the name may
 * be an attacker's.
 */
bool demangle(enum demangle_mode mode, const char *name, struct strbuf *out);

#endif
