// SPDX-License-Identifier: Apache-2.0
/*
 * An interval is a list of (leaf of a stack, ticks), sorted by leaf and written as varints, the leaf as
 * the distance to the one before: mostly two or three bytes per distinct stack. All the rest, names and
 * who called whom, stands once in a stack store that all intervals share.
 *
 *	records, oldest first:  [web 12:00:15 | +3 x41 | +1 x7 | ...] [db 12:00:15 | ...] ...
 *	                                         |
 *	store (nodes):          ... <- main <- work <- crush
 *
 * Nothing of the store can be given back alone. So when the budget is passed, the oldest eighth of the
 * intervals goes at once, and the store is made anew from those that stay, the newest first and as many
 * as fit; which is rare. What a container runs could be made to fill the store: an interval that brings
 * half of the budget or more is not kept, so that the others are.
 */
#include "export/history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/list.h"
#include "export/pprof_tables.h"
#include "export/protobuf.h"
#include "export/stack_store.h"

/* Of a record and a series beside what they hold: what malloc adds. */
#define MALLOC_OVERHEAD 16
#define NAME_MAX_BYTES  1024 /* of a service's or container's name; hostile ones are longer */

struct series {
	struct list_node node;
	char *id, *service, *name;
	size_t records;
	size_t bytes;
};

struct record {
	struct list_node node;
	struct series *series;
	int64_t time_ns, duration_ns, period_ns;
	uint64_t ticks;
	size_t len;
	uint8_t data[];
};

struct history {
	size_t max_bytes, record_bytes;
	struct list_node series, records;
	size_t record_count;
	uint64_t too_large;
	struct stack_store store;
};

/* The ticks of one stack of a profile. */
struct leaf {
	uint32_t node;
	uint64_t ticks;
};

struct history *history_new(size_t max_bytes)
{
	struct history *h = xcalloc(1, sizeof(*h));

	h->max_bytes = max_bytes;
	list_init(&h->series);
	list_init(&h->records);
	stack_store_init(&h->store);
	return h;
}

static void free_series(struct series *s)
{
	list_remove(&s->node);
	free(s->id);
	free(s->service);
	free(s->name);
	free(s);
}

static void drop_record(struct history *h, struct record *r)
{
	struct series *s = r->series;

	h->record_bytes -= sizeof(*r) + r->len + MALLOC_OVERHEAD;
	h->record_count--;
	list_remove(&r->node);
	free(r);
	if (--s->records)
		return;
	h->record_bytes -= s->bytes;
	free_series(s);
}

static struct record *oldest(const struct history *h)
{
	return list_entry(h->records.next, struct record, node);
}

void history_free(struct history *h)
{
	if (!h)
		return;
	while (!list_empty(&h->records))
		drop_record(h, oldest(h));
	stack_store_release(&h->store);
	free(h);
}

static int by_node(const void *a, const void *b)
{
	uint32_t x = ((const struct leaf *)a)->node, y = ((const struct leaf *)b)->node;

	return x < y ? -1 : x > y;
}

/* Sorts the leaves and writes them, those of one node as one. */
static void encode(struct strbuf *out, struct leaf *leaves, size_t count)
{
	uint32_t before = 0;

	qsort(leaves, count, sizeof(leaves[0]), by_node);
	for (size_t i = 0; i < count; i++) {
		uint64_t ticks = leaves[i].ticks;

		while (i + 1 < count && leaves[i + 1].node == leaves[i].node)
			ticks += leaves[++i].ticks;
		protobuf_add_varint(out, leaves[i].node - before);
		protobuf_add_varint(out, ticks);
		before = leaves[i].node;
	}
}

static uint64_t read_varint(const uint8_t **at)
{
	uint64_t value = 0;

	for (unsigned shift = 0;; shift += 7) {
		uint8_t byte = *(*at)++;

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return value;
	}
}

/* Goes through the stacks of a record. */
struct leaf_reader {
	const uint8_t *at, *end;
	struct leaf leaf;
};

static struct leaf_reader leaves_of(const struct record *r)
{
	return (struct leaf_reader){.at = r->data, .end = r->data + r->len};
}

static bool next_leaf(struct leaf_reader *reader)
{
	if (reader->at >= reader->end)
		return false;
	reader->leaf.node += (uint32_t)read_varint(&reader->at);
	reader->leaf.ticks = read_varint(&reader->at);
	return true;
}

/* Before `pos` in the list of records. */
static struct record *add_record(struct history *h, struct list_node *pos, struct series *s,
	const struct strbuf *data)
{
	struct record *r = xcalloc(1, sizeof(*r) + data->len);

	r->series = s;
	r->len = data->len;
	memcpy(r->data, data->buf, data->len);
	h->record_bytes += sizeof(*r) + r->len + MALLOC_OVERHEAD;
	h->record_count++;
	if (!s->records++)
		h->record_bytes += s->bytes;
	list_insert_before(pos, &r->node);
	return r;
}

/* Where the nodes of the old store are in the new one; 0: nowhere yet. */
static uint32_t move_node(const struct stack_store *from, struct stack_store *to, uint32_t *moved,
	uint32_t node)
{
	uint32_t way[PPROF_MAX_DEPTH + 2];
	size_t depth = 0;

	while (node != STACK_ROOT && !moved[node] && depth < ARRAY_SIZE(way)) {
		way[depth++] = node;
		node = from->nodes[node].parent;
	}
	uint32_t at = node == STACK_ROOT ? STACK_ROOT : moved[node];

	while (depth-- > 0) {
		const struct stack_frame *f = &from->frames[from->nodes[way[depth]].frame];
		uint32_t frame = stack_store_frame(to, string_table_get(&from->strings, f->name),
			string_table_get(&from->strings, f->module), f->kernel);

		at = moved[way[depth]] = stack_store_child(to, at, frame);
	}
	return at;
}

/* It becomes the oldest. */
static void move_record(struct history *h, const struct record *r, const struct stack_store *from,
	uint32_t *moved)
{
	struct leaf *leaves cleanup_free = xcalloc(r->len, sizeof(leaves[0]));
	struct strbuf data cleanup_strbuf = STRBUF_INIT;
	size_t count = 0;

	for (struct leaf_reader i = leaves_of(r); next_leaf(&i);)
		leaves[count++] = (struct leaf){
			.node = move_node(from, &h->store, moved, i.leaf.node),
			.ticks = i.leaf.ticks,
		};
	encode(&data, leaves, count);
	struct record *copy = add_record(h, h->records.next, r->series, &data);

	copy->time_ns = r->time_ns;
	copy->duration_ns = r->duration_ns;
	copy->period_ns = r->period_ns;
	copy->ticks = r->ticks;
}

size_t history_bytes(const struct history *h)
{
	return sizeof(*h) + h->record_bytes + stack_store_bytes(&h->store);
}

size_t history_intervals(const struct history *h)
{
	return h->record_count;
}

uint64_t history_too_large(const struct history *h)
{
	return h->too_large;
}

/*
 * The store holds what the records need and nothing else afterwards. A record with which the budget is
 * passed goes, with all older ones; then what it brought is still in the store.
 */
static void rebuild(struct history *h)
{
	struct stack_store old = h->store;
	uint32_t *moved cleanup_free = xcalloc(old.node_count, sizeof(moved[0]));
	struct list_node records;
	bool fits = true;

	stack_store_seal(&old);
	stack_store_init(&h->store);
	list_append(&h->records, &records);
	list_remove(&h->records);
	h->record_count = h->record_bytes = 0;
	list_for_each(n, &h->series)
		list_entry(n, struct series, node)->records = 0;
	while (!list_empty(&records)) {
		struct record *r = list_entry(records.prev, struct record, node);

		if (fits)
			move_record(h, r, &old, moved);
		list_remove(&r->node);
		free(r);
		if (fits && history_bytes(h) > h->max_bytes) {
			drop_record(h, oldest(h));
			fits = false;
		}
	}
	list_for_each_safe(n, &h->series)
		if (!list_entry(n, struct series, node)->records)
			free_series(list_entry(n, struct series, node));
	stack_store_release(&old);
}

/* At most twice around: after the first time what is there fits. */
static void keep_to_budget(struct history *h)
{
	while (history_bytes(h) > h->max_bytes && (h->record_count || h->store.node_count > 1)) {
		size_t drop = h->record_count / 8 + 1;

		for (; drop > 0 && h->record_count > 1; drop--)
			drop_record(h, oldest(h));
		rebuild(h);
	}
}

void history_set_max_bytes(struct history *h, size_t max_bytes)
{
	h->max_bytes = max_bytes;
	keep_to_budget(h);
}

static struct series *series_of(struct history *h, const char *id, const char *service,
	const char *name)
{
	list_for_each(n, &h->series) {
		struct series *s = list_entry(n, struct series, node);

		if (strcmp(s->id, id) == 0 && strncmp(s->service, service, NAME_MAX_BYTES) == 0 &&
			strncmp(s->name, name, NAME_MAX_BYTES) == 0)
			return s;
	}
	struct series *s = xcalloc(1, sizeof(*s));

	s->id = xstrndup(id, NAME_MAX_BYTES);
	s->service = xstrndup(service, NAME_MAX_BYTES);
	s->name = xstrndup(name, NAME_MAX_BYTES);
	s->bytes = sizeof(*s) + strlen(s->id) + strlen(s->service) + strlen(s->name) +
		4 * MALLOC_OVERHEAD;
	list_append(&h->series, &s->node);
	return s;
}

/* The frames of the store for the locations of a profile. */
static uint32_t *frames_of(struct stack_store *store, const struct pprof *p)
{
	uint32_t *frames = xcalloc(p->location_count, sizeof(frames[0]));

	for (size_t i = 0; i < p->location_count; i++) {
		const struct pprof_location *l = &p->locations[i];
		const struct pprof_mapping *m =
			l->mapping == NO_MAPPING ? NULL : &p->mappings[l->mapping];

		frames[i] = stack_store_frame(store,
			string_table_get(&p->strings, p->functions[l->function].name),
			m ? string_table_get(&p->strings, m->name) : "",
			m && m->kind == MODULE_KERNEL);
	}
	return frames;
}

/* The way from the root to the leaf of the stack before, the outermost first. */
struct way {
	uint32_t depth;
	uint32_t frames[PPROF_MAX_DEPTH + 2], nodes[PPROF_MAX_DEPTH + 2];
};

/* Two stacks one after the other have most of their outer calls in common: from where they part on, nodes are asked for. */
static uint32_t add_way(struct stack_store *store, struct way *way, const uint32_t *frames,
	const uint32_t *locations, uint32_t depth)
{
	uint32_t node = STACK_ROOT, i = 0;

	while (i < depth && i < way->depth && way->frames[i] == frames[locations[depth - 1 - i]])
		node = way->nodes[i++];
	way->depth = MIN(depth, (uint32_t)ARRAY_SIZE(way->frames));
	for (; i < depth; i++) {
		uint32_t frame = frames[locations[depth - 1 - i]];

		node = stack_store_child(store, node, frame);
		if (i >= way->depth)
			continue;
		way->frames[i] = frame;
		way->nodes[i] = node;
	}
	return node;
}

/* The nodes of the profile's stacks. False, and not all of them, where they bring too much. */
static bool add_stacks(struct history *h, const struct pprof *p, struct leaf *leaves)
{
	size_t max = stack_store_needed(&h->store) + h->max_bytes / 2;
	uint32_t *frames cleanup_free = frames_of(&h->store, p);
	struct way way = {.depth = 0};

	for (size_t i = 0; i < p->stack_count; i++) {
		const struct pprof_stack *stack = &p->stacks[i];
		uint32_t node =
			add_way(&h->store, &way, frames, &p->frames[stack->first], stack->depth);

		leaves[i] = (struct leaf){.node = node, .ticks = stack->ticks};
		if (stack_store_needed(&h->store) > max)
			return false;
	}
	return true;
}

void history_add(struct history *h, const char *id, const char *service, const char *name,
	const struct pprof *p)
{
	struct leaf *leaves cleanup_free = xcalloc(p->stack_count, sizeof(leaves[0]));
	struct strbuf data cleanup_strbuf = STRBUF_INIT;

	if (!p->stack_count || !h->max_bytes)
		return;
	if (!add_stacks(h, p, leaves)) {
		h->too_large++;
		rebuild(h);
		keep_to_budget(h);
		return;
	}
	encode(&data, leaves, p->stack_count);
	struct record *r = add_record(h, &h->records, series_of(h, id, service, name), &data);

	r->time_ns = p->options.time_ns;
	r->duration_ns = p->options.duration_ns;
	r->period_ns = p->options.period_ns;
	r->ticks = p->total;
	keep_to_budget(h);
}

static bool selects(const struct history_query *q, const struct record *r)
{
	return (!q->id || strcmp(q->id, r->series->id) == 0) &&
		(!q->service || strcmp(q->service, r->series->service) == 0) &&
		r->time_ns >= q->from_ns && (!q->until_ns || r->time_ns < q->until_ns);
}

void history_visit(const struct history *h, const struct history_query *query,
	void (*visit)(void *ctx, const struct history_interval *interval), void *ctx)
{
	list_for_each(n, &h->records) {
		const struct record *r = list_entry(n, struct record, node);

		if (selects(query, r))
			visit(ctx,
				&(struct history_interval){
					.id = r->series->id,
					.service = r->series->service,
					.name = r->series->name,
					.time_ns = r->time_ns,
					.duration_ns = r->duration_ns,
					.period_ns = r->period_ns,
					.ticks = r->ticks,
				});
	}
}

static struct pprof_frame frame_of(const struct stack_store *store, uint32_t frame)
{
	const struct stack_frame *f = &store->frames[frame];

	return (struct pprof_frame){
		.name = string_table_get(&store->strings, f->name),
		.module = string_table_get(&store->strings, f->module),
		.kernel = f->kernel,
	};
}

static void add_stack(struct pprof *p, const struct stack_store *store, const struct leaf *leaf)
{
	struct pprof_frame frames[PPROF_MAX_DEPTH + 2];
	size_t count = 0;

	for (uint32_t n = leaf->node; n != STACK_ROOT && count < ARRAY_SIZE(frames);
		n = store->nodes[n].parent)
		frames[count++] = frame_of(store, store->nodes[n].frame);
	pprof_add_named(p, frames, count, leaf->ticks);
}

static void add_up(const struct history *h, const struct history_query *query, uint64_t *ticks,
	struct pprof_options *ret)
{
	list_for_each(n, &h->records) {
		const struct record *r = list_entry(n, struct record, node);

		if (!selects(query, r))
			continue;
		if (!ret->time_ns) {
			ret->time_ns = r->time_ns;
			ret->period_ns = r->period_ns;
		}
		ret->duration_ns =
			MAX(ret->duration_ns, r->time_ns + r->duration_ns - ret->time_ns);
		/* In ticks of the first one's period: the rate may have been changed on the way. */
		for (struct leaf_reader i = leaves_of(r); next_leaf(&i);)
			ticks[i.leaf.node] += r->period_ns == ret->period_ns
				? i.leaf.ticks
				: i.leaf.ticks * (uint64_t)r->period_ns / (uint64_t)ret->period_ns;
	}
}

/* Of all stacks that have ticks. */
static size_t count_frames(const struct stack_store *store, const uint64_t *ticks)
{
	uint32_t *depth cleanup_free = xcalloc(store->node_count, sizeof(depth[0]));
	size_t sum = 0;

	for (size_t i = 1; i < store->node_count; i++) {
		depth[i] = depth[store->nodes[i].parent] + 1;
		sum += ticks[i] ? depth[i] : 0;
	}
	return sum;
}

int history_profile(const struct history *h, const struct history_query *query, struct pprof **ret)
{
	uint64_t *ticks cleanup_free = xcalloc(h->store.node_count, sizeof(ticks[0]));
	struct pprof_options options = {0};

	add_up(h, query, ticks, &options);
	if (!options.time_ns)
		return -ENOENT;
	if (count_frames(&h->store, ticks) > HISTORY_MAX_FRAMES)
		return -EFBIG;
	struct pprof *p = pprof_new(&options);

	for (uint32_t i = 1; i < h->store.node_count; i++)
		if (ticks[i])
			add_stack(p, &h->store, &(struct leaf){.node = i, .ticks = ticks[i]});
	*ret = p;
	return 0;
}

/* Numbers, from 1 on, of the nodes that have ticks or lead to such; 0: of the others. How many. */
static size_t number_nodes(const struct stack_store *store, const uint64_t *ticks,
	uint32_t *numbers)
{
	uint32_t count = 0;

	for (size_t i = store->node_count; i-- > 1;) {
		numbers[i] |= ticks[i] > 0;
		numbers[store->nodes[i].parent] |= numbers[i];
	}
	numbers[STACK_ROOT] = 0;
	for (size_t i = 1; i < store->node_count; i++)
		if (numbers[i])
			numbers[i] = ++count;
	return count;
}

static void add_nodes(struct flat_tree *t, const struct stack_store *store, const uint64_t *ticks,
	const uint32_t *numbers)
{
	uint32_t *frames cleanup_free = xcalloc(store->frame_count, sizeof(frames[0]));

	for (size_t i = 1; i < store->node_count; i++) {
		const struct stack_node *n = &store->nodes[i];

		if (!numbers[i])
			continue;
		if (!frames[n->frame]) {
			t->frames[t->frame_count++] = frame_of(store, n->frame);
			frames[n->frame] = (uint32_t)t->frame_count;
		}
		t->nodes[t->node_count++] = (struct flat_node){
			.parent = numbers[n->parent],
			.frame = frames[n->frame] - 1,
			.self = ticks[i],
		};
		t->ticks += ticks[i];
	}
}

int history_tree(const struct history *h, const struct history_query *query, struct flat_tree *ret)
{
	const struct stack_store *store = &h->store;
	uint64_t *ticks cleanup_free = xcalloc(store->node_count, sizeof(ticks[0]));
	uint32_t *numbers cleanup_free = xcalloc(store->node_count, sizeof(numbers[0]));
	struct pprof_options options = {0};

	add_up(h, query, ticks, &options);
	if (!options.time_ns)
		return -ENOENT;
	size_t count = number_nodes(store, ticks, numbers);

	if (count > HISTORY_MAX_NODES)
		return -EFBIG;
	*ret = (struct flat_tree){
		.options = options,
		.ticks = ticks[STACK_ROOT],
		.frames = xcalloc(MIN(count, store->frame_count), sizeof(struct pprof_frame)),
		.nodes = xcalloc(count, sizeof(struct flat_node)),
	};
	add_nodes(ret, store, ticks, numbers);
	return 0;
}
