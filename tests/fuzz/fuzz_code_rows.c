// SPDX-License-Identifier: Apache-2.0
/*
 * Hostile code: whatever the bytes, they are followed in bounded time and memory, states are found at most once
 * for each byte, the same ones each time, and rows are ascending and sane.
 */
#include <stdlib.h>
#include <string.h>

#include "unwind/code_flow.h"
#include "unwind/code_rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_flow(struct code_flow *f, const uint8_t *code, size_t len, struct flow_state *sum)
{
	const struct flow_state *s;
	size_t insn_len;

	memcpy(code_flow_begin(f, len, 0x401000), code, len);
	code_flow_add_start(f, 0);
	code_flow_run(f, len);
	for (size_t at = 0; (at = code_flow_next(f, at, &s, &insn_len)) < len; at += insn_len) {
		struct unwind_rule r = code_rule_of(s);

		require(insn_len >= 1 && insn_len <= X86_INSN_MAX);
		require(s->depth == FLOW_UNKNOWN || (s->depth >= 0 && s->depth <= FLOW_DEPTH_MAX));
		require(r.cfa == UNWIND_CFA_NONE || r.cfa == UNWIND_CFA_SP ||
			r.cfa == UNWIND_CFA_FP || r.cfa == UNWIND_CFA_REG);
		require(r.cfa != UNWIND_CFA_SP || r.cfa_offset >= 8);
		sum->depth ^= s->depth;
		sum->frame ^= s->frame;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct flow_state a = {0}, b = {0};

	if (size > 65536)
		return 0;
	struct code_flow *f = code_flow_new();

	check_flow(f, data, size, &a);
	check_flow(f, data, size, &b);
	code_flow_free(f);
	require(memcmp(&a, &b, sizeof(a)) == 0);
	return 0;
}
