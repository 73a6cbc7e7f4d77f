// SPDX-License-Identifier: Apache-2.0
/* What tests/unwind/arm64_stacks.c writes before its stack. */
#ifndef TESTS_ARM64_IMAGE_H
#define TESTS_ARM64_IMAGE_H

#include <stdint.h>

struct arm64_image {
	uint64_t x[31];
	uint64_t sp, pc;
};
_Static_assert(sizeof(struct arm64_image) == 264, "known to the program's assembler");

#endif
