// SPDX-License-Identifier: Apache-2.0
/*
 * From the address of a process to a name:
 *
 *	process_id -> process -> mapping -> (dso, file offset) -> (address, function)
 *	                             '----> generated code: jit_names ---'
 *
 * A process's mappings are read when it is first seen and, while it lives, again at its first question in
 * each round and at its first unknown address: so they are never older than a round. Where events tell that it
 * has mapped nothing since, reading them again once in REREAD_ROUNDS is enough. A process that is gone
 * keeps what was read last, until its last samples have names. /proc/PID is opened anew each time and compared by
 * start time, so another process with that pid is never read.
 *
 * What /proc does not show any more is asked of the process history: the mappings of one that is gone, and those
 * of an image before an exec.
 *
 * exec is the one thing /proc does not show. Where the history does not know of it either, and a process
 * exec's after the tick and before its mappings are read, the mappings are those of the next image. This
 * comes to light when the next image is seen: it has the same pid and start, a greater exec_id, and the same
 * mappings; the first one's are dropped then. Until then its few addresses hit nothing, because the layout is
 * random, unless both images are linked to fixed addresses. Once a later image is known, an earlier one
 * is not read any more.
 *
 * Most addresses of a round come many times (every stack has main): they are named once, and told as pointers to
 * what was found (named_frames.h).
 */
#include "symbols/symbolizer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hashmap.h"
#include "base/list.h"
#include "proc/process_dir.h"
#include "symbols/dso.h"
#include "symbols/jit_names.h"
#include "symbols/kernel_symbols.h"
#include "symbols/named_frames.h"
#include "symbols/process_maps.h"

#define KEEP_ROUNDS   2 /* of a process that is not sampled */
#define REREAD_ROUNDS 8 /* what is unmapped, or moved to another address, is not told */
#define READS_MAX     8 /* of one process's mappings, in one round */

struct process {
	struct hashmap_entry entry;
	struct list_node node; /* least recently used first */
	struct process_id id;
	struct process_maps maps;
	struct jit_names *jit; /* NULL: it generates no code, as far as is known */
	uint64_t used_round;
	uint64_t read_round; /* the last round in which the mappings were read, or tried to */
	unsigned reads; /* in that round */
	uint64_t maps_round, maps_ns; /* when they were read from /proc; 0: they were not */
	bool from_history; /* the mappings are those that events told */
	bool gone; /* it was before this round began */
	bool kept; /* in this round */
	bool superseded; /* a later image of the process is known: /proc shows that one */
	uint32_t cache_key;
};

struct symbolizer {
	struct symbolizer_ops ops;
	void *ctx;
	struct symbolizer_stats stats;
	struct proc_root proc;
	int host_dir; /* -1: there is none */
	size_t max_processes;
	uint64_t round;
	uint32_t next_module_id;
	uint32_t next_cache_key;
	struct hashmap processes;
	struct list_node by_use;
	struct dso_cache dsos;
	struct process_history *history;
	struct jit_store jit;
	struct kernel_symbols *kernel;
	struct module anonymous, heap, stack, vsyscall, unknown;
	struct named_frames named, named_kernel; /* in this round */
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

/* A process whose root is the host's; where that of process 1 may not be looked at, we are one. */
static int open_host(const struct proc_root *proc)
{
	static const char *const names[] = {"1", "self"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		int dir cleanup_close =
			openat(proc->fd, names[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
		int root cleanup_close =
			dir < 0 ? dir : openat(dir, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (root >= 0)
			return steal_fd(&dir);
	}
	return -1;
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
	if (options->ops)
		s->ops = *options->ops;
	s->ctx = options->ctx;
	s->max_processes = options->max_processes ? options->max_processes : 1;
	s->round = 1;
	s->next_module_id = 1;
	named_frames_init(&s->named);
	named_frames_init(&s->named_kernel);
	hashmap_init(&s->processes, process_is);
	list_init(&s->by_use);
	s->host_dir = open_host(&s->proc);
	dso_cache_init(&s->dsos,
		&(struct dso_cache_options){.max_bytes = options->max_bytes,
			.next_module_id = &s->next_module_id,
			.host_dir = s->host_dir});
	jit_store_init(&s->jit, options->max_bytes / 2);
	s->history = process_history_new(&s->proc, &s->dsos);
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
	if (s->ops.forgotten)
		s->ops.forgotten(s->ctx, &p->id);
	process_maps_release(&p->maps, &s->dsos);
	jit_names_free(p->jit);
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
	jit_store_release(&s->jit);
	process_history_free(s->history);
	dso_cache_release(&s->dsos);
	kernel_symbols_free(s->kernel);
	named_frames_release(&s->named);
	named_frames_release(&s->named_kernel);
	if (s->host_dir >= 0)
		close(s->host_dir);
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

static int read_from_proc(struct symbolizer *s, struct process *p)
{
	uint64_t now_ns = process_history_now(s->history);
	int dir cleanup_close = p->superseded ? -ESRCH : process_dir_open(&s->proc, &p->id);
	int r = dir < 0 ? dir : process_maps_read(&p->maps, &s->dsos, dir);

	p->maps_round = r < 0 ? 0 : s->round;
	p->maps_ns = now_ns;
	if (r < 0 || !jit_names_wanted(&p->maps))
		return r;
	if (!p->jit)
		p->jit = jit_names_new(&s->jit);
	jit_names_find_files(p->jit, dir, &p->maps);
	return 0;
}

/* For a process that is gone, or another program by now; once. */
static void read_from_history(struct symbolizer *s, struct process *p)
{
	struct process_maps maps;

	if (p->from_history || process_history_maps(s->history, &p->id, &p->maps, &maps) < 0)
		return;
	process_maps_release(&p->maps, &s->dsos);
	p->maps = maps;
	p->from_history = true;
}

static void tell_maps(const struct symbolizer *s, const struct process *p)
{
	if (s->ops.maps_read)
		s->ops.maps_read(s->ctx, &p->id, &p->maps);
}

static void read_maps(struct symbolizer *s, struct process *p)
{
	p->reads++;
	p->cache_key = ++s->next_cache_key;
	p->superseded |= process_history_age(s->history, &p->id) == IMAGE_PAST;
	if (read_from_proc(s, p) < 0)
		read_from_history(s, p);
	if (!p->maps.count)
		s->stats.maps_unreadable++;
	tell_maps(s, p);
}

/* Whether reading the mappings again would surely show nothing new. Of generated code files tell, too. */
static bool maps_are_current(const struct symbolizer *s, const struct process *p)
{
	return p->maps_round && s->round - p->maps_round < REREAD_ROUNDS && !p->superseded &&
		!p->jit && process_history_unchanged(s->history, p->id.pid, p->maps_ns);
}

static void update_stats(struct symbolizer *s)
{
	s->stats.bytes = s->dsos.store.table_bytes + s->dsos.store.name_bytes +
		kernel_symbols_bytes(s->kernel) + s->jit.bytes;
	s->stats.modules = s->dsos.dsos.count;
	s->stats.processes = s->processes.count;
	s->stats.files_refused = s->dsos.refused + s->dsos.store.damaged;
	s->stats.jit_processes = s->jit.count;
	s->stats.jit_bytes = s->jit.bytes;
	s->stats.jit_cut_short = s->jit.cut_short;
}

static struct process *add_process(struct symbolizer *s, const struct process_id *id)
{
	struct process *p = xcalloc(1, sizeof(*p));

	while (s->processes.count >= s->max_processes)
		forget(s, list_entry(s->by_use.next, struct process, node));
	p->id = *id;
	p->superseded = find(s, id, IMAGE_LATER) != NULL;
	p->read_round = s->round;
	hashmap_add(&s->processes, &p->entry, hash_process(id));
	list_append(&s->by_use, &p->node);
	read_maps(s, p);
	supersede_earlier(s, p);
	return p;
}

/* Stacks of one process often come one after the other: it is the last one used. */
static struct process *find_and_use(struct symbolizer *s, const struct process_id *id)
{
	struct process *p = list_entry(s->by_use.prev, struct process, node);

	if (!list_empty(&s->by_use) && process_id_equal(&p->id, id))
		return p;
	p = find(s, id, IMAGE_SAME);
	if (!p)
		return add_process(s, id);
	list_remove(&p->node);
	list_append(&s->by_use, &p->node);
	return p;
}

static struct process *get_process(struct symbolizer *s, const struct process_id *id)
{
	struct process *p = find_and_use(s, id);

	if (p->read_round != s->round) {
		p->read_round = s->round;
		p->reads = 0;
		if (!maps_are_current(s, p))
			read_maps(s, p);
	}
	p->used_round = s->round;
	return p;
}

void symbolizer_process_seen(struct symbolizer *s, const struct process_id *id)
{
	const struct process *p = find(s, id, IMAGE_SAME);
	uint32_t key = p ? p->cache_key : 0;

	p = get_process(s, id);
	if (p->cache_key == key) /* who asks may be new */
		tell_maps(s, p);
	update_stats(s);
}

void symbolizer_process_changed(struct symbolizer *s, const struct process_id *id)
{
	struct process *p = get_process(s, id);

	if (p->reads < READS_MAX)
		read_maps(s, p);
	update_stats(s);
}

void symbolizer_keep_process(struct symbolizer *s, const struct process_id *id)
{
	get_process(s, id)->kept = true;
	update_stats(s);
}

struct dso_cache *symbolizer_dsos(struct symbolizer *s)
{
	return &s->dsos;
}

static void visit_file(struct symbolizer *s, const struct process *p, const struct mapping *m)
{
	if (!m->dso || p->superseded || !dso_needs_process(m->dso))
		return;
	int dir cleanup_close = process_dir_open(&s->proc, &p->id);

	if (dir >= 0)
		dso_visit(&s->dsos, m->dso, dir, m->start, m->end);
}

struct dso *symbolizer_file_wanted(struct symbolizer *s, const struct process_id *id,
	uint64_t address)
{
	struct process *p = find(s, id, IMAGE_SAME);
	const struct mapping *m = p ? process_maps_find(&p->maps, address) : NULL;

	if (m)
		visit_file(s, p, m);
	return m ? m->dso : NULL;
}

static void resolve_in_file(struct symbolizer *s, const struct process *p, const struct mapping *m,
	uint64_t address, struct frame *ret)
{
	uint64_t offset = address - m->start + m->offset;

	if (dso_resolve_known(&s->dsos, m->dso, offset, ret))
		return;
	visit_file(s, p, m);
	dso_resolve(&s->dsos, m->dso, offset, ret);
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
	struct frame frame = {
		.module = &s->unknown,
		.address = address,
		.missing = MISSING_MAPPING,
	};

	if (!m && p->maps.count && p->reads < 2) {
		read_maps(s, p);
		m = process_maps_find(&p->maps, address);
	}
	if (m && m->dso)
		resolve_in_file(s, p, m, address, &frame);
	else if (m) {
		frame.module = special_of(s, m);
		frame.missing = m->kind == MAPPING_FILE ? MISSING_FILE : MISSING_JIT;
	} else if (!p->maps.count) {
		frame.missing = MISSING_MAPS;
	}
	if (m && p->jit && (m->kind != MAPPING_FILE || frame.missing == MISSING_DAMAGED))
		jit_names_resolve(p->jit, address, s->round, &frame);
	return frame;
}

static void count(struct symbolizer *s, const struct frame *frame)
{
	if (name_is_real(frame->origin)) {
		s->stats.frames_named++;
		return;
	}
	s->stats.frames_unnamed++;
	s->stats.missing[frame->missing]++;
}

static struct named_key key_of(const struct process *p, uint64_t ip, bool exact)
{
	return (struct named_key){{ip, (uint64_t)p->cache_key << 1 | exact}};
}

static struct frame *name(struct symbolizer *s, struct process *p, uint64_t ip, bool exact)
{
	struct named_key key = key_of(p, ip, exact);
	struct frame *known = named_frames_find(&s->named, &key);

	if (known)
		return known;
	uint64_t before = exact || !ip ? 0 : 1;
	struct frame frame = resolve(s, p, ip - before);

	frame.address += before;
	key = key_of(p, ip, exact); /* its mappings may have been read anew */
	return named_frames_add(&s->named, &key, &frame);
}

void symbolizer_user(struct symbolizer *s, const struct process_id *id, const uint64_t *ips,
	size_t ip_count, bool leaf_exact, struct frame **ret_frames)
{
	struct process *p = get_process(s, id);

	named_frames_reserve(&s->named, ip_count);
	for (size_t i = 0; i < ip_count; i++) {
		ret_frames[i] = name(s, p, ips[i], i == 0 && leaf_exact);
		count(s, ret_frames[i]);
	}
	update_stats(s);
}

static struct frame *name_kernel(struct symbolizer *s, uint64_t ip, int64_t now)
{
	const struct named_key key = {{ip}};
	struct frame *known = named_frames_find(&s->named_kernel, &key);

	if (known)
		return known;
	struct frame frame = kernel_symbols_resolve(s->kernel, ip, now);

	/* What is not known may be a minute later. */
	return frame.function ? named_frames_add(&s->named_kernel, &key, &frame)
			      : named_frames_put(&s->named_kernel, &frame);
}

void symbolizer_kernel(struct symbolizer *s, const uint64_t *ips, size_t ip_count,
	struct frame **ret_frames)
{
	int64_t now = ip_count ? clock_monotonic_ns() : 0;

	named_frames_reserve(&s->named_kernel, ip_count);
	for (size_t i = 0; i < ip_count; i++) {
		ret_frames[i] = name_kernel(s, ips[i], now);
		count(s, ret_frames[i]);
	}
	if (ip_count)
		update_stats(s);
}

void symbolizer_begin_round(struct symbolizer *s)
{
	list_for_each(n, &s->by_use) {
		struct process *p = list_entry(n, struct process, node);

		p->gone = process_is_gone(&s->proc, p->id.pid);
	}
	process_history_begin_round(s->history);
}

void symbolizer_end_round(struct symbolizer *s)
{
	named_frames_clear(&s->named);
	named_frames_clear(&s->named_kernel);
	list_for_each_safe(n, &s->by_use) {
		struct process *p = list_entry(n, struct process, node);

		if (!p->kept && (p->gone || p->used_round + KEEP_ROUNDS <= s->round))
			forget(s, p);
		else
			p->kept = false;
	}
	list_for_each(n, &s->by_use) {
		struct process *p = list_entry(n, struct process, node);

		if (p->jit)
			jit_names_end_round(p->jit);
	}
	jit_store_end_round(&s->jit);
	process_history_end_round(s->history);
	dso_cache_end_round(&s->dsos);
	kernel_symbols_end_round(s->kernel);
	update_stats(s);
	s->round++;
}

void symbolizer_set_lines(struct symbolizer *s, bool lines)
{
	dso_cache_set_lines(&s->dsos, lines);
}

void symbolizer_set_demangle(struct symbolizer *s, enum demangle_mode mode)
{
	dso_cache_set_demangle(&s->dsos, mode);
}

struct process_history *symbolizer_history(struct symbolizer *s)
{
	return s->history;
}

const struct symbolizer_stats *symbolizer_stats(const struct symbolizer *s)
{
	return &s->stats;
}

void symbolizer_visit_files(const struct symbolizer *s,
	void (*visit)(void *ctx, const struct symbolizer_file *file), void *ctx)
{
	dso_cache_visit(&s->dsos, visit, ctx);
}

void symbolizer_visit_processes(const struct symbolizer *s,
	void (*visit)(void *ctx, const struct symbolizer_process *process), void *ctx)
{
	list_for_each(n, &s->by_use) {
		const struct process *p = list_entry(n, struct process, node);

		visit(ctx,
			&(struct symbolizer_process){
				.pid = p->id.pid,
				.mappings = p->maps.count,
				.rounds_unused = s->round - p->used_round,
			});
	}
}
