// SPDX-License-Identifier: Apache-2.0
/*
 *	process (pid, start, image) -> | start[] | mapping[] |   one array per process, in the slab
 *	                                              |
 *	binary (a file) -> number -> | ref of each page's rows | used[] |
 *	                                              |
 *	                              rows, shared by contents (page_table.h)
 *
 * What is one file on disk, whoever maps it from whatever root, is one binary; it is read through the module
 * of one of those, which may change. A binary gets its number and its empty index when the first process maps it, which costs reading its
 * headers; its .eh_frame is looked at when a walk first comes to one of its pages. Of the parsers that
 * such reading takes (some 25 KiB each) the last PARSERS_KEPT are kept.
 *
 * A binary that no process maps any more stays for BINARY_ROUNDS rounds: a shell script starts the same
 * few programs again and again.
 */
#include "unwind/unwinder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/hashmap.h"
#include "base/list.h"
#include "symbols/dso.h"
#include "symbols/eh_frame.h"
#include "unwind/page_table.h"
#include "unwind/rows.h"
#include "unwind/rule_table.h"
#include "unwind/unwinder_inside.h"

#define BINARY_ROUNDS 8 /* two minutes at the usual interval */

static bool binary_is(const struct hashmap_entry *e, const void *key)
{
	return dso_same_file(container_of(e, struct binary, entry)->dso, key);
}

static bool process_is(const struct hashmap_entry *e, const void *key)
{
	return process_id_equal(&container_of(e, struct process, entry)->id, key);
}

struct unwinder *unwinder_new(const struct unwind_store *store, struct dso_cache *dsos,
	size_t max_bytes)
{
	struct unwinder *u = xcalloc(1, sizeof(*u));

	u->store = *store;
	u->dsos = dsos;
	u->slab = slab_new(&store->chunks, max_bytes);
	u->rules = rule_table_new(store->rules, store->rule_count);
	u->pages = page_table_new(u->slab);
	u->next_number = 1;
	u->no_room_for = SIZE_MAX;
	hashmap_init(&u->binaries, binary_is);
	hashmap_init(&u->processes, process_is);
	list_init(&u->parsers);
	return u;
}

size_t unwind_index_bytes(const struct binary *b)
{
	return (size_t)b->page_count * (sizeof(uint32_t) + 1);
}

static void free_binary(struct unwinder *u, struct binary *b)
{
	unwind_drop_parser(u, b);
	u->store.binaries[b->number] = (struct unwind_binary){0};
	for (uint32_t i = 0; b->pages && i < b->page_count; i++)
		unwind_drop_page(u, b, i);
	slab_give(u->slab, b->pages, unwind_index_bytes(b));
	if (u->hand_binary == b->number) /* another one with this number may have fewer pages */
		u->hand_page = 0;
	u->by_number[b->number] = NULL;
	hashmap_remove(&u->binaries, &b->entry);
	dso_unref(u->dsos, b->dso);
	free(b);
}

static struct binary *binary_of(const struct unwinder *u, const struct dso *dso)
{
	struct hashmap_entry *e = hashmap_get(&u->binaries, dso_file_hash(dso), dso);

	return e ? container_of(e, struct binary, entry) : NULL;
}

/* From the first executable page to the last. What the file does not hold is no code, however much it asks for. */
static bool code_range(const struct elf_image *image, uint64_t *ret_first, uint64_t *ret_count)
{
	uint64_t low = UINT64_MAX, high = 0;

	for (size_t i = 0; i < image->segment_count; i++) {
		const struct elf_segment *s = &image->segments[i];
		uint64_t size = MIN(s->file_size, s->memory_size);

		if (!s->executable || !size || s->address + size < s->address)
			continue;
		low = MIN(low, s->address);
		high = MAX(high, s->address + size);
	}
	if (low >= high)
		return false;
	*ret_first = low >> UNWIND_PAGE_BITS;
	*ret_count = ((high - 1) >> UNWIND_PAGE_BITS) - *ret_first + 1;
	/* What the index can hold; 750 MB of code. */
	return *ret_first + *ret_count <= UINT32_MAX &&
		*ret_count * (sizeof(uint32_t) + 1) <= SLAB_SIZE_MAX;
}

static uint32_t free_number(struct unwinder *u)
{
	for (uint32_t i = 1; i < UNWIND_BINARIES_MAX; i++) {
		uint32_t number = u->next_number;

		u->next_number = number + 1 < UNWIND_BINARIES_MAX ? number + 1 : 1;
		if (!u->by_number[number])
			return number;
	}
	return 0;
}

static bool make_index(struct unwinder *u, struct binary *b)
{
	b->pages = unwind_take(u, unwind_index_bytes(b));
	if (!b->pages)
		return false;
	memset(unwind_page_refs(u, b), 0, unwind_index_bytes(b));
	u->store.binaries[b->number] = (struct unwind_binary){
		.pages = b->pages,
		.first_page = b->first_page,
		.page_count = b->page_count,
	};
	return true;
}

/* Go's own code has no tables and keeps frame pointers: there is nothing to load, so nothing to wait for. */
static bool goes_by_frame_pointers(const struct elf_image *image)
{
	return image->is_go && !image->named[ELF_EH_FRAME].size &&
		!image->named[ELF_EH_FRAME_HDR].size;
}

/* NULL where the file has nothing to walk by, or there is no room. */
static struct binary *add_binary(struct unwinder *u, struct dso *dso, const struct elf_image *image)
{
	uint64_t first, count;
	uint32_t number;

	if (!image->is_64 || goes_by_frame_pointers(image) || !code_range(image, &first, &count) ||
		!(number = free_number(u)))
		return NULL;
	struct binary *b = xcalloc(1, sizeof(*b));

	b->number = number;
	b->first_page = (uint32_t)first;
	b->page_count = (uint32_t)count;
	list_init(&b->parsers);
	if (!make_index(u, b)) {
		free(b);
		return NULL;
	}
	b->dso = dso_ref(dso);
	u->by_number[number] = b;
	hashmap_add(&u->binaries, &b->entry, dso_file_hash(dso));
	return b;
}

struct process *unwind_find_process(const struct unwinder *u, const struct process_id *id)
{
	struct hashmap_entry *e = hashmap_get(&u->processes, process_id_hash(id), id);

	return e ? container_of(e, struct process, entry) : NULL;
}

const struct unwind_mapping *unwind_mappings_of(const struct unwinder *u, const struct process *p)
{
	const uint64_t *starts = slab_at(u->slab, p->mappings);

	return starts ? (const struct unwind_mapping *)(const void *)(starts + p->count) : NULL;
}

size_t unwind_mappings_bytes(size_t count)
{
	return count * (sizeof(uint64_t) + sizeof(struct unwind_mapping));
}

static void drop_mappings(struct unwinder *u, struct process *p)
{
	const struct unwind_mapping *m = unwind_mappings_of(u, p);

	for (uint32_t i = 0; m && i < p->count; i++)
		if (m[i].binary && u->by_number[m[i].binary])
			u->by_number[m[i].binary]->users--;
	slab_give(u->slab, p->mappings, unwind_mappings_bytes(p->count));
	p->mappings = p->count = 0;
}

static void free_process(struct unwinder *u, struct process *p)
{
	drop_mappings(u, p);
	hashmap_remove(&u->processes, &p->entry);
	free(p);
}

void unwinder_free(struct unwinder *u)
{
	if (!u)
		return;
	hashmap_for_each(p, &u->processes)
		free_process(u, container_of(p, struct process, entry));
	hashmap_for_each(b, &u->binaries)
		free_binary(u, container_of(b, struct binary, entry));
	hashmap_release(&u->processes);
	hashmap_release(&u->binaries);
	unwind_rows_release(&u->parsed);
	page_table_free(u->pages);
	rule_table_free(u->rules);
	slab_free(u->slab);
	free(u);
}

/*
 * The address that the file's byte `offset` has in it, as code: mappings begin at a page, and so with bytes
 * that may belong to the segment before (as lld lays files out), whose addresses are others.
 */
static bool code_address_of(const struct elf_image *image, uint64_t offset, uint64_t *ret)
{
	for (size_t i = 0; i < image->segment_count; i++) {
		const struct elf_segment *s = &image->segments[i];

		if (!s->executable || offset < s->offset - s->offset % UNWIND_PAGE_SIZE ||
			offset >= s->offset + s->file_size)
			continue;
		*ret = s->address - s->offset + offset;
		return true;
	}
	return false;
}

/* How the mapping is to be walked: sets bias and binary. */
static void describe(struct unwinder *u, const struct mapping *m, struct unwind_mapping *ret)
{
	const struct elf_image *image = m->dso ? dso_image(u->dsos, m->dso) : NULL;
	uint64_t address;

	*ret = (struct unwind_mapping){.end = m->end};
	if (!image || !code_address_of(image, m->offset, &address))
		return;
	struct binary *b = binary_of(u, m->dso);

	if (!b)
		b = add_binary(u, m->dso, image);
	if (!b)
		return;
	b->users++;
	b->idle_rounds = 0;
	ret->bias = m->start - address;
	ret->binary = b->number;
}

/* A new array; 0 where there is no room. */
static uint32_t write_mappings(struct unwinder *u, const struct process_maps *maps, uint32_t count)
{
	uint32_t ref = unwind_take(u, unwind_mappings_bytes(count));
	uint64_t *starts = slab_at(u->slab, ref);

	if (!ref)
		return 0;
	struct unwind_mapping *m = (struct unwind_mapping *)(void *)(starts + count);

	u->being_written = ref;
	for (uint32_t i = 0; i < count; i++) {
		starts[i] = maps->list[i].start;
		describe(u, &maps->list[i], &m[i]);
	}
	u->being_written = 0;
	return ref;
}

void unwind_tell_kernel(struct unwinder *u, const struct process *p)
{
	u->store.set_process(u->store.ctx, &p->id, p->mappings, p->count, p->quiet);
}

/* How many are walked through: not the kernel's own page at the end of all addresses ([vsyscall]). */
static uint32_t mappings_wanted(const struct process_maps *maps)
{
	size_t count = MIN(maps->count, (size_t)PROCESS_MAPPINGS_MAX);

	while (count && maps->list[count - 1].start > INT64_MAX)
		count--;
	return (uint32_t)count;
}

void unwinder_set_process(struct unwinder *u, const struct process_id *id,
	const struct process_maps *maps)
{
	struct process *p = unwind_find_process(u, id), old = {0};
	uint32_t count = mappings_wanted(maps);

	if (!p) {
		p = xcalloc(1, sizeof(*p));
		p->id = *id;
		hashmap_add(&u->processes, &p->entry, process_id_hash(id));
	}
	uint32_t mappings = count ? write_mappings(u, maps, count) : 0;

	old = *p; /* room was made: only now is it known where they are */
	p->mappings = mappings;
	p->count = p->mappings ? count : 0;
	p->quiet = false;
	unwind_tell_kernel(u, p);
	drop_mappings(u, &old);
}

void unwinder_quiet_process(struct unwinder *u, const struct process_id *id)
{
	struct process *p = unwind_find_process(u, id);

	if (!p)
		return;
	p->quiet = true;
	u->any_quiet = true;
	unwind_tell_kernel(u, p);
}

bool unwinder_knows_process(const struct unwinder *u, const struct process_id *id)
{
	return unwind_find_process(u, id) != NULL;
}

void unwinder_forget_process(struct unwinder *u, const struct process_id *id)
{
	struct process *p = unwind_find_process(u, id);

	if (!p)
		return;
	u->store.forget_process(u->store.ctx, id);
	free_process(u, p);
}

struct slab *unwinder_slab(const struct unwinder *u)
{
	return u->slab;
}

const struct unwind_store *unwinder_store(const struct unwinder *u)
{
	return &u->store;
}

bool unwinder_mappings(struct unwinder *u, const struct process_id *id, uint32_t *ret_mappings,
	uint32_t *ret_count)
{
	const struct process *p = unwind_find_process(u, id);

	u->stats.walks++;
	*ret_mappings = p ? p->mappings : 0;
	*ret_count = p ? p->count : 0;
	return p != NULL;
}

static void end_quiet(struct unwinder *u)
{
	hashmap_for_each(e, &u->processes) {
		struct process *p = container_of(e, struct process, entry);

		if (!p->quiet)
			continue;
		p->quiet = false;
		unwind_tell_kernel(u, p);
	}
	u->any_quiet = false;
}

void unwinder_end_round(struct unwinder *u)
{
	u->restarts = u->evictions = u->clearings = 0;
	u->no_room_for = SIZE_MAX;
	if (u->any_quiet)
		end_quiet(u);
	slab_quiesced(u->slab);
	unwind_drop_unread(u);
	unwind_rows_release(&u->parsed);
	hashmap_for_each(e, &u->binaries) {
		struct binary *b = container_of(e, struct binary, entry);

		if (!b->users && ++b->idle_rounds > BINARY_ROUNDS)
			free_binary(u, b);
	}
}

void unwinder_stats(const struct unwinder *u, struct unwinder_stats *ret)
{
	*ret = u->stats;
	ret->table_bytes = slab_bytes(u->slab);
	ret->table_used = slab_used(u->slab);
	ret->rules = rule_table_count(u->rules);
	ret->pages = page_table_count(u->pages);
	ret->binaries = u->binaries.count;
	ret->processes = u->processes.count;
	ret->bytes = sizeof(*u) + page_table_bytes(u->pages) +
		u->binaries.count * sizeof(struct binary) +
		u->processes.count * sizeof(struct process) + u->parser_count * (25 << 10);
}
