// SPDX-License-Identifier: Apache-2.0
/*
 * Life of a process here: LOOKING (its mappings have been read, no runtime was there, or one that had not
 * begun, or that waits for the next round because so much of its container was read in this one) -> READY (described to
 * the kernel side) or UNSUPPORTED. Its memory stays open: for this image and no other, whatever becomes of the pid. A
 * process that exec's is another process_id.
 *
 *	process --> binary (a file's runtime, shared) --> runtime->attach() --> attached, memory
 *	record --> name cache, by process, code object and check --> else runtime->name()
 *
 * Processes without a runtime are not kept. That their files hold none is known by the symbolizer's numbers of
 * these files, so that mappings read anew each round cost some look-ups.
 */
#include "interp/interp_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "proc/file_root.h"

#define THREADS_PAUSE_NS (20 * NSEC_PER_MSEC) /* between two looks at a process's threads */
#define PAUSE_PER_LOOK   20 /* times what it took: a process has 5% of our time at most */
#define LOOK_FIRST_NS    (2 * NSEC_PER_MSEC) /* an interpreter begins within some ms ... */
#define LOOK_LAST_NS     (50 * NSEC_PER_MSEC) /* ... or much later: the pauses grow */
#define TRIES            100 /* some five seconds; then once a round */
#define ROUNDS_UNASKED   4 /* after which it is worth looking whether a process is still there */

static bool process_is(const struct hashmap_entry *e, const void *key)
{
	return process_id_equal(&container_of(e, struct interp_process_entry, entry)->id, key);
}

static bool budget_is(const struct hashmap_entry *e, const void *key)
{
	return container_of(e, struct shared_budget, entry)->mount_namespace ==
		*(const uint64_t *)key;
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
	in->round_left = ROUND_BUDGET;
	hashmap_init(&in->processes, process_is);
	hashmap_init(&in->budgets, budget_is);
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
	interp_init_frames(in);
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

static void forget_budgets(struct interp *in)
{
	hashmap_for_each(e, &in->budgets) {
		hashmap_remove(&in->budgets, e);
		free(container_of(e, struct shared_budget, entry));
	}
	in->round_left = ROUND_BUDGET;
}

void interp_free(struct interp *in)
{
	if (!in)
		return;
	hashmap_for_each(e, &in->processes)
		forget(in, container_of(e, struct interp_process_entry, entry));
	hashmap_release(&in->processes);
	forget_budgets(in);
	hashmap_release(&in->budgets);
	binaries_release(&in->binaries);
	name_cache_release(&in->names);
	strbuf_release(&in->name.function);
	strbuf_release(&in->name.file);
	strbuf_release(&in->text);
	interp_free_frames(in);
	proc_root_release(&in->proc);
	free(in);
}

/* Not by the root or its device: whoever may change the root (chroot) would have a budget for each directory. */
static struct read_budget *budget_of(struct interp *in, uint64_t mount_namespace)
{
	struct hashmap_entry *e =
		hashmap_get(&in->budgets, hash_u64(mount_namespace), &mount_namespace);

	if (e)
		return &container_of(e, struct shared_budget, entry)->left;
	struct shared_budget *b = xcalloc(1, sizeof(*b));

	b->mount_namespace = mount_namespace;
	b->left = SHARED_BUDGET;
	b->left.of = &in->round_left;
	hashmap_add(&in->budgets, &b->entry, hash_u64(mount_namespace));
	return &b->left;
}

void interp_begin_reading(struct interp *in, struct interp_process_entry *p,
	struct read_budget *budget)
{
	p->memory.left = budget;
	budget->of = budget_of(in, p->mount_namespace);
}

void interp_end_reading(struct interp_process_entry *p)
{
	p->memory.left->of = NULL;
	p->memory.left = NULL;
}

struct interp_process_entry *interp_find(const struct interp *in, const struct process_id *id)
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
	p->names_left = READ_BUDGET;
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

/* When a look that took so long may be repeated. */
static int64_t due_after(int64_t took_ns, int64_t least_ns)
{
	return clock_monotonic_ns() + MAX(least_ns, PAUSE_PER_LOOK * took_ns);
}

static void tell_threads(struct interp *in, struct interp_process_entry *p)
{
	int64_t begin_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	struct read_budget budget = READ_BUDGET;

	interp_begin_reading(in, p, &budget);
	size_t count =
		p->runtime->threads(p->attached, &p->memory.memory, in->threads, THREADS_MAX);

	interp_end_reading(p);
	/* The last word on a thread with several states is the newest interpreter's, whose come first. */
	for (size_t i = count; i > 0; i--)
		in->ops->thread(in->ctx, &p->id, &in->threads[i - 1]);
	p->threads_ns = due_after(clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin_ns, THREADS_PAUSE_NS);
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
	struct read_budget budget = READ_BUDGET;
	int r = p->memory.memory.read ? 0 : process_memory_open(&p->memory, look->process_dir);

	struct root_id root;

	root_id_of_process(look->process_dir, &root);
	p->mount_namespace = root.mount_namespace;
	p->runtime = look->binary.runtime;
	interp_begin_reading(in, p, &budget);
	if (r == 0)
		r = p->runtime->attach(look->binary.found, &p->memory.memory, look->bias,
			&p->attached, &description);
	p->put_off = r < 0 && read_budget_is_spent(budget.of);
	if (p->put_off)
		r = -EAGAIN; /* it says nothing about the process */
	interp_end_reading(p);
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
	return !p->attached && !p->unsupported && p->tries && !p->put_off;
}

static void look_later(struct interp *in, struct interp_process_entry *p, int64_t took_ns)
{
	p->pause_ns = p->pause_ns ? MIN(2 * p->pause_ns, LOOK_LAST_NS) : LOOK_FIRST_NS;
	/* The usual 0.1 ms are no reason to begin with longer pauses: those at the end are long enough. */
	if (took_ns <= LOOK_LAST_NS / PAUSE_PER_LOOK)
		took_ns = 0;
	p->look_ns = due_after(took_ns, p->pause_ns);
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
		/* Of our own: on a busy machine an interpreter that begins is not to be missed. */
		int64_t begin_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);

		p = p ? p : add_process(in, id);
		attach(in, p, &look);
		look_later(in, p, clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin_ns);
	} else if (p) {
		forget(in, p);
	}
	return r == 0 && !look.found;
}

void interp_process_seen(struct interp *in, const struct process_id *id)
{
	if (!interp_find(in, id))
		look_at(in, id, NULL);
}

void interp_process_mapped(struct interp *in, const struct process_id *id,
	const struct process_maps *maps)
{
	bool news = false;

	if (interp_find(in, id))
		return;
	for (size_t i = 0; i < maps->count && !news; i++)
		news = maps->list[i].dso && maps->list[i].kind == MAPPING_FILE &&
			!binaries_is_native(&in->binaries, dso_module(maps->list[i].dso)->id);
	if (!news || !look_at(in, id, NULL))
		return;
	for (size_t i = 0; i < maps->count; i++)
		if (maps->list[i].dso && maps->list[i].kind == MAPPING_FILE)
			binaries_set_native(&in->binaries, dso_module(maps->list[i].dso)->id,
				dso_identity(maps->list[i].dso));
}

void interp_threads_missing(struct interp *in, const struct process_id *id)
{
	struct interp_process_entry *p = interp_find(in, id);

	if (p && p->attached && clock_monotonic_ns() >= p->threads_ns)
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
	forget_budgets(in); /* what is looked at now belongs to the next one */
	list_for_each_safe(n, &in->by_use) {
		struct interp_process_entry *p = list_entry(n, struct interp_process_entry, node);

		p->names_left = READ_BUDGET;
		if (!p->attached && !p->unsupported && (!p->tries || p->put_off)) {
			look_at(in, &p->id, p);
			continue;
		}
		if (p->used_round + ROUNDS_UNASKED > in->round)
			continue;
		p->used_round = in->round;
		if (is_gone(in, p))
			forget(in, p);
	}
	interp_forget_frames(in);
	name_cache_end_round(&in->names);
	binaries_end_round(&in->binaries);
	in->stats.bytes = in->names.bytes;
	in->round++;
}

const struct interp_stats *interp_stats(const struct interp *in)
{
	return &in->stats;
}
