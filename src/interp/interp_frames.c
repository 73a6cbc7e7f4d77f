// SPDX-License-Identifier: Apache-2.0
/*
 * From records to frames. Most stacks of a round are made of the same few frames, and each record is named twice, when
 * it comes (its process may end) and in its stack: what is found for a frame is kept for the round where its hash says,
 * until another frame wants that place.
 */
#include "interp/interp_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"

#define UNNAMED "[python]"

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

static struct frame pseudo_frame(const struct interp *in, const char *name)
{
	return (struct frame){
		.module = &in->modules[INTERP_PYTHON],
		.function = name,
		.origin = NAME_PSEUDO,
		.missing = MISSING_MAPS,
	};
}

/* *ret_final: whether the same is to be said for the rest of the round. */
static bool name_frame(struct interp *in, const struct process_id *id,
	const struct interp_frame *record, struct frame *ret, bool *ret_final)
{
	struct interp_process_entry *p = interp_find(in, id);
	struct place place = {0};

	*ret = pseudo_frame(in, UNNAMED);
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
		return !*ret_final;
	}
	*ret_final = place.has_line;
	ret->function = code->function;
	ret->file = code->file;
	ret->line = place.has_line ? place.line : code->first_line; /* the process is gone by now */
	ret->first_line = code->first_line;
	ret->address = record->code + record->at;
	ret->origin = NAME_INTERPRETER;
	ret->missing = MISSING_NOT;
	return true;
}

static struct recent_frame *recent_of(struct interp *in, const struct process_id *id,
	const struct interp_frame *record)
{
	uint64_t hash = hash_combine(record->code, (uint64_t)id->pid << 32 | record->at);

	return &in->recent[hash & (RECENT_FRAMES - 1)];
}

static bool is_recent(const struct recent_frame *r, const struct process_id *id,
	const struct interp_frame *record)
{
	return r->frame.module && r->record.code == record->code && r->record.at == record->at &&
		r->record.check == record->check && process_id_equal(&r->id, id);
}

bool interp_name(struct interp *in, const struct process_id *id, const struct interp_frame *record,
	struct frame *ret)
{
	struct recent_frame *recent = recent_of(in, id, record);
	bool shown, final;

	if (is_recent(recent, id, record)) {
		*ret = recent->frame;
		shown = recent->shown;
	} else {
		shown = name_frame(in, id, record, ret, &final);
		if (final)
			*recent = (struct recent_frame){*id, *record, *ret, shown};
	}
	if (ret->origin == NAME_INTERPRETER)
		in->stats.named++;
	else if (shown)
		in->stats.gone++;
	return shown;
}

void interp_note(struct interp *in, const struct process_id *id, const struct interp_frame *records,
	size_t count)
{
	struct frame frame;

	for (size_t i = 0; i < count; i++) {
		struct interp_frame record = records[i];

		record.code &= ~INTERP_LAST;
		if (!is_recent(recent_of(in, id, &record), id, &record))
			interp_name(in, id, &record, &frame);
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
	const struct frame *native = in->room.native;
	uint8_t *marks = in->room.marks;

	for (size_t i = 0; i < stack.ip_count; i++)
		marks[i] = mark_of(p, native[i].module);
	stack.marks = marks;
	return stitch(&stack, p ? &p->description.ranges : &none, in->internal_frames,
		in->room.plan);
}

/* Of the native frames that the language's have called, those that only lead on to the next. */
static size_t hide_internal(struct interp *in, const struct process_id *id, struct frame *frames,
	size_t count)
{
	const struct interp_process_entry *p = interp_find(in, id);
	size_t outermost = count, kept = 0;

	while (outermost && frames[outermost - 1].module->kind != MODULE_INTERPRETED)
		outermost--;
	if (in->internal_frames || !p || !p->runtime)
		return count;
	for (size_t i = 0; i < count; i++)
		if (i >= outermost || frames[i].module->kind != MODULE_FILE ||
			!frames[i].function || !is_internal(in, p->runtime, frames[i].function))
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
	const struct stitch_stack *stack, struct frame *frames)
{
	size_t count = stack->ip_count, room = count + stack->record_count, out = 0;

	if (!stack->record_count)
		return count;
	make_room(&in->room, room + 1);
	const struct frame *native = in->room.native;
	const struct stitched *plan = in->room.plan;

	memcpy(in->room.native, frames, count * sizeof(*native));
	count = plan_stack(in, id, *stack);
	for (size_t i = 0; i < count; i++) {
		if (!plan[i].language) {
			frames[out++] = native[plan[i].index];
			continue;
		}
		struct interp_frame record = stack->records[plan[i].index];

		record.code &= ~INTERP_LAST;
		out += interp_name(in, id, &record, &frames[out]);
		if (plan[i].index == stack->record_count - 1 &&
			!(stack->records[plan[i].index].code & INTERP_LAST))
			frames[out++] = pseudo_frame(in, "[truncated]");
	}
	return hide_internal(in, id, frames, out);
}

void interp_forget_frames(struct interp *in)
{
	memset(in->recent, 0, sizeof(in->recent));
	memset(in->functions, 0, sizeof(in->functions));
}

void interp_free_frames(struct interp *in)
{
	free(in->room.native);
	free(in->room.plan);
	free(in->room.marks);
}
