// SPDX-License-Identifier: Apache-2.0
/*
 * Rows by pages of code: from what the parser makes of an FDE to what the walker reads. Pages with the
 * same rows are kept once, whatever files they are of; so copies of a library in many containers share
 * their rows without anybody having to believe that they are copies.
 */
#ifndef UNWIND_PAGE_TABLE_H
#define UNWIND_PAGE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "unwind/rule_table.h"
#include "unwind/slab.h"

/* What the rows of one page are built in. */
struct page_rows {
	uint16_t count;
	uint16_t at[ROWS_PER_PAGE_MAX]; /* ascending, the first is 0 */
	uint16_t rule[ROWS_PER_PAGE_MAX];
};

struct page_table;

/* slab: not owned. */
struct page_table *page_table_new(struct slab *slab);
void page_table_free(struct page_table *t);

/* The rows' ref, with one more user; 0 where there is no room. count >= 1. */
uint32_t page_table_take(struct page_table *t, const struct page_rows *rows);
/* What it takes of the slab where no other page has the same rows. */
size_t page_table_bytes_of(const struct page_rows *rows);
/* One user less; the last one gives the room back to the slab. */
void page_table_give(struct page_table *t, uint32_t ref);
/* Different pages, and the bytes that finding them again takes here. */
size_t page_table_count(const struct page_table *t);
size_t page_table_bytes(const struct page_table *t);

#endif
