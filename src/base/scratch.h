// SPDX-License-Identifier: Apache-2.0
/*
 * Large short-lived memory. It comes from mmap(2) and goes back to the kernel when released, whatever
 * malloc thinks of the heap: an agent that parsed one big file must not stay big.
 */
#ifndef BASE_SCRATCH_H
#define BASE_SCRATCH_H

#include <stddef.h>

/* Zero-initialised is empty. */
struct scratch {
	void *data;
	size_t size; /* bytes usable at data */
};

/* Makes at least `need` bytes usable, keeping the contents; new bytes are zero. May move data. */
void scratch_grow(struct scratch *s, size_t need);
void scratch_release(struct scratch *s);
#define cleanup_scratch __attribute__((cleanup(scratch_release)))

#endif
