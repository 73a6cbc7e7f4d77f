// SPDX-License-Identifier: Apache-2.0
/* Giving memory back to the system. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

/* Returns what the allocator holds free. Cheap enough for each round. */
void memory_trim(void);

/*
 * Lets go of pages of the program and its libraries that only starting up needed: those of read-only
 * file mappings without a private (relocated) page. What is needed again is mapped again from the page
 * cache. Some milliseconds; for once, after the start.
 */
void memory_drop_startup_pages(void);

#endif
