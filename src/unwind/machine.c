// SPDX-License-Identifier: Apache-2.0
/*
 * x86-64: System V psABI 1.0, figure 3.36; the return address is column 16. arm64: DWARF for the Arm 64-bit
 * architecture (IHI 0057), 4.1.
 */
#include "unwind/machine.h"

#include <elf.h>
#include <stddef.h>
#include <stdio.h>

#include "base/macros.h"

static const struct machine machines[] = {
	{.elf_machine = EM_X86_64, .fp = 6, .sp = 7, .registers = 16},
	{.elf_machine = EM_AARCH64, .fp = 29, .sp = 31, .registers = 31, .ra_stays = true},
};

const struct machine *machine_of(uint16_t elf_machine)
{
	for (size_t i = 0; i < ARRAY_SIZE(machines); i++)
		if (machines[i].elf_machine == elf_machine)
			return &machines[i];
	return NULL;
}

void machine_register_name(const struct machine *machine, uint64_t number,
	char ret[REGISTER_NAME_SIZE])
{
	static const char x86[][4] = {"rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8",
		"r9", "r10", "r11", "r12", "r13", "r14", "r15", "rip"};

	if (machine->elf_machine == EM_X86_64 && number < ARRAY_SIZE(x86))
		snprintf(ret, REGISTER_NAME_SIZE, "%s", x86[number]);
	else if (machine->elf_machine == EM_AARCH64 && number == machine->sp)
		snprintf(ret, REGISTER_NAME_SIZE, "sp");
	else
		snprintf(ret, REGISTER_NAME_SIZE, "%c%llu",
			machine->elf_machine == EM_AARCH64 && number < machine->sp ? 'x' : 'r',
			(unsigned long long)number);
}
