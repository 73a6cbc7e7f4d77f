// SPDX-License-Identifier: Apache-2.0
#include "unwind/x86_insn.h"

#include "base/macros.h"
#include "lib/insn_oracle.h"
#include "unit.h"

struct expected {
	const char *bytes;
	size_t len;
	uint8_t flow, effect, reg;
	int32_t n;
};

#define INSN(b) .bytes = (b), .len = sizeof(b) - 1

static const struct expected stack[] = {
	{INSN("\x55"), X86_NEXT, X86_PUSH_FP, X86_RBP, 0},
	{INSN("\x53"), X86_NEXT, X86_PUSH_REG, X86_RBX, 0},
	{INSN("\x41\x57"), X86_NEXT, X86_PUSH_REG, 15, 0},
	{INSN("\x66\x50"), X86_NEXT, X86_ADD_SP, X86_NO_REGISTER, -2},
	{INSN("\x6a\x01"), X86_NEXT, X86_ADD_SP, X86_NO_REGISTER, -8},
	{INSN("\xff\x74\x24\x08"), X86_NEXT, X86_ADD_SP, X86_NO_REGISTER, -8},
	{INSN("\x5d"), X86_NEXT, X86_POP_FP, X86_RBP, 0},
	{INSN("\x41\x5d"), X86_NEXT, X86_ADD_SP, X86_NO_REGISTER, 8},
	{INSN("\x5c"), X86_NEXT, X86_SP_LOST, X86_RSP, 0},
	{INSN("\x48\x83\xec\x18"), X86_NEXT, X86_ADD_SP, X86_RSP, -24},
	{INSN("\x48\x81\xc4\x00\x01\x00\x00"), X86_NEXT, X86_ADD_SP, X86_RSP, 256},
	{INSN("\x83\xec\x18"), X86_NEXT, X86_SP_LOST, X86_RSP, 0},
	{INSN("\x48\x83\xe4\xf0"), X86_NEXT, X86_SP_LOST, X86_RSP, 0},
	{INSN("\x48\x8d\x64\x24\xf8"), X86_NEXT, X86_ADD_SP, X86_RSP, -8},
	{INSN("\x48\x8d\x65\xd8"), X86_NEXT, X86_SP_FROM_FP, X86_RBP, -40},
	{INSN("\x48\x89\xe5"), X86_NEXT, X86_FP_FROM_SP, X86_RSP, 0},
	{INSN("\x48\x8b\xec"), X86_NEXT, X86_FP_FROM_SP, X86_RSP, 0},
	{INSN("\x48\x8d\x6c\x24\x10"), X86_NEXT, X86_FP_FROM_SP, X86_RSP, 16},
	{INSN("\x48\x89\xec"), X86_NEXT, X86_SP_FROM_FP, X86_RBP, 0},
	{INSN("\x48\x89\x6c\x24\x08"), X86_NEXT, X86_SAVE_FP, X86_RSP, 8},
	{INSN("\x48\x8b\x6c\x24\x08"), X86_NEXT, X86_LOAD_FP, X86_RSP, 8},
	{INSN("\x48\x89\xe3"), X86_NEXT, X86_REG_FROM_SP, X86_RBX, 0},
	{INSN("\x4c\x8d\x9c\x24\x00\xe0\xff\xff"), X86_NEXT, X86_REG_FROM_SP, 11, -8192},
	{INSN("\x4c\x39\xdc"), X86_NEXT, X86_COMPARE_SP, 11, 0},
	{INSN("\x48\x87\xe5"), X86_NEXT, X86_SP_LOST, X86_RSP, 0},
	{INSN("\xc9"), X86_NEXT, X86_LEAVE, X86_RBP, 0},
	{INSN("\xc8\x20\x00\x00"), X86_NEXT, X86_ENTER, X86_RBP, 32},
	{INSN("\x89\xfd"), X86_NEXT, X86_FP_LOST, X86_RBP, 0},
	{INSN("\x40\x0f\x94\xc5"), X86_NEXT, X86_FP_LOST, X86_RBP, 0}, /* sete %bpl */
	{INSN("\x0f\x94\xc5"), X86_NEXT, X86_NO_EFFECT, X86_NO_REGISTER, 0}, /* sete %ch */
	{INSN("\x66\x0f\xef\xed"), X86_NEXT, X86_NO_EFFECT, X86_NO_REGISTER, 0}, /* xmm5 */
	{INSN("\xc4\xe2\xd3\xf7\xe8"), X86_NEXT, X86_FP_LOST, X86_RBP, 0}, /* shrx */
	{INSN("\xc3"), X86_RETURN, X86_NO_EFFECT, X86_NO_REGISTER, 0},
	{INSN("\xf3\xc3"), X86_RETURN, X86_NO_EFFECT, X86_NO_REGISTER, 0},
	{INSN("\xff\xe0"), X86_JUMP_INDIRECT, X86_NO_EFFECT, X86_NO_REGISTER, 0},
	{INSN("\x3e\xff\xe0"), X86_JUMP_INDIRECT, X86_NO_EFFECT, X86_NO_REGISTER, 0},
	{INSN("\xff\x15\x00\x00\x00\x00"), X86_CALL_INDIRECT, X86_NO_EFFECT, X86_NO_REGISTER, 0},
	{INSN("\x0f\x0b"), X86_STOP, X86_NO_EFFECT, X86_NO_REGISTER, 0},
	{INSN("\xf4"), X86_STOP, X86_NO_EFFECT, X86_NO_REGISTER, 0},
	{INSN("\x0f\x05"), X86_NEXT, X86_NO_EFFECT, X86_NO_REGISTER, 0},
	{INSN("\x62\xf1\xfe\x48\x6f\x44\x24\x01"), X86_NEXT, X86_NO_EFFECT, X86_NO_REGISTER, 0},
};

START_TEST(what_instructions_do_to_the_stack)
{
	for (size_t i = 0; i < ARRAY_SIZE(stack); i++) {
		const struct expected *e = &stack[i];
		struct x86_insn insn;

		ck_assert_msg(x86_insn_decode((const uint8_t *)e->bytes, e->len, &insn), "%zu", i);
		ck_assert_msg(insn.len == e->len && insn.flow == e->flow &&
				insn.effect == e->effect && insn.reg == e->reg && insn.n == e->n,
			"%zu: len %u flow %u effect %u reg %u n %d", i, insn.len, insn.flow,
			insn.effect, insn.reg, insn.n);
	}
}
END_TEST

START_TEST(an_instruction_cut_short_is_none)
{
	for (size_t i = 0; i < ARRAY_SIZE(stack); i++) {
		const struct expected *e = &stack[i];
		struct x86_insn insn;

		for (size_t len = 0; len < e->len; len++)
			if (x86_insn_decode((const uint8_t *)e->bytes, len, &insn))
				ck_assert_uint_le(insn.len, len);
		ck_assert(!x86_insn_decode((const uint8_t *)e->bytes, 0, &insn));
	}
	struct x86_insn insn;

	ck_assert(
		!x86_insn_decode((const uint8_t *)"\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66"
						  "\x66\x66\x66\x66\x90",
			17, &insn));
	ck_assert(!x86_insn_decode((const uint8_t *)"\x06", 1, &insn));
}
END_TEST

START_TEST(targets_are_relative_to_the_next_instruction)
{
	struct x86_insn insn;

	ck_assert(x86_insn_decode((const uint8_t *)"\xe8\xfb\xff\xff\xff", 5, &insn));
	ck_assert_uint_eq(insn.flow, X86_CALL);
	ck_assert(insn.has_target && insn.distance == -5);
	ck_assert(x86_insn_decode((const uint8_t *)"\x75\x10", 2, &insn));
	ck_assert_uint_eq(insn.flow, X86_BRANCH);
	ck_assert(insn.has_target && insn.distance == 16 && insn.is_unequal);
	ck_assert(x86_insn_decode((const uint8_t *)"\x48\x8d\x3d\x00\x01\x00\x00", 7, &insn));
	ck_assert_uint_eq(insn.flow, X86_NEXT);
	ck_assert(insn.has_target && insn.distance == 256);
	ck_assert(x86_insn_decode((const uint8_t *)"\xc7\xf8\x04\x00\x00\x00", 6, &insn));
	ck_assert_uint_eq(insn.flow, X86_BRANCH); /* xbegin */
}
END_TEST

/* make check-unwind-insns does so for all programs there are. */
START_TEST(binutils_see_the_same)
{
	static const char *const files[] = {"/lib/x86_64-linux-gnu/libm.so.6", "/usr/bin/env"};
	struct insn_counts c = {0};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		char command[128];

		snprintf(command, sizeof(command), "objdump -d -w --insn-width=15 %s 2>/dev/null",
			files[i]);
		FILE *in = popen(command, "r");

		ck_assert_ptr_nonnull(in);
		ck_assert_uint_eq(insn_differences(in, &c), 0);
		pclose(in);
	}
#ifdef __x86_64__
	ck_assert_uint_gt(c.insns, 100000);
#endif
}
END_TEST

UNIT_MAIN("x86_insn", what_instructions_do_to_the_stack, an_instruction_cut_short_is_none,
	targets_are_relative_to_the_next_instruction, binutils_see_the_same)
