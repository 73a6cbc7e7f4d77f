// SPDX-License-Identifier: Apache-2.0
/* The machines that stacks are unwound on: numbers of registers in DWARF's terms (the psABIs' tables). */
#ifndef UNWIND_MACHINE_H
#define UNWIND_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

struct machine {
	uint16_t elf_machine; /* EM_* */
	uint8_t fp, sp;
	uint8_t registers; /* general ones: 0 to registers - 1 */
	bool ra_stays; /* a return address nobody speaks of is where the call put it: in a register */
};

/* NULL where it is none of ours. */
const struct machine *machine_of(uint16_t elf_machine);

/* "rsp", "x29"; "r70" where it has no name. */
#define REGISTER_NAME_SIZE 24
void machine_register_name(const struct machine *machine, uint64_t number,
	char ret[REGISTER_NAME_SIZE]);

#endif
