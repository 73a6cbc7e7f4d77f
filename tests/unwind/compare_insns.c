// SPDX-License-Identifier: Apache-2.0
/* objdump -d -w --insn-width=15 FILE... | compare_insns: one closing line; 1 where anything differs. */
#include "lib/insn_oracle.h"

int main(void)
{
	struct insn_counts c = {0};
	size_t differences = insn_differences(stdin, &c);

	printf("%zu instructions, %zu other lengths, %zu writes overlooked, %zu other flows\n",
		c.insns, c.lengths, c.writes, c.flows);
	return differences || !c.insns;
}
