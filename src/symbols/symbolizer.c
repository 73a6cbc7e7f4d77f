// SPDX-License-Identifier: Apache-2.0
/*
 * From the address of a process to a name:
 *
 *	process_id -> process -> mapping -> (dso, file offset) -> (address, function)
 *
 * A process's mappings are read when it is first seen and, while it lives, again at its first question in
 * each round and at its first unknown address: so they are never older than a round. A process that is gone
 * keeps what was read last, for KEEP_ROUNDS rounds. /proc/PID is opened anew each time and compared by
 * start time, so another process with that pid is never read.
 *
 * exec is the one thing /proc does not show. If a process exec's after the tick and before its mappings are
 * read, the mappings are those of the next image. This comes to light when the next image is seen: it has
 * the same pid and start, a greater exec_id, and the same mappings; the first one's are dropped then. Until
 * then its few addresses hit nothing, because the layout is random, unless both images are linked to
 * fixed addresses. Once a later image is known, an earlier one is not read any more.
 *
 * Most addresses of a round come many times (every stack has main): a small direct-mapped cache in front
 * answers those.
 */
#include "symbols/symbolizer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hashmap.h"
#include "base/list.h"
#include "proc/process_dir.h"
#include "symbols/dso.h"
#include "symbols/kernel_symbols.h"
#include "symbols/process_maps.h"

#define KEEP_ROUNDS   2
#define CACHED_FRAMES 1024 /* a power of two */

struct process {
	struct hashmap_entry entry;
	struct list_node node; /* least recently used first */
	struct process_id id;
	struct process_maps maps;
	uint64_t used_round;
	uint64_t read_round; /* the last round in which the mappings were read, or tried to */
	bool read_again; /* in that round, after it was first read */
	bool superseded; /* a later image of the process is known: /proc shows that one */
	uint32_t cache_key;
};

struct cached_frame {
	uint64_t ip;
	uint32_t key; /* of the process, 0: empty */
	bool exact;
	struct frame frame;
};

struct symbolizer {
	struct symbolizer_stats stats;
	struct proc_root proc;
	size_t max_processes;
	uint64_t round;
	uint32_t next_module_id;
	uint32_t next_cache_key;
	struct hashmap processes;
	struct list_node by_use;
	struct dso_cache dsos;
	struct kernel_symbols *kernel;
	struct module anonymous, heap, stack, vsyscall, unknown;
	struct cached_frame cache[CACHED_FRAMES];
};

/* Images of one process have one hash. */
static uint64_t hash_process(const struct process_id *id)
{
	return hash_combine(id->pid, id->start_ns);
}

enum process_relation { IMAGE_SAME, IMAGE_EARLIER, IMAGE_LATER };

struct process_key {
	const struct process_id *id;
	enum process_relation relation; /* EARLIER: that is not superseded yet */
};

static bool process_is(const struct hashmap_entry *e, const void *key)
{
	const struct process *p = container_of(e, struct process, entry);
	const struct process_key *k = key;

	if (k->relation == IMAGE_SAME)
		return process_id_equal(&p->id, k->id);
	if (p->id.pid != k->id->pid || p->id.start_ns != k->id->start_ns)
		return false;
	int32_t order = (int32_t)(p->id.exec_id - k->id->exec_id);

	return k->relation == IMAGE_LATER ? order > 0 : order < 0 && !p->superseded;
}

static struct process *find(const struct symbolizer *s, const struct process_id *id,
	enum process_relation relation)
{
	struct hashmap_entry *e =
		hashmap_get(&s->processes, hash_process(id), &(struct process_key){id, relation});

	return e ? container_of(e, struct process, entry) : NULL;
}

static struct module special_module(struct symbolizer *s, enum module_kind kind, const char *name)
{
	return (struct module){
		.kind = kind,
		.id = s->next_module_id++,
		.path = name,
		.name = name,
		.build_id = "",
	};
}

int symbolizer_new(const struct symbolizer_options *options, struct symbolizer **ret,
	struct error *err)
{
	struct symbolizer *s = xcalloc(1, sizeof(*s));
	int r = proc_root_init(&s->proc, options->proc);

	if (r < 0) {
		free(s);
		return error_set_errno(err, r, "cannot open %s", options->proc);
	}
	s->max_processes = options->max_processes ? options->max_processes : 1;
	s->round = 1;
	s->next_module_id = 1;
	hashmap_init(&s->processes, process_is);
	list_init(&s->by_use);
	dso_cache_init(&s->dsos, options->max_bytes, &s->next_module_id);
	s->kernel = kernel_symbols_new(s->proc.fd, &s->next_module_id);
	s->anonymous = special_module(s, MODULE_ANONYMOUS, "[anon]");
	s->heap = special_module(s, MODULE_ANONYMOUS, "[heap]");
	s->stack = special_module(s, MODULE_ANONYMOUS, "[stack]");
	s->vsyscall = special_module(s, MODULE_ANONYMOUS, "[vsyscall]");
	s->unknown = special_module(s, MODULE_UNKNOWN, "[unknown]");
	*ret = s;
	return 0;
}

static void forget(struct symbolizer *s, struct process *p)
{
	process_maps_release(&p->maps, &s->dsos);
	hashmap_remove(&s->processes, &p->entry);
	list_remove(&p->node);
	free(p);
}

void symbolizer_free(struct symbolizer *s)
{
	if (!s)
		return;
	hashmap_for_each(e, &s->processes)
		forget(s, container_of(e, struct process, entry));
	hashmap_release(&s->processes);
	dso_cache_release(&s->dsos);
	kernel_symbols_free(s->kernel);
	proc_root_release(&s->proc);
	free(s);
}

/* Earlier images of the process can no longer be read, and may have been read too late. */
static void supersede_earlier(struct symbolizer *s, const struct process *p)
{
	struct process *earlier;

	while ((earlier = find(s, &p->id, IMAGE_EARLIER))) {
		if (process_maps_equal(&earlier->maps, &p->maps))
			process_maps_release(&earlier->maps, &s->dsos);
		earlier->superseded = true;
	}
}

static void read_maps(struct symbolizer *s, struct process *p)
{
	p->read_round = s->round;
	p->cache_key = ++s->next_cache_key;
	int dir cleanup_close = p->superseded ? -ESRCH : process_dir_open(&s->proc, &p->id);

	if ((dir < 0 || process_maps_read(&p->maps, &s->dsos, dir) < 0) && !p->maps.count)
		s->stats.maps_unreadable++;
}

static void update_stats(struct symbolizer *s)
{
	s->stats.bytes = s->dsos.table_bytes + s->dsos.name_bytes + kernel_symbols_bytes(s->kernel);
	s->stats.modules = s->dsos.dsos.count;
	s->stats.processes = s->processes.count;
	s->stats.files_refused = s->dsos.refused;
}

static struct process *add_process(struct symbolizer *s, const struct process_id *id)
{
	struct process *p = xcalloc(1, sizeof(*p));

	while (s->processes.count >= s->max_processes)
		forget(s, list_entry(s->by_use.next, struct process, node));
	p->id = *id;
	p->superseded = find(s, id, IMAGE_LATER) != NULL;
	hashmap_add(&s->processes, &p->entry, hash_process(id));
	list_append(&s->by_use, &p->node);
	read_maps(s, p);
	supersede_earlier(s, p);
	return p;
}

static struct process *get_process(struct symbolizer *s, const struct process_id *id)
{
	struct process *p = find(s, id, IMAGE_SAME);

	if (!p)
		p = add_process(s, id);
	list_remove(&p->node);
	list_append(&s->by_use, &p->node);
	if (p->read_round != s->round) {
		p->read_again = p->maps.count != 0;
		read_maps(s, p);
	}
	p->used_round = s->round;
	return p;
}

void symbolizer_process_seen(struct symbolizer *s, const struct process_id *id)
{
	get_process(s, id);
	update_stats(s);
}

static void resolve_in_file(struct symbolizer *s, const struct process *p, const struct mapping *m,
	uint64_t address, struct frame *ret)
{
	if (dso_needs_file(m->dso) && !p->superseded) {
		int dir cleanup_close = process_dir_open(&s->proc, &p->id);

		if (dir >= 0)
			dso_reopen(&s->dsos, m->dso, dir, m->start, m->end);
	}
	ret->module = dso_module(m->dso);
	ret->function =
		dso_resolve(&s->dsos, m->dso, address - m->start + m->offset, &ret->address);
}

static const struct module *special_of(const struct symbolizer *s, const struct mapping *m)
{
	switch (m->kind) {
	case MAPPING_HEAP:
		return &s->heap;
	case MAPPING_STACK:
		return &s->stack;
	case MAPPING_VSYSCALL:
		return &s->vsyscall;
	case MAPPING_ANONYMOUS:
	case MAPPING_VDSO: /* of another kind of process */
		return &s->anonymous;
	case MAPPING_FILE:
		break;
	}
	return &s->unknown;
}

static struct frame resolve(struct symbolizer *s, struct process *p, uint64_t address)
{
	const struct mapping *m = process_maps_find(&p->maps, address);
	struct frame frame = {.module = &s->unknown, .address = address};

	if (!m && !p->read_again) {
		p->read_again = true;
		read_maps(s, p);
		m = process_maps_find(&p->maps, address);
	}
	if (m && m->dso)
		resolve_in_file(s, p, m, address, &frame);
	else if (m)
		frame.module = special_of(s, m);
	return frame;
}

static void count(struct symbolizer *s, const struct frame *frame)
{
	if (frame->function)
		s->stats.frames_named++;
	else
		s->stats.frames_unnamed++;
}

void symbolizer_user(struct symbolizer *s, const struct process_id *id, const uint64_t *ips,
	size_t ip_count, bool leaf_exact, struct frame *ret_frames)
{
	struct process *p = get_process(s, id);

	for (size_t i = 0; i < ip_count; i++) {
		bool exact = i == 0 && leaf_exact;
		uint64_t ip = ips[i], before = exact || !ip ? 0 : 1;
		uint64_t hash = hash_combine(ip, (uint64_t)p->cache_key << 1 | exact);
		struct cached_frame *cached = &s->cache[hash & (CACHED_FRAMES - 1)];

		if (cached->key != p->cache_key || cached->ip != ip || cached->exact != exact) {
			struct frame frame = resolve(s, p, ip - before);

			frame.address += before;
			*cached = (struct cached_frame){ip, p->cache_key, exact, frame};
		}
		ret_frames[i] = cached->frame;
		count(s, &ret_frames[i]);
	}
	update_stats(s);
}

void symbolizer_kernel(struct symbolizer *s, const uint64_t *ips, size_t ip_count,
	struct frame *ret_frames)
{
	int64_t now = clock_monotonic_ns();

	for (size_t i = 0; i < ip_count; i++) {
		ret_frames[i] = kernel_symbols_resolve(s->kernel, ips[i], now);
		count(s, &ret_frames[i]);
	}
	update_stats(s);
}

void symbolizer_end_round(struct symbolizer *s)
{
	memset(s->cache, 0, sizeof(s->cache));
	list_for_each_safe(n, &s->by_use) {
		struct process *p = list_entry(n, struct process, node);

		if (p->used_round + KEEP_ROUNDS > s->round)
			break;
		forget(s, p);
	}
	dso_cache_end_round(&s->dsos);
	kernel_symbols_end_round(s->kernel);
	update_stats(s);
	s->round++;
}

const struct symbolizer_stats *symbolizer_stats(const struct symbolizer *s)
{
	return &s->stats;
}
