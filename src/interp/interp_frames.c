// SPDX-License-Identifier: Apache-2.0
/*
 * From records to frames. Most stacks of a round are made of the same few frames, and each record is named twice, when
 * it comes (its process may end) and in its stack: what is found for a frame is kept for the round.
 */
#include "interp/interp_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"

/* "app.py work", as the replaced agents wrote it. */
static const char *shown(struct interp *in)
{
	const char *file = in->name.file.buf, *slash = strrchr(file, '/');

	if (slash && slash[1] && !in->full_paths)
		file = slash + 1;
	strbuf_reset(&in->text);
	if (*file)
		strbuf_addf(&in->text, "%s ", file);
	strbuf_add_str(&in->text, in->name.function.buf);
	return in->text.buf;
}

struct place {
	struct named_code *code; /* NULL: not known */
	bool has_line;
	uint32_t line;
};

/* Reads the name now, unless there is no room for more, or too much has been read of the process in this round. */
static void read_name(struct interp *in, struct interp_process_entry *p,
	const struct interp_frame *record, struct place *place)
{
	struct named_code *known = place->code;

	if (!known && in->names.bytes > 2 * in->names.max_bytes)
		return;
	interp_begin_reading(in, p, &p->names_left);
	in->name.only_line = known != NULL;
	int r = p->runtime->name(p->attached, &p->memory.memory, record, &in->name);

	interp_end_reading(p);
	if (r == -EAGAIN)
		return;
	if (!known) {
		known = name_cache_add(&in->names, p->number, record, r == 0 ? shown(in) : NULL,
			r == 0 ? &in->name : NULL);
		known->hidden = r == -ENOENT;
		in->stats.read++;
	}
	*place = (struct place){known, r == 0, r == 0 ? in->name.line : 0};
	if (r == 0)
		name_cache_add_line(&in->names, known, record->at, in->name.line);
}

static struct place place_of(struct interp *in, struct interp_process_entry *p,
	const struct interp_frame *record)
{
	struct place place = {.code = name_cache_find(&in->names, p->number, record)};

	if (place.code && place.code->function)
		place.has_line = name_cache_line(place.code, record->at, &place.line);
	if (!place.code || (place.code->function && !place.has_line))
		read_name(in, p, record, &place);
	return place;
}

/* *ret_final: whether the same is to be said for the rest of the round. Without a module: it is not to be shown. */
static struct frame name_frame(struct interp *in, const struct process_id *id,
	const struct interp_frame *record, bool *ret_final)
{
	struct interp_process_entry *p = interp_find(in, id);
	struct place place = {0};

	*ret_final = false;
	if (p && p->attached) {
		p->used_round = in->round;
		list_remove(&p->node);
		list_append(&in->by_use, &p->node);
		place = place_of(in, p, record);
	}
	const struct named_code *code = place.code;

	if (!code || !code->function) {
		*ret_final = code && code->hidden;
		return *ret_final ? (struct frame){0} : in->unnamed;
	}
	*ret_final = place.has_line;
	return (struct frame){
		.module = in->unnamed.module,
		.address = record->code + record->at,
		.function = code->function,
		.file = code->file,
		/* The process may be gone by now. */
		.line = place.has_line ? place.line : code->first_line,
		.first_line = code->first_line,
		.origin = NAME_INTERPRETER,
	};
}

static struct named_key key_of(const struct process_id *id, const struct interp_frame *record)
{
	return (struct named_key){{
		record->code,
		(uint64_t)record->at << 32 | record->check,
		(uint64_t)id->pid << 32 | id->exec_id,
		id->start_ns,
	}};
}

/* There must be room for one more. */
static struct frame *name(struct interp *in, const struct process_id *id,
	const struct named_key *key, const struct interp_frame *record)
{
	struct frame *found = named_frames_find(&in->named, key);
	bool final;

	if (!found) {
		struct frame frame = name_frame(in, id, record, &final);

		if (final)
			found = named_frames_add(&in->named, key, &frame);
		else if (frame.origin == NAME_INTERPRETER)
			found = named_frames_put(&in->named, &frame);
		else
			found = &in->unnamed;
	}
	if (!found->module)
		return NULL;
	if (found->origin == NAME_INTERPRETER)
		in->stats.named++;
	else
		in->stats.gone++;
	return found;
}

struct frame *interp_name(struct interp *in, const struct process_id *id,
	const struct interp_frame *record)
{
	const struct named_key key = key_of(id, record);

	named_frames_reserve(&in->named, 1);
	return name(in, id, &key, record);
}

void interp_note(struct interp *in, const struct process_id *id, const struct interp_frame *records,
	size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct interp_frame record = records[i];

		record.code &= ~INTERP_LAST;
		const struct named_key key = key_of(id, &record);

		if (!named_frames_find(&in->named, &key))
			interp_name(in, id, &record);
	}
}

/* For each native frame, some twenty times: nearly all differ in their first letters. */
static bool begins_with(const char *s, const char *prefix)
{
	while (*prefix && *s == *prefix) {
		s++;
		prefix++;
	}
	return !*prefix;
}

static bool begins_with_one_of(const char *s, const char *const *prefixes)
{
	for (; *prefixes; prefixes++)
		if (begins_with(s, *prefixes))
			return true;
	return false;
}

static bool is_internal(struct interp *in, const struct runtime *runtime, const char *function)
{
	uint64_t hash = hash_u64((uintptr_t)function);
	struct recent_function *recent = &in->functions[hash & (RECENT_FUNCTIONS - 1)];

	if (recent->function != function || recent->runtime != runtime)
		*recent = (struct recent_function){
			.function = function,
			.runtime = runtime,
			.internal = begins_with_one_of(function, runtime->internal_prefixes),
		};
	return recent->internal;
}

static uint8_t mark_of(const struct interp_process_entry *p, const struct module *module)
{
	if (module->kind == MODULE_ANONYMOUS)
		return STITCH_GENERATED;
	if (p && p->runtime && module->kind == MODULE_FILE &&
		begins_with_one_of(module->name, p->runtime->switching_modules))
		return STITCH_SWITCHES;
	return STITCH_PLAIN;
}

/* Without ranges, where the process is not known: then its native frames are all there is. */
static size_t plan_stack(struct interp *in, const struct process_id *id, struct stitch_stack stack)
{
	static const struct interp_ranges none;
	const struct interp_process_entry *p = interp_find(in, id);
	struct frame *const *native = in->room.native;
	uint8_t *marks = in->room.marks;

	for (size_t i = 0; i < stack.ip_count; i++)
		marks[i] = mark_of(p, native[i]->module);
	stack.marks = marks;
	return stitch(&stack, p ? &p->description.ranges : &none, in->internal_frames,
		in->room.plan);
}

/* Of the native frames that the language's have called, those that only lead on to the next. */
static size_t hide_internal(struct interp *in, const struct process_id *id, struct frame **frames,
	size_t count)
{
	const struct interp_process_entry *p = interp_find(in, id);
	size_t outermost = count, kept = 0;

	while (outermost && frames[outermost - 1]->module->kind != MODULE_INTERPRETED)
		outermost--;
	if (in->internal_frames || !p || !p->runtime)
		return count;
	for (size_t i = 0; i < count; i++)
		if (i >= outermost || frames[i]->module->kind != MODULE_FILE ||
			!frames[i]->function || !is_internal(in, p->runtime, frames[i]->function))
			frames[kept++] = frames[i];
	return kept;
}

static void make_room(struct stack_room *s, size_t count)
{
	if (count <= s->capacity)
		return;
	s->capacity = grow_capacity(s->capacity, count);
	s->native = xreallocarray(s->native, s->capacity, sizeof(s->native[0]));
	s->plan = xreallocarray(s->plan, s->capacity, sizeof(s->plan[0]));
	s->marks = xreallocarray(s->marks, s->capacity, sizeof(s->marks[0]));
}

size_t interp_stack(struct interp *in, const struct process_id *id,
	const struct stitch_stack *stack, struct frame **frames)
{
	size_t count = stack->ip_count, room = count + stack->record_count, out = 0;

	if (!stack->record_count)
		return count;
	make_room(&in->room, room + 1);
	named_frames_reserve(&in->named, stack->record_count);
	struct frame *const *native = in->room.native;
	const struct stitched *plan = in->room.plan;

	memcpy(in->room.native, frames, count * sizeof(frames[0]));
	count = plan_stack(in, id, *stack);
	for (size_t i = 0; i < count; i++) {
		if (!plan[i].language) {
			frames[out++] = native[plan[i].index];
			continue;
		}
		struct interp_frame record = stack->records[plan[i].index];

		record.code &= ~INTERP_LAST;
		const struct named_key key = key_of(id, &record);

		frames[out] = name(in, id, &key, &record);
		out += frames[out] != NULL;
		if (plan[i].index == stack->record_count - 1 &&
			!(stack->records[plan[i].index].code & INTERP_LAST))
			frames[out++] = &in->cut;
	}
	return hide_internal(in, id, frames, out);
}

void interp_init_frames(struct interp *in)
{
	const struct frame pseudo = {
		.module = &in->modules[INTERP_PYTHON],
		.origin = NAME_PSEUDO,
		.missing = MISSING_MAPS,
	};

	named_frames_init(&in->named);
	in->unnamed = in->cut = pseudo;
	in->unnamed.function = "[python]";
	in->cut.function = "[truncated]";
}

void interp_forget_frames(struct interp *in)
{
	named_frames_clear(&in->named);
	memset(in->functions, 0, sizeof(in->functions));
}

void interp_free_frames(struct interp *in)
{
	named_frames_release(&in->named);
	free(in->room.native);
	free(in->room.plan);
	free(in->room.marks);
}
