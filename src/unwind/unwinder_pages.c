// SPDX-License-Identifier: Apache-2.0
/*
 * Pages of rows come when they are asked for and go when there is no room (unwinder_room.c). What the kernel may
 * still read rests in the slab until it has quiesced, so dropping is a store of 0 and nothing more.
 */
#include "unwind/rows.h"
#include "unwind/unwinder_inside.h"

#include "base/list.h"
#include "symbols/dso.h"

#define PARSERS_KEPT     16
#define BINARY_RULES_MAX 2048 /* new ones that a file may bring; libxul has 1,331 */
#define RESTARTS_MAX     4 /* a round */

void unwind_drop_parser(struct unwinder *u, struct binary *b)
{
	if (!b->eh_frame)
		return;
	eh_frame_free(b->eh_frame);
	b->eh_frame = NULL;
	list_remove(&b->parsers);
	u->parser_count--;
}

uint32_t *unwind_page_refs(const struct unwinder *u, const struct binary *b)
{
	return slab_at(u->slab, b->pages);
}

uint8_t *unwind_page_used(const struct unwinder *u, const struct binary *b)
{
	return (uint8_t *)(unwind_page_refs(u, b) + b->page_count);
}

void unwind_drop_page(struct unwinder *u, struct binary *b, uint32_t page)
{
	uint32_t *refs = unwind_page_refs(u, b);
	uint32_t ref = refs[page];

	__atomic_store_n(&refs[page], 0, __ATOMIC_RELEASE);
	page_table_give(u->pages, ref);
}

/* Where the descriptor was given up: through the module of the process at hand, which lives. */
static void find_file(struct unwinder *u, struct binary *b, const struct process_id *id,
	uint64_t address)
{
	struct dso *own =
		dso_needs_file(b->dso) ? u->store.reopen(u->store.ctx, id, address) : NULL;

	if (!own || own == b->dso || dso_needs_file(own) || !dso_same_file(own, b->dso) ||
		!dso_image(u->dsos, own))
		return;
	unwind_drop_parser(u, b); /* it has the other's headers */
	dso_unref(u->dsos, b->dso);
	b->dso = dso_ref(own);
}

/* The parser of the binary's tables; NULL where its file cannot be read now. */
static struct eh_frame *parser_of(struct unwinder *u, struct binary *b, const struct process_id *id,
	uint64_t address)
{
	find_file(u, b, id, address);
	if (!dso_source(b->dso, &b->source))
		return NULL;
	if (!b->eh_frame) {
		if (u->parser_count == PARSERS_KEPT)
			unwind_drop_parser(u, list_entry(u->parsers.next, struct binary, parsers));
		b->eh_frame = eh_frame_new(&b->source, dso_image(u->dsos, b->dso));
		u->parser_count++;
	}
	list_remove(&b->parsers);
	list_append(&u->parsers, &b->parsers);
	return b->eh_frame;
}

static uint16_t number_rule(struct unwinder *u, struct binary *b, const struct unwind_rule *rule)
{
	size_t before = rule_table_count(u->rules);
	uint16_t number;

	if (b->new_rules == BINARY_RULES_MAX)
		return RULE_UNSUPPORTED;
	number = rule_table_number(u->rules, rule);
	b->new_rules += rule_table_count(u->rules) != before;
	return number;
}

/* The page's rows, in u->rows. Without a parser there are none. */
static void build_rows(struct unwinder *u, struct binary *b, struct eh_frame *parser, uint32_t page)
{
	uint64_t start = (uint64_t)(b->first_page + page) << UNWIND_PAGE_BITS;
	struct page_rows *rows = &u->rows;

	rows->count = 1;
	rows->at[0] = 0;
	rows->rule[0] = RULE_NONE;
	if (!parser || unwind_rows_read(parser, start, start + UNWIND_PAGE_SIZE, &u->parsed) < 0)
		return;
	rows->count = 0;
	for (size_t i = 0; i < u->parsed.count && rows->count < ROWS_PER_PAGE_MAX; i++) {
		const struct unwind_row *row = &u->parsed.list[i];
		uint16_t rule = number_rule(u, b, &row->rule);

		if (rows->count && rows->rule[rows->count - 1] == rule)
			continue;
		rows->at[rows->count] = (uint16_t)(row->address - start);
		rows->rule[rows->count++] = rule;
	}
	if (!rows->count)
		rows->count = 1;
}

/*
 * The rules are full: somebody's files have more kinds than a whole distribution. All pages are dropped
 * and the rules start anew, so that he cannot keep others from having theirs.
 */
static void restart(struct unwinder *u)
{
	hashmap_for_each(e, &u->binaries) {
		struct binary *b = container_of(e, struct binary, entry);

		for (uint32_t page = 0; page < b->page_count; page++)
			if (unwind_page_refs(u, b)[page])
				unwind_drop_page(u, b, page);
		b->new_rules = 0;
	}
	unwind_quiesce(u);
	rule_table_reset(u->rules);
	u->restarts++;
	u->stats.restarts++;
}

static struct binary *binary_in(const struct unwinder *u, const struct process *p, uint64_t address,
	uint64_t *ret_page)
{
	const struct unwind_mapping *m = unwind_mappings_of(u, p);
	const uint64_t *starts = slab_at(u->slab, p->mappings);

	for (uint32_t i = 0; m && i < p->count; i++) {
		if (address < starts[i] || address >= m[i].end)
			continue;
		struct binary *b = u->by_number[m[i].binary];

		*ret_page = b ? ((address - m[i].bias) >> UNWIND_PAGE_BITS) - b->first_page : 0;
		return b && *ret_page < b->page_count ? b : NULL;
	}
	return NULL;
}

/* It has no rows for the rest of the round; in the next one its file may be had. */
static void remember_unread(struct unwinder *u, const struct binary *b, uint32_t page)
{
	if (u->unread_count == UNREAD_MAX)
		return;
	u->unread[u->unread_count].binary = b->number;
	u->unread[u->unread_count++].page = page;
}

void unwind_drop_unread(struct unwinder *u)
{
	for (size_t i = 0; i < u->unread_count; i++) {
		struct binary *b = u->by_number[u->unread[i].binary];

		if (b && u->unread[i].page < b->page_count)
			unwind_drop_page(u, b, u->unread[i].page);
	}
	u->unread_count = 0;
}

bool unwinder_load(struct unwinder *u, const struct process_id *id, uint64_t address)
{
	const struct process *p = unwind_find_process(u, id);
	uint64_t page = 0;
	struct binary *b = p ? binary_in(u, p, address, &page) : NULL;

	if (!b)
		return false;
	if (unwind_page_refs(u, b)[page])
		return true;
	struct eh_frame *parser = parser_of(u, b, id, address);

	build_rows(u, b, parser, (uint32_t)page);
	if (rule_table_is_full(u->rules) && u->restarts < RESTARTS_MAX) {
		restart(u);
		build_rows(u, b, parser, (uint32_t)page);
	}
	uint32_t ref = page_table_take(u->pages, &u->rows);

	if (!ref && unwind_make_room(u, page_table_bytes_of(&u->rows)))
		ref = page_table_take(u->pages, &u->rows);
	if (!ref) {
		unwind_made_no_room(u, page_table_bytes_of(&u->rows));
		return false;
	}
	if (!parser)
		remember_unread(u, b, (uint32_t)page);
	unwind_page_used(u, b)[page] = 1;
	__atomic_store_n(&unwind_page_refs(u, b)[page], ref, __ATOMIC_RELEASE);
	u->stats.pages_loaded++;
	return true;
}
