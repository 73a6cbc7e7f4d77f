// SPDX-License-Identifier: Apache-2.0
/*
 * Life of a process here: LOOKING (its mappings have been read, no runtime was there, or one that had not
 * begun) -> READY (described to the kernel side) or UNSUPPORTED. Its memory stays open: for this image and no
 * other, whatever becomes of the pid. A process that exec's is another process_id.
 *
 *	process --> binary (a file's runtime, shared) --> runtime->attach() --> attached, memory
 *	record --> name cache, by process, code object and check --> else runtime->name()
 *
 * Processes without a runtime are not kept. That their files hold none is known by the symbolizer's numbers of
 * these files, so that mappings read anew each round cost some look-ups.
 */
#include "interp/interp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/list.h"
#include "interp/binaries.h"
#include "interp/name_cache.h"
#include "proc/process_dir.h"

#define THREADS_MAX      4096 /* told at a time */
#define THREADS_PAUSE_NS (20 * NSEC_PER_MSEC) /* between two looks at a process's threads */
#define LOOK_FIRST_NS    (2 * NSEC_PER_MSEC) /* an interpreter begins within some ms ... */
#define LOOK_LAST_NS     (50 * NSEC_PER_MSEC) /* ... or much later: the pauses grow */
#define TRIES            100 /* some five seconds; then once a round */
#define ROUNDS_UNASKED   4 /* after which it is worth looking whether a process is still there */
#define UNNAMED          "[python]"

struct interp_process_entry {
	struct hashmap_entry entry;
	struct list_node node; /* least recently used first */
	struct process_id id;
	uint32_t number; /* in the name cache */
	const struct runtime *runtime; /* NULL: none yet */
	void *attached; /* NULL: not ready */
	struct interp_description description;
	bool unsupported;
	unsigned tries; /* left */
	int64_t look_ns, pause_ns; /* when the next one is due; after the last one */
	struct process_memory memory;
	int64_t threads_ns; /* when they were read last */
	uint64_t used_round;
};

struct interp {
	struct interp_stats stats;
	struct proc_root proc;
	size_t max_processes;
	bool full_paths, internal_frames;
	const struct interp_ops *ops;
	void *ctx;
	struct hashmap processes;
	struct list_node by_use;
	uint32_t next_number;
	uint64_t round;
	int64_t look_ns; /* when the next process is to be looked at again; 0: none is */
	struct binaries binaries;
	struct name_cache names;
	struct interp_name name; /* the last one read */
	struct strbuf text;
	struct module modules[INTERP_KINDS]; /* what the frames lie in */
	struct interp_thread threads[THREADS_MAX];
};

static bool process_is(const struct hashmap_entry *e, const void *key)
{
	return process_id_equal(&container_of(e, struct interp_process_entry, entry)->id, key);
}

int interp_new(const struct interp_options *options, const struct interp_ops *ops, void *ctx,
	struct interp **ret, struct error *err)
{
	struct interp *in = xcalloc(1, sizeof(*in));
	int r = proc_root_init(&in->proc, options->proc);

	if (r < 0) {
		free(in);
		return error_set_errno(err, r, "cannot open %s", options->proc);
	}
	in->max_processes = MAX(options->max_processes, (size_t)1);
	in->full_paths = options->full_paths;
	in->internal_frames = options->internal_frames;
	in->ops = ops;
	in->ctx = ctx;
	in->round = 1;
	hashmap_init(&in->processes, process_is);
	list_init(&in->by_use);
	binaries_init(&in->binaries);
	name_cache_init(&in->names, options->max_bytes);
	in->name = (struct interp_name){.function = STRBUF_INIT, .file = STRBUF_INIT};
	in->text = STRBUF_INIT;
	in->modules[INTERP_PYTHON] = (struct module){
		.kind = MODULE_INTERPRETED,
		.id = UINT32_MAX - INTERP_PYTHON, /* apart from the symbolizer's */
		.path = "[python]",
		.name = "[python]",
		.build_id = "",
	};
	*ret = in;
	return 0;
}

static void forget(struct interp *in, struct interp_process_entry *p)
{
	if (p->attached) {
		in->ops->describe(in->ctx, &p->id, NULL);
		in->stats.processes--;
	}
	process_memory_close(&p->memory);
	hashmap_remove(&in->processes, &p->entry);
	list_remove(&p->node);
	free(p->attached);
	free(p);
}

void interp_free(struct interp *in)
{
	if (!in)
		return;
	hashmap_for_each(e, &in->processes)
		forget(in, container_of(e, struct interp_process_entry, entry));
	hashmap_release(&in->processes);
	binaries_release(&in->binaries);
	name_cache_release(&in->names);
	strbuf_release(&in->name.function);
	strbuf_release(&in->name.file);
	strbuf_release(&in->text);
	proc_root_release(&in->proc);
	free(in);
}

static struct interp_process_entry *find(const struct interp *in, const struct process_id *id)
{
	struct hashmap_entry *e = hashmap_get(&in->processes, process_id_hash(id), id);

	return e ? container_of(e, struct interp_process_entry, entry) : NULL;
}

static struct interp_process_entry *add_process(struct interp *in, const struct process_id *id)
{
	struct interp_process_entry *p = xcalloc(1, sizeof(*p));

	while (in->processes.count >= in->max_processes)
		forget(in, list_entry(in->by_use.next, struct interp_process_entry, node));
	p->id = *id;
	p->number = ++in->next_number;
	p->tries = TRIES;
	p->used_round = in->round;
	p->memory.fd = -1;
	hashmap_add(&in->processes, &p->entry, process_id_hash(id));
	list_append(&in->by_use, &p->node);
	return p;
}

/* What was found in a process's mappings. */
struct look {
	struct interp *in;
	int process_dir;
	struct binary binary; /* a copy */
	uint64_t bias;
	bool found;
};

static void look_at_mapping(void *ctx, const struct map_entry *entry)
{
	struct look *look = ctx;

	if (look->found || !entry->executable || !entry->inode || entry->path[0] != '/')
		return;
	const struct binary *binary =
		binaries_get(&look->in->binaries, look->process_dir, entry, &look->bias);

	look->found = binary != NULL;
	if (binary)
		look->binary = *binary;
}

static void tell_threads(struct interp *in, struct interp_process_entry *p)
{
	size_t count =
		p->runtime->threads(p->attached, &p->memory.memory, in->threads, THREADS_MAX);

	/* The last word on a thread with several states is the newest interpreter's, whose come first. */
	for (size_t i = count; i > 0; i--)
		in->ops->thread(in->ctx, &p->id, &in->threads[i - 1]);
	p->threads_ns = clock_monotonic_ns();
}

/* A process that exec'd just now may be asked for as two images; /proc shows the same one for both. */
static bool is_told_unsupported(const struct interp *in, const struct process_id *id)
{
	list_for_each(n, &in->by_use) {
		const struct interp_process_entry *p =
			list_entry(n, struct interp_process_entry, node);

		if (p->unsupported && p->id.pid == id->pid && p->id.start_ns == id->start_ns)
			return true;
	}
	return false;
}

static void tell_unsupported(struct interp *in, struct interp_process_entry *p)
{
	bool told = is_told_unsupported(in, &p->id);

	p->unsupported = true;
	if (told)
		return;
	in->stats.unsupported++;
	in->ops->unsupported(in->ctx, &p->id, p->runtime->label, p->description.version);
}

static void attach(struct interp *in, struct interp_process_entry *p, const struct look *look)
{
	struct interp_description description = {0};
	int r = p->memory.memory.read ? 0 : process_memory_open(&p->memory, look->process_dir);

	p->runtime = look->binary.runtime;
	if (r == 0)
		r = p->runtime->attach(look->binary.found, &p->memory.memory, look->bias,
			&p->attached, &description);
	p->description = description;
	if (r == -ENOTSUP)
		tell_unsupported(in, p);
	if (r < 0)
		return;
	in->stats.processes++;
	in->ops->describe(in->ctx, &p->id, &description.process);
	tell_threads(in, p);
}

static bool is_waiting(const struct interp_process_entry *p)
{
	return !p->attached && !p->unsupported && p->tries;
}

static void look_later(struct interp *in, struct interp_process_entry *p)
{
	p->pause_ns = p->pause_ns ? MIN(2 * p->pause_ns, LOOK_LAST_NS) : LOOK_FIRST_NS;
	p->look_ns = clock_monotonic_ns() + p->pause_ns;
	if (is_waiting(p) && (!in->look_ns || p->look_ns < in->look_ns))
		in->look_ns = p->look_ns;
}

/* p: what is known of it, or NULL. Whether it could be looked at, and has no runtime. */
static bool look_at(struct interp *in, const struct process_id *id, struct interp_process_entry *p)
{
	int dir cleanup_close = process_dir_open(&in->proc, id);
	struct look look = {.in = in, .process_dir = dir};
	int r = dir < 0 ? dir : maps_read(dir, look_at_mapping, &look);

	if (r == 0 && look.found) {
		p = p ? p : add_process(in, id);
		attach(in, p, &look);
		look_later(in, p);
	} else if (p) {
		forget(in, p);
	}
	return r == 0 && !look.found;
}

void interp_process_seen(struct interp *in, const struct process_id *id)
{
	if (!find(in, id))
		look_at(in, id, NULL);
}

void interp_process_mapped(struct interp *in, const struct process_id *id,
	const struct process_maps *maps)
{
	bool news = false;

	if (find(in, id))
		return;
	for (size_t i = 0; i < maps->count && !news; i++)
		news = maps->list[i].dso && maps->list[i].kind == MAPPING_FILE &&
			!binaries_is_native(&in->binaries, dso_module(maps->list[i].dso)->id);
	if (!news || !look_at(in, id, NULL))
		return;
	for (size_t i = 0; i < maps->count; i++)
		if (maps->list[i].dso && maps->list[i].kind == MAPPING_FILE)
			binaries_set_native(&in->binaries, dso_module(maps->list[i].dso)->id);
}

void interp_threads_missing(struct interp *in, const struct process_id *id)
{
	struct interp_process_entry *p = find(in, id);

	if (p && p->attached && clock_monotonic_ns() - p->threads_ns >= THREADS_PAUSE_NS)
		tell_threads(in, p);
}

static void look_at_due(struct interp *in, int64_t now)
{
	in->look_ns = 0;
	list_for_each_safe(n, &in->by_use) {
		struct interp_process_entry *p = list_entry(n, struct interp_process_entry, node);

		if (!is_waiting(p))
			continue;
		if (p->look_ns <= now) {
			p->tries--;
			look_at(in, &p->id, p);
		} else if (!in->look_ns || p->look_ns < in->look_ns) {
			in->look_ns = p->look_ns;
		}
	}
}

int64_t interp_poll(struct interp *in)
{
	int64_t now = clock_monotonic_ns();

	if (in->look_ns && in->look_ns <= now)
		look_at_due(in, now);
	return in->look_ns ? MAX(in->look_ns - now, INT64_C(1)) : 0;
}

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

/* Reads the name now; NULL where there is no room for more. */
static struct named_code *read_name(struct interp *in, const struct interp_process_entry *p,
	const struct interp_frame *record, struct named_code *known)
{
	if (!known && in->names.bytes > 2 * in->names.max_bytes)
		return NULL;
	int r = p->runtime->name(p->attached, &p->memory.memory, record, &in->name);

	if (!known) {
		known = name_cache_add(&in->names, p->number, record, r == 0 ? shown(in) : NULL,
			r == 0 ? &in->name : NULL);
		known->hidden = r == -ENOENT;
	}
	if (r == 0)
		name_cache_add_line(&in->names, known, record->at, in->name.line);
	return known;
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

bool interp_name(struct interp *in, const struct process_id *id, const struct interp_frame *record,
	struct frame *ret)
{
	struct interp_process_entry *p = find(in, id);
	struct named_code *code = NULL;
	uint32_t line = 0;

	*ret = pseudo_frame(in, UNNAMED);
	if (p && p->attached) {
		p->used_round = in->round;
		list_remove(&p->node);
		list_append(&in->by_use, &p->node);
		code = name_cache_find(&in->names, p->number, record);
		if (!code || (code->function && !name_cache_line(code, record->at, &line)))
			code = read_name(in, p, record, code);
	}
	if (!code || !code->function) {
		in->stats.gone += !code || !code->hidden;
		return !code || !code->hidden;
	}
	if (!name_cache_line(code, record->at, &line))
		line = code->first_line; /* the process is gone by now */
	in->stats.named++;
	ret->function = code->function;
	ret->file = code->file;
	ret->line = line;
	ret->first_line = code->first_line;
	ret->address = record->code + record->at;
	ret->origin = NAME_INTERPRETER;
	ret->missing = MISSING_NOT;
	return true;
}

void interp_note(struct interp *in, const struct process_id *id, const struct interp_frame *records,
	size_t count)
{
	struct frame frame;

	for (size_t i = 0; i < count; i++) {
		struct interp_frame record = records[i];

		record.code &= ~INTERP_LAST;
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

/* Without ranges, where the process is not known: then its native frames are all there is. */
static size_t plan_stack(const struct interp *in, const struct process_id *id,
	struct stitch_stack stack, const struct frame *native, struct stitched *ret)
{
	static const struct interp_ranges none;
	const struct interp_process_entry *p = find(in, id);
	bool *switches cleanup_free = xcalloc(stack.ip_count + 1, sizeof(*switches));

	for (size_t i = 0; p && p->runtime && i < stack.ip_count; i++)
		switches[i] = native[i].module->kind == MODULE_FILE &&
			begins_with_one_of(native[i].module->name, p->runtime->switching_modules);
	stack.switches = switches;
	return stitch(&stack, p ? &p->description.ranges : &none, in->internal_frames, ret);
}

/* Of the native frames that the language's have called, those that only lead on to the next. */
static size_t hide_internal(const struct interp *in, const struct process_id *id,
	struct frame *frames, size_t count)
{
	const struct interp_process_entry *p = find(in, id);
	size_t outermost = count, kept = 0;

	while (outermost && frames[outermost - 1].module->kind != MODULE_INTERPRETED)
		outermost--;
	if (in->internal_frames || !p || !p->runtime)
		return count;
	for (size_t i = 0; i < count; i++)
		if (i >= outermost || frames[i].module->kind != MODULE_FILE ||
			!frames[i].function ||
			!begins_with_one_of(frames[i].function, p->runtime->internal_prefixes))
			frames[kept++] = frames[i];
	return kept;
}

size_t interp_stack(struct interp *in, const struct process_id *id,
	const struct stitch_stack *stack, struct frame *frames)
{
	size_t count = stack->ip_count, room = count + stack->record_count, out = 0;

	if (!stack->record_count)
		return count;
	struct stitched *plan cleanup_free = xcalloc(room, sizeof(*plan));
	struct frame *native cleanup_free = xcalloc(count + 1, sizeof(*native));

	if (count)
		memcpy(native, frames, count * sizeof(*native));
	count = plan_stack(in, id, *stack, native, plan);
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

bool interp_about(const struct interp *in, uint32_t pid, struct interp_about *ret)
{
	const struct interp_process_entry *newest = NULL;

	/* A pid may have been several images. */
	list_for_each(n, &in->by_use) {
		const struct interp_process_entry *p =
			list_entry(n, struct interp_process_entry, node);

		if (p->id.pid == pid && p->runtime && (!newest || p->number > newest->number))
			newest = p;
	}
	if (!newest)
		return false;
	*ret = (struct interp_about){
		.runtime = newest->runtime->label,
		.version = newest->description.version,
		.progress = newest->attached  ? INTERP_WALKED
			: newest->unsupported ? INTERP_UNSUPPORTED
					      : INTERP_BEGINS,
	};
	return true;
}

static bool is_gone(struct interp *in, const struct interp_process_entry *p)
{
	int dir cleanup_close = process_dir_open(&in->proc, &p->id);

	return dir < 0;
}

void interp_end_round(struct interp *in)
{
	list_for_each_safe(n, &in->by_use) {
		struct interp_process_entry *p = list_entry(n, struct interp_process_entry, node);

		if (!p->attached && !p->unsupported && !p->tries) {
			look_at(in, &p->id, p);
			continue;
		}
		if (p->used_round + ROUNDS_UNASKED > in->round)
			continue;
		p->used_round = in->round;
		if (is_gone(in, p))
			forget(in, p);
	}
	name_cache_end_round(&in->names);
	binaries_end_round(&in->binaries);
	in->stats.bytes = in->names.bytes;
	in->round++;
}

const struct interp_stats *interp_stats(const struct interp *in)
{
	return &in->stats;
}
