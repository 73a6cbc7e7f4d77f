// SPDX-License-Identifier: Apache-2.0
/*
 * The dynamic linker touches most pages of thirty libraries (libcurl brings TLS, Kerberos, LDAP, ...)
 * to relocate them and run their constructors, and hardly any of them again. They count as resident
 * until someone needs the memory. madvise(MADV_DONTNEED) on a private file mapping drops pages that are
 * clean, and would revert pages that were written: so only mappings that cannot be written and have no
 * anonymous page (/proc/self/smaps tells, since 2.6.34) are touched.
 */
#include "base/memory.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"

struct mapping {
	uintptr_t start, end;
	bool droppable;
};

void memory_trim(void)
{
	malloc_trim(0);
}

/* "55d0-55e0 r-xp 00001000 fe:01 1234    /usr/bin/x"; the lines of a mapping that follow are no such. */
static bool parse_header(const char *line, struct mapping *ret)
{
	char permissions[5];
	unsigned long inode;

	if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %*s %*s %lu", &ret->start, &ret->end,
		    permissions, &inode) != 4)
		return false;
	ret->droppable = inode && permissions[1] == '-' && permissions[3] == 'p';
	return true;
}

static void drop(const struct mapping *m)
{
	if (m->droppable)
		madvise((void *)m->start, m->end - m->start, MADV_DONTNEED);
}

void memory_drop_startup_pages(void)
{
	FILE *smaps cleanup_fclose = fopen("/proc/self/smaps", "re");
	char line[4096 + 128]; /* a path and what stands before it */
	struct mapping current = {0}, next;
	unsigned long kib;

	if (!smaps)
		return;
	while (fgets(line, sizeof(line), smaps)) {
		if (parse_header(line, &next)) {
			drop(&current);
			current = next;
		} else if (sscanf(line, "Anonymous: %lu", &kib) == 1 && kib) {
			current.droppable = false;
		}
	}
	drop(&current);
}
