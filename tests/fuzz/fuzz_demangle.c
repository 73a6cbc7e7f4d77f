// SPDX-License-Identifier: Apache-2.0
/* Names of functions as a container's files have them. The time limit of the fuzzer counts as well. */
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "symbols/demangle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* Inputs need not spend their bytes on the two characters without which nothing happens. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const heads[] = {"", "_Z", "_R", "_ZN"};
	struct strbuf name = STRBUF_INIT, out = STRBUF_INIT;

	if (size < 2 || size > 2 * DEMANGLE_INPUT_MAX)
		return 0;
	strbuf_add_str(&name, heads[data[0] % ARRAY_SIZE(heads)]);
	strbuf_add(&name, data + 2, size - 2);
	enum demangle_mode mode = (enum demangle_mode)(data[1] % (DEMANGLE_FULL + 1));
	bool done = demangle(mode, name.buf, &out);

	require(done == (out.len > 0));
	require(out.len <= DEMANGLE_OUTPUT_MAX + strlen(name.buf));
	require(strlen(out.buf) == out.len);
	strbuf_release(&out);
	strbuf_release(&name);
	return 0;
}
