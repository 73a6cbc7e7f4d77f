// SPDX-License-Identifier: Apache-2.0
/*
 * A profile under construction is five arrays that refer to one another by index, each with a table
 * that finds equal elements; nothing in it points outside, so that modules and names may go away as
 * soon as pprof_add() returns.
 *
 *	stacks     | first, depth, ticks | ...          equal lists of frames are one stack
 *	               |
 *	frames     | 7 | 3 | 0 | ... (leaf first)       numbers of locations
 *	             |
 *	locations  | mapping, address, function | ...   a place in the code, by (module, address, name)
 *	               |                  |
 *	mappings   | path, build id |  functions | name |     strings by their number
 *
 * Most frames are known already. Those that are the very same object say themselves where they are; others are found
 * by module and address, and cost no more than comparing their name; only new names are hashed, repaired and interned.
 *
 * A new stack is written behind the last frame first and looked up there: where an equal one exists,
 * the end of frames[] simply does not move.
 */
#include "export/pprof.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "export/pprof_tables.h"

/* "module+0x" and 16 digits; module names are last components of paths, 255 bytes at most. */
#define NAMELESS_MAX 288

/* The element after the last one of an array that has room for it afterwards. */
#define array_next(array, count, capacity)                                                         \
	({                                                                                         \
		if ((count) == (capacity)) {                                                       \
			(capacity) = grow_capacity(capacity, (count) + 1);                         \
			(array) = xreallocarray(array, capacity, sizeof((array)[0]));              \
		}                                                                                  \
		&(array)[(count)++];                                                               \
	})

static uint32_t add_string(struct pprof *p, const char *s)
{
	return string_table_add(&p->strings, s, strlen(s));
}

struct pprof *pprof_new(const struct pprof_options *options)
{
	struct pprof *p = xcalloc(1, sizeof(*p));

	p->options = *options;
	p->last_root = DEDUP_NONE;
	string_table_init(&p->strings);
	p->cpu = add_string(p, "cpu");
	p->nanoseconds = add_string(p, "nanoseconds");
	return p;
}

void pprof_free(struct pprof *p)
{
	if (!p)
		return;
	string_table_release(&p->strings);
	free(p->mappings);
	free(p->functions);
	free(p->locations);
	free(p->stacks);
	free(p->frames);
	dedup_release(&p->mapping_dedup);
	dedup_release(&p->function_dedup);
	dedup_release(&p->location_dedup);
	dedup_release(&p->stack_dedup);
	free(p);
}

uint64_t pprof_total(const struct pprof *p)
{
	return p->total;
}

size_t pprof_sample_count(const struct pprof *p)
{
	return p->stack_count;
}

const struct pprof_options *pprof_get_options(const struct pprof *p)
{
	return &p->options;
}

void pprof_set_duration(struct pprof *p, int64_t duration_ns)
{
	p->options.duration_ns = duration_ns;
}

/* What the dedup tables compare: a candidate and the profile that holds the others. */
struct key {
	const struct pprof *p;
	uint32_t id; /* of a module, a depth */
	const struct frame *frame;
	const struct pprof_function *function;
	const struct pprof_location *location;
	const uint32_t *frames;
};

static const char *function_name(const struct pprof *p, uint32_t function)
{
	return string_table_get(&p->strings, p->functions[function].name);
}

static bool same_mapping(const void *key, uint32_t i)
{
	const struct key *k = key;

	return k->p->mappings[i].module_id == k->id;
}

static uint32_t add_mapping(struct pprof *p, const struct module *m)
{
	struct key key = {.p = p, .id = m->id};
	uint64_t hash = hash_u64(m->id);
	uint32_t i = dedup_find(&p->mapping_dedup, hash, same_mapping, &key);

	if (i != DEDUP_NONE)
		return i;
	i = (uint32_t)p->mapping_count;
	*array_next(p->mappings, p->mapping_count, p->mapping_capacity) = (struct pprof_mapping){
		.module_id = m->id,
		.path = add_string(p, m->path),
		.name = add_string(p, m->name),
		.build_id = add_string(p, m->build_id),
		.start = m->start,
		.end = m->end,
		.file_offset = m->file_offset,
		.kind = m->kind,
	};
	dedup_add(&p->mapping_dedup, hash, i);
	return i;
}

static bool same_function(const void *key, uint32_t i)
{
	const struct key *k = key;

	const struct pprof_function *f = &k->p->functions[i];

	return f->name == k->function->name && f->file == k->function->file &&
		f->first_line == k->function->first_line;
}

/* file: NULL or "" where it is not known. */
static uint32_t add_function(struct pprof *p, const char *name, const char *file,
	uint32_t first_line)
{
	struct pprof_function function = {
		.name = add_string(p, name),
		.file = file ? add_string(p, file) : 0,
		.first_line = first_line,
	};
	struct key key = {.p = p, .function = &function};
	uint64_t hash = hash_combine(function.name, (uint64_t)function.file << 32 | first_line);
	uint32_t i = dedup_find(&p->function_dedup, hash, same_function, &key);

	if (i != DEDUP_NONE)
		return i;
	i = (uint32_t)p->function_count;
	*array_next(p->functions, p->function_count, p->function_capacity) = function;
	dedup_add(&p->function_dedup, hash, i);
	return i;
}

/* Places are found by module and address; the name decides among the few of one place. */
static uint64_t place_hash(uint32_t module_id, uint64_t address)
{
	return hash_combine(module_id, address);
}

static bool same_frame(const void *key, uint32_t i)
{
	const struct key *k = key;
	const struct pprof_location *l = &k->p->locations[i];

	if (l->mapping == NO_MAPPING || l->address != k->frame->address ||
		l->line != k->frame->line ||
		k->p->mappings[l->mapping].module_id != k->frame->module->id)
		return false;
	if (!k->frame->function || l->nameless)
		return !k->frame->function && l->nameless;
	const struct pprof_function *f = &k->p->functions[l->function];
	const char *file = k->frame->file ? k->frame->file : "";

	return strcmp(string_table_get(&k->p->strings, f->name), k->frame->function) == 0 &&
		f->first_line == k->frame->first_line &&
		strcmp(string_table_get(&k->p->strings, f->file), file) == 0;
}

static bool same_location(const void *key, uint32_t i)
{
	const struct key *k = key;
	const struct pprof_location *l = &k->p->locations[i];

	return l->address == k->location->address && l->mapping == k->location->mapping &&
		l->function == k->location->function && l->line == k->location->line;
}

static uint32_t add_location(struct pprof *p, const struct pprof_location *location)
{
	struct key key = {.p = p, .location = location};
	uint64_t hash = location->mapping == NO_MAPPING
		? place_hash(NO_MAPPING, location->function)
		: place_hash(p->mappings[location->mapping].module_id, location->address);

	/* Without an address the name alone tells them apart. */
	if (!location->address)
		hash = hash_combine(hash, location->function);
	uint32_t i = dedup_find(&p->location_dedup, hash, same_location, &key);

	if (i != DEDUP_NONE)
		return i;
	i = (uint32_t)p->location_count;
	*array_next(p->locations, p->location_count, p->location_capacity) = *location;
	dedup_add(&p->location_dedup, hash, i);
	return i;
}

/* The location of a frame that was not found as it is: a new one, or one whose name was repaired. */
static uint32_t add_new_frame(struct pprof *p, const struct frame *frame)
{
	struct pprof_location location = {
		.address = frame->address,
		.mapping = add_mapping(p, frame->module),
		.line = frame->line,
		.nameless = !frame->function || !*frame->function,
	};

	if (location.nameless) {
		char name[NAMELESS_MAX];

		snprintf(name, sizeof(name), "%.255s+0x%" PRIx64, frame->module->name,
			frame->address);
		location.function = add_function(p, name, NULL, 0);
	} else {
		location.function =
			add_function(p, frame->function, frame->file, frame->first_line);
		p->mappings[location.mapping].has_functions = true;
	}
	return add_location(p, &location);
}

static uint32_t add_frame(struct pprof *p, const struct frame *frame)
{
	struct key key = {.p = p, .frame = frame};
	uint64_t hash = place_hash(frame->module->id, frame->address);
	uint32_t i = dedup_find(&p->location_dedup, hash, same_frame, &key);

	return i != DEDUP_NONE ? i : add_new_frame(p, frame);
}

static uint32_t location_of(struct pprof *p, struct frame *frame)
{
	if (!p->options.number)
		return add_frame(p, frame);
	if (frame->memo.profile != p->options.number) {
		frame->memo.location = add_frame(p, frame);
		frame->memo.profile = p->options.number;
	}
	return frame->memo.location;
}

static uint32_t add_synthetic(struct pprof *p, const char *name)
{
	struct pprof_location location = {
		.mapping = NO_MAPPING,
		.function = add_function(p, name, NULL, 0),
	};

	return add_location(p, &location);
}

/* The samples of a program mostly have one root. */
static uint32_t add_root(struct pprof *p, const char *name)
{
	if (p->last_root == DEDUP_NONE ||
		strcmp(function_name(p, p->locations[p->last_root].function), name) != 0)
		p->last_root = add_synthetic(p, name);
	return p->last_root;
}

static bool same_stack(const void *key, uint32_t i)
{
	const struct key *k = key;
	const struct pprof_stack *s = &k->p->stacks[i];

	return s->depth == k->id &&
		memcmp(&k->p->frames[s->first], k->frames, s->depth * sizeof(k->frames[0])) == 0;
}

/* The stack whose frames stand at the end of frames[], from `first` on. */
static struct pprof_stack *add_stack(struct pprof *p, size_t first)
{
	struct key key = {
		.p = p,
		.id = (uint32_t)(p->frame_count - first),
		.frames = &p->frames[first],
	};
	uint64_t hash = hash_bytes(key.frames, key.id * sizeof(key.frames[0]));
	uint32_t i = dedup_find(&p->stack_dedup, hash, same_stack, &key);

	if (i != DEDUP_NONE) {
		p->frame_count = first;
		return &p->stacks[i];
	}
	dedup_add(&p->stack_dedup, hash, (uint32_t)p->stack_count);
	struct pprof_stack *stack = array_next(p->stacks, p->stack_count, p->stack_capacity);

	*stack = (struct pprof_stack){.first = first, .depth = key.id};
	return stack;
}

static void push_frame(struct pprof *p, uint32_t location)
{
	*array_next(p->frames, p->frame_count, p->frame_capacity) = location;
}

void pprof_add(struct pprof *p, const struct pprof_sample *sample)
{
	size_t first = p->frame_count;
	size_t depth = MIN(sample->frame_count, (size_t)PPROF_MAX_DEPTH);
	bool rooted = sample->root && *sample->root;

	if (!sample->count)
		return;
	for (size_t i = 0; i < depth; i++)
		push_frame(p, location_of(p, sample->frames[i]));
	if (sample->truncated || depth < sample->frame_count)
		push_frame(p, add_synthetic(p, "[truncated]"));
	if (rooted)
		push_frame(p, add_root(p, sample->root));
	if (p->frame_count == first)
		push_frame(p, add_synthetic(p, "[no stack]"));
	add_stack(p, first)->ticks += sample->count;
	p->total += sample->count;
}

static uint32_t add_named(struct pprof *p, const struct pprof_frame *frame)
{
	struct pprof_location location = {
		.mapping = NO_MAPPING,
		.function = add_function(p, frame->name, NULL, 0),
	};

	if (*frame->module) {
		location.mapping = add_mapping(p,
			&(struct module){
				.id = add_string(p, frame->module) << 1 | frame->kernel,
				.kind = frame->kernel ? MODULE_KERNEL : MODULE_FILE,
				.path = frame->module,
				.name = frame->module,
				.build_id = "",
			});
		p->mappings[location.mapping].has_functions = true;
	}
	return add_location(p, &location);
}

void pprof_add_named(struct pprof *p, const struct pprof_frame *frames, size_t count,
	uint64_t ticks)
{
	size_t first = p->frame_count;

	if (!ticks || !count)
		return;
	for (size_t i = 0; i < count; i++)
		push_frame(p, add_named(p, &frames[i]));
	add_stack(p, first)->ticks += ticks;
	p->total += ticks;
}

static uint32_t merge_mapping(struct pprof *into, const struct pprof *from, uint32_t i)
{
	if (i == NO_MAPPING)
		return NO_MAPPING;
	const struct pprof_mapping *m = &from->mappings[i];
	uint32_t merged = add_mapping(into,
		&(struct module){
			.id = m->module_id,
			.kind = m->kind,
			.path = string_table_get(&from->strings, m->path),
			.name = string_table_get(&from->strings, m->name),
			.build_id = string_table_get(&from->strings, m->build_id),
			.start = m->start,
			.end = m->end,
			.file_offset = m->file_offset,
		});

	into->mappings[merged].has_functions |= m->has_functions;
	return merged;
}

static uint32_t merge_location(struct pprof *into, const struct pprof *from, uint32_t i)
{
	const struct pprof_location *l = &from->locations[i];
	const struct pprof_function *f = &from->functions[l->function];
	struct pprof_location merged = {
		.address = l->address,
		.mapping = merge_mapping(into, from, l->mapping),
		.function = add_function(into, string_table_get(&from->strings, f->name),
			string_table_get(&from->strings, f->file), f->first_line),
		.line = l->line,
		.nameless = l->nameless,
	};

	return add_location(into, &merged);
}

/* map: of each location of `from`, its number in `into` + 1; 0: not there yet. */
static void merge_stack(struct pprof *into, const struct pprof *from,
	const struct pprof_stack *stack, uint32_t *map, const char *root)
{
	size_t first = into->frame_count;

	for (uint32_t k = 0; k < stack->depth; k++) {
		uint32_t i = from->frames[stack->first + k];

		if (!map[i])
			map[i] = merge_location(into, from, i) + 1;
		push_frame(into, map[i] - 1);
	}
	if (root)
		push_frame(into, add_root(into, root));
	add_stack(into, first)->ticks += stack->ticks;
	into->total += stack->ticks;
}

void pprof_merge(struct pprof *into, const struct pprof *from, const char *root)
{
	uint32_t *map cleanup_free = xcalloc(from->location_count, sizeof(map[0]));

	for (size_t i = 0; i < from->stack_count; i++)
		merge_stack(into, from, &from->stacks[i], map, root);
}

size_t pprof_copy_stacks(struct pprof *into, const struct pprof *from, size_t first, size_t max,
	size_t max_bytes)
{
	uint32_t *map cleanup_free = xcalloc(from->location_count, sizeof(map[0]));
	size_t i = first;

	while (i < from->stack_count && i - first < max &&
		(i == first || pprof_encoded_bound(into) < max_bytes))
		merge_stack(into, from, &from->stacks[i++], map, NULL);
	return i - first;
}

static struct pprof_frame visible_frame(const struct pprof *p, uint32_t i)
{
	const struct pprof_location *l = &p->locations[i];
	struct pprof_frame frame = {
		.name = function_name(p, l->function),
		.module = "",
	};

	if (l->mapping != NO_MAPPING) {
		frame.module = string_table_get(&p->strings, p->mappings[l->mapping].name);
		frame.kernel = p->mappings[l->mapping].kind == MODULE_KERNEL;
	}
	return frame;
}

static size_t deepest(const struct pprof *p)
{
	size_t depth = 0;

	for (size_t i = 0; i < p->stack_count; i++)
		depth = MAX(depth, (size_t)p->stacks[i].depth);
	return depth;
}

void pprof_visit(const struct pprof *p, pprof_visit_fn visit, void *ctx)
{
	struct pprof_frame *frames cleanup_free = xcalloc(deepest(p), sizeof(frames[0]));

	for (size_t i = 0; i < p->stack_count; i++) {
		const struct pprof_stack *s = &p->stacks[i];

		for (uint32_t k = 0; k < s->depth; k++)
			frames[k] = visible_frame(p, p->frames[s->first + k]);
		visit(ctx, frames, s->depth, s->ticks);
	}
}
