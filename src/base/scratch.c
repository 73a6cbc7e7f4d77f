// SPDX-License-Identifier: Apache-2.0
#include "base/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define STEP 65536

void scratch_grow(struct scratch *s, size_t need)
{
	if (need <= s->size)
		return;
	size_t size = s->size + s->size / 2;

	size = (((size < need ? need : size) + STEP - 1) / STEP) * STEP;
	void *p = s->data
		? mremap(s->data, s->size, size, MREMAP_MAYMOVE)
		: mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || need > size) {
		fputs("dockprof: out of memory\n", stderr);
		abort();
	}
	s->data = p;
	s->size = size;
}

void scratch_release(struct scratch *s)
{
	if (s->data)
		munmap(s->data, s->size);
	*s = (struct scratch){0};
}
