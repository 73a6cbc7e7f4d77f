// SPDX-License-Identifier: Apache-2.0
/*
 *	fork  sh 70 ----------> life of 71: image 0, shared with sh's
 *	exec  71 -------------> image 1, empty
 *	map   71 libc.so -----> image 1 += libc.so -> known_file -> dso
 *	exit  71                kept until the samples of its interval have names
 *
 * Whose image a sample was taken in is a matter of (pid, start, exec_id). Of these events tell the pid. The start
 * is the fork's time less some microseconds: of the lives of a pid it is the first one that was forked at or
 * after the start. Only the last life of each pid is kept; a question for an earlier one has no answer. exec_id grows
 * by one with each exec and is inherited by children, so once it is known for one image of a process
 * (process_history_seen), it is for all of them and for those of every process forked from it later.
 *
 * A process that was there before us is adopted at its first event: its mappings are read from /proc, once. If
 * an exec is told that happened before that reading, what was read belongs to the next image, and is dropped.
 *
 * In doubt there is no answer: after a loss everything that may have changed since is forgotten, and is adopted
 * again if it lives. What is never done is to answer with the mappings of another process or image.
 */
#include "symbols/process_history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "symbols/known_files.h"
#include "symbols/process_image.h"

/* A few seconds of 1,000 processes a second: who is sampled is asked about within milliseconds. */
#define MAX_PROCESSES  4096
/* Of images: 4096 processes with six mappings each take 3 MB. */
#define MAX_BYTES      (4 << 20)
/* A shell that execs a wrapper that execs the program has four. Older ones are forgotten. */
#define MAX_IMAGES     4
#define MAX_ANCESTORS  4
/* How late a fork may be told: the kernel takes the start's time some microseconds before. */
#define FORK_LAG_NS    ((uint64_t)(100 * NSEC_PER_MSEC))
/* From an exec's time to the change of exec_id, which comes after it. */
#define EXEC_MARGIN_NS (NSEC_PER_MSEC / 5)

struct image_span {
	struct process_image *image; /* NULL: not known */
	uint64_t since_ns;
	bool root_seen; /* or tried to, while it was the current one */
};

struct life {
	struct hashmap_entry entry;
	struct list_node node; /* in `alive` or `ended`, least recently changed first */
	uint32_t pid, parent;
	uint64_t start_ns; /* 0: not known */
	bool forked; /* start_ns is when the fork was told, else it is of /proc/PID/stat */
	uint64_t not_before_ns; /* the pid was another process's */
	uint64_t parent_start_ns;
	uint64_t told_ns; /* of its last event */
	uint64_t adopted_ns; /* when /proc was read, 0: never */
	uint64_t ended_round;
	struct root_id root; /* when it, or the one that it was forked from, was last looked at */
	bool ended; /* the leader did; other threads may live */
	bool exec_known;
	uint32_t first_exec_id; /* of images[0], if exec_known */
	bool complete; /* no image before images[0] was forgotten */
	size_t image_count;
	struct image_span images[MAX_IMAGES]; /* the last one is current */
};

struct process_history {
	const struct proc_root *proc;
	struct hashmap lives; /* by pid */
	struct list_node alive, ended;
	struct known_files files;
	size_t image_bytes;
	uint64_t round;
	uint64_t
		whole_ns; /* since then every event was told, and all lives that had any are there */
	struct process_history_stats stats;
};

static bool life_is(const struct hashmap_entry *e, const void *key)
{
	return container_of(e, struct life, entry)->pid == *(const uint32_t *)key;
}

struct process_history *process_history_new(const struct proc_root *proc, struct dso_cache *dsos)
{
	struct process_history *h = xcalloc(1, sizeof(*h));

	h->proc = proc;
	h->whole_ns = UINT64_MAX;
	hashmap_init(&h->lives, life_is);
	list_init(&h->alive);
	list_init(&h->ended);
	known_files_init(&h->files, dsos);
	return h;
}

static struct life *find(const struct process_history *h, uint32_t pid)
{
	struct hashmap_entry *e = hashmap_get(&h->lives, hash_u64(pid), &pid);

	return e ? container_of(e, struct life, entry) : NULL;
}

static void forget(struct process_history *h, struct life *l)
{
	for (size_t i = 0; i < l->image_count; i++)
		process_image_unref(l->images[i].image, &h->files);
	hashmap_remove(&h->lives, &l->entry);
	list_remove(&l->node);
	free(l);
}

void process_history_free(struct process_history *h)
{
	if (!h)
		return;
	hashmap_for_each(e, &h->lives)
		forget(h, container_of(e, struct life, entry));
	hashmap_release(&h->lives);
	known_files_release(&h->files);
	free(h);
}

/* Makes room: first of what has ended. */
static void enforce_bounds(struct process_history *h, size_t max_processes)
{
	while (h->lives.count > max_processes || h->image_bytes > MAX_BYTES) {
		struct list_node *list = list_empty(&h->ended) ? &h->alive : &h->ended;

		if (list_empty(list))
			return;
		h->whole_ns = MAX(h->whole_ns, list_entry(list->next, struct life, node)->told_ns);
		forget(h, list_entry(list->next, struct life, node));
		h->stats.evicted++;
	}
}

static void touch(struct process_history *h, struct life *l, uint64_t at_ns)
{
	l->told_ns = MAX(l->told_ns, at_ns);
	list_remove(&l->node);
	list_append(l->ended ? &h->ended : &h->alive, &l->node);
}

/* The beginning of a life, in place of an earlier one of that pid. */
static struct life *begin(struct process_history *h, uint32_t pid, uint64_t at_ns)
{
	struct life *old = find(h, pid);
	uint64_t not_before_ns = old ? old->told_ns : 0;

	if (old)
		forget(h, old);
	enforce_bounds(h, MAX_PROCESSES - 1);
	struct life *l = xcalloc(1, sizeof(*l));

	l->pid = pid;
	l->not_before_ns = not_before_ns;
	list_init(&l->node);
	hashmap_add(&h->lives, &l->entry, hash_u64(pid));
	touch(h, l, at_ns);
	return l;
}

static void add_image(struct process_history *h, struct life *l, struct process_image *image,
	uint64_t since_ns)
{
	if (l->image_count == MAX_IMAGES) {
		process_image_unref(l->images[0].image, &h->files);
		memmove(l->images, l->images + 1, (MAX_IMAGES - 1) * sizeof(l->images[0]));
		l->image_count--;
		l->first_exec_id++;
		l->complete = false;
	}
	l->images[l->image_count++] = (struct image_span){.image = image, .since_ns = since_ns};
}

static struct image_span *current(struct life *l)
{
	return &l->images[l->image_count - 1];
}

static uint64_t boottime_ns(const struct process_history *h)
{
	return (uint64_t)(clock_ns(CLOCK_BOOTTIME) - h->proc->boottime_offset_ns);
}

/* The same moment as files have it. */
static int64_t realtime_of(const struct process_history *h, uint64_t at_ns)
{
	return clock_realtime_ns() - (int64_t)(boottime_ns(h) - at_ns);
}

struct adoption {
	struct process_history *h;
	struct process_image *image;
	int process_dir;
	struct root_id root;
};

static void put_mapping(struct process_history *h, struct process_image **image,
	const struct map_entry *entry, uint64_t generation, const struct root_id *root)
{
	struct image_mapping m = {
		.start = entry->start,
		.end = entry->end,
		.offset = entry->offset,
		.kind = mapping_kind_of(entry),
	};

	if (m.kind == MAPPING_FILE)
		m.file = known_file_get(&h->files, entry, generation, root);
	process_image_map(image, &h->files, &m);
}

static void adopt_mapping(void *ctx, const struct map_entry *entry)
{
	struct adoption *a = ctx;

	if (!entry->executable)
		return;
	put_mapping(a->h, &a->image, entry, 0, &a->root);
	struct known_file *file = process_image_file(a->image, entry->start);

	if (file && known_file_wanted(&a->h->files, file))
		known_file_open(&a->h->files, file, a->process_dir, entry, true, INT64_MAX);
}

/* A process that was there before us, as it is now. */
static struct life *adopt(struct process_history *h, uint32_t pid, uint64_t at_ns)
{
	struct life *l = begin(h, pid, at_ns);
	int dir cleanup_close = process_dir_open_alive(h->proc, pid, at_ns, &l->start_ns);
	struct adoption a = {.h = h, .process_dir = dir};

	l->complete = true;
	add_image(h, l, NULL, 0);
	if (dir < 0) {
		l->start_ns = 0;
		return l;
	}
	h->stats.adopted++;
	root_id_of_process(dir, &a.root);
	l->root = a.root;
	a.image = process_image_new(&h->image_bytes);
	if (maps_read(dir, adopt_mapping, &a) < 0 || !a.image->count) {
		process_image_unref(a.image, &h->files);
		a.image = NULL;
	}
	l->adopted_ns = boottime_ns(h);
	l->images[0].image = a.image;
	return l;
}

static struct life *find_or_adopt(struct process_history *h, uint32_t pid, uint64_t at_ns)
{
	struct life *l = find(h, pid);

	return l ? l : adopt(h, pid, at_ns);
}

void process_history_forked(struct process_history *h, uint32_t pid, uint32_t parent,
	uint64_t at_ns)
{
	struct life *from = find_or_adopt(h, parent, at_ns);
	struct image_span *span = current(from);
	struct process_image *image = span->image ? process_image_ref(span->image) : NULL;
	uint32_t exec_id = from->first_exec_id + (uint32_t)from->image_count - 1;
	uint64_t parent_start_ns = from->start_ns;
	struct root_id root = from->root;
	bool exec_known = from->exec_known;

	touch(h, from, at_ns);
	struct life *l = begin(h, pid, at_ns); /* may forget the parent */

	l->parent = parent;
	l->parent_start_ns = parent_start_ns;
	l->root = root;
	l->start_ns = at_ns;
	l->forked = true;
	l->exec_known = exec_known;
	l->first_exec_id = exec_id;
	l->complete = true;
	add_image(h, l, image, at_ns);
}

void process_history_execed(struct process_history *h, uint32_t pid, uint64_t at_ns)
{
	struct life *l = find_or_adopt(h, pid, at_ns);
	struct image_span *span = current(l);

	if (l->adopted_ns > at_ns && span->since_ns < at_ns) {
		/* What was read was already this one; its mappings come as events, too. */
		process_image_unref(span->image, &h->files);
		span->image = NULL;
	}
	add_image(h, l, process_image_new(&h->image_bytes), at_ns);
	l->ended = false; /* a thread that execs takes the leader's place */
	touch(h, l, at_ns);
}

/* The directory of the process itself, if it lives. */
static int open_own(const struct process_history *h, const struct life *l)
{
	struct process_id id = {.pid = l->pid, .start_ns = l->start_ns};

	return l->start_ns ? process_dir_open(h->proc, &id) : -ESRCH;
}

/*
 * A process has its parent's root until it takes another one, which no event tells. So it is looked at when a
 * file of the process is not known beneath the root that it had. Whether it has another one.
 */
static bool look_at_root(struct process_history *h, struct life *l, int process_dir)
{
	struct root_id root;

	if (root_id_of_process(process_dir, &root) < 0 || root_id_equal(&root, &l->root))
		return false;
	l->root = root;
	process_image_set_root(&current(l)->image, &h->files, &root);
	return true;
}

void process_history_mapped(struct process_history *h, uint32_t pid, const struct map_entry *entry,
	uint64_t generation, uint64_t at_ns)
{
	enforce_bounds(h, MAX_PROCESSES);
	struct life *l = find_or_adopt(h, pid, at_ns);
	struct image_span *span = current(l);

	touch(h, l, at_ns);
	if (!span->image)
		return;
	put_mapping(h, &span->image, entry, generation, &l->root);
	struct known_file *file = process_image_file(span->image, entry->start);
	bool wanted = file && known_file_wanted(&h->files, file);

	/* Where there was no room or time, that may be for the root that it had. Looking costs some us: once. */
	if (!wanted &&
		(span->root_seen || mapping_kind_of(entry) != MAPPING_FILE || (file && file->dso)))
		return;
	span->root_seen = true;
	int dir cleanup_close = open_own(h, l);

	if (dir < 0)
		return;
	if (look_at_root(h, l, dir) && !file)
		put_mapping(h, &span->image, entry, generation, &l->root);
	file = process_image_file(span->image, entry->start);
	if (file && (wanted || known_file_wanted(&h->files, file)))
		known_file_open(&h->files, file, dir, entry, true, INT64_MAX);
}

void process_history_exited(struct process_history *h, uint32_t pid, uint32_t tid, uint64_t at_ns)
{
	struct life *l = find(h, pid);

	if (!l || tid != pid)
		return;
	l->ended = true;
	l->ended_round = h->round;
	touch(h, l, at_ns);
}

uint64_t process_history_now(const struct process_history *h)
{
	return boottime_ns(h);
}

void process_history_follow(struct process_history *h)
{
	h->whole_ns = boottime_ns(h);
}

bool process_history_unchanged(const struct process_history *h, uint32_t pid, uint64_t since_ns)
{
	const struct life *l = find(h, pid);

	return since_ns > h->whole_ns && (!l || l->told_ns < since_ns);
}

void process_history_lost(struct process_history *h, uint64_t since_ns)
{
	if (h->whole_ns != UINT64_MAX)
		process_history_follow(h);
	hashmap_for_each(e, &h->lives) {
		struct life *l = container_of(e, struct life, entry);

		if (!l->ended || l->told_ns >= since_ns)
			forget(h, l);
	}
}

/* The life that started then, if it is the one that is kept. */
static struct life *find_id(const struct process_history *h, const struct process_id *id)
{
	struct life *l = find(h, id->pid);

	if (!l || !l->start_ns || id->start_ns < l->not_before_ns)
		return NULL;
	if (l->forked)
		return id->start_ns <= l->start_ns && l->start_ns - id->start_ns <= FORK_LAG_NS
			? l
			: NULL;
	/* In /proc it is cut to ticks. */
	uint64_t tick_ns = (uint64_t)h->proc->tick_ns;

	return id->start_ns + tick_ns >= l->start_ns && id->start_ns <= l->start_ns + tick_ns
		? l
		: NULL;
}

/* The number of an image, -1 where that is not known. */
static int image_index(const struct life *l, const struct process_id *id)
{
	uint32_t index = id->exec_id - l->first_exec_id;

	if (l->exec_known)
		return index < l->image_count ? (int)index : -1;
	return l->image_count == 1 && l->complete ? 0 : -1;
}

/* The image at that time, -1 where it may have been either of two. */
static int index_at(const struct life *l, uint64_t at_ns)
{
	int index = -1;

	for (size_t i = 0; i < l->image_count; i++) {
		uint64_t since_ns = l->images[i].since_ns;

		if (i && at_ns >= since_ns && at_ns < since_ns + EXEC_MARGIN_NS)
			return -1;
		if (since_ns <= at_ns)
			index = (int)i;
	}
	return index;
}

void process_history_seen(struct process_history *h, const struct process_id *id, uint64_t at_ns)
{
	struct life *l = find_id(h, id);

	if (!l || l->exec_known)
		return;
	int index = index_at(l, at_ns);

	/* Of images before the first that is kept nothing is known. */
	if (index < 0 || (index == 0 && !l->complete))
		return;
	l->first_exec_id = id->exec_id - (uint32_t)index;
	l->exec_known = true;
}

enum image_age process_history_age(const struct process_history *h, const struct process_id *id)
{
	const struct life *l = find_id(h, id);
	int index = l ? image_index(l, id) : -1;

	if (index < 0)
		return IMAGE_UNKNOWN;
	return (size_t)index + 1 == l->image_count ? IMAGE_CURRENT : IMAGE_PAST;
}

/* Looks where the process looked, through those who have the same root and live on. */
static void open_by_ancestors(struct process_history *h, const struct life *l,
	struct known_file *file, const struct map_entry *entry, int64_t before_ns)
{
	for (int i = 0; i < MAX_ANCESTORS && !file->dso; i++) {
		struct process_id id = {.pid = l->parent, .start_ns = l->parent_start_ns};
		int dir cleanup_close = id.start_ns ? process_dir_open(h->proc, &id) : -ESRCH;

		if (dir >= 0)
			known_file_open(&h->files, file, dir, entry, false, before_ns);
		l = find_id(h, &id);
		if (!l)
			break;
	}
}

/* The file of a process that is gone; without names where it is not known beneath its root. */
static struct dso *dso_beneath_root(struct process_history *h, const struct life *l,
	struct known_file *file, const struct map_entry *entry)
{
	int64_t before_ns = realtime_of(h, l->told_ns);

	if (!file->dso)
		open_by_ancestors(h, l, file, entry, before_ns);
	if (file->dso)
		return dso_ref(file->dso);
	struct dso *dso = dso_get_known(h->files.dsos, entry, &file->root, before_ns);

	if (!dso)
		return dso_get_absent(h->files.dsos, entry, &file->root);
	known_file_keep(&h->files, file, dso);
	return dso;
}

static struct dso *dso_in(const struct process_maps *old, const struct mapping *m)
{
	const struct mapping *o = process_maps_find(old, m->start);
	bool same =
		o && o->start == m->start && o->offset == m->offset && o->file_key == m->file_key;

	return same && o->dso ? dso_ref(o->dso) : NULL;
}

static struct dso *dso_of(struct process_history *h, const struct life *l,
	const struct image_mapping *im, const struct mapping *m, const struct process_maps *old)
{
	struct dso *dso = dso_in(old, m);

	if (dso || !im->file)
		return dso;
	struct map_entry entry = im->file->as_mapped;

	entry.start = im->start;
	entry.end = im->end;
	entry.offset = im->offset;
	if (!im->file->dso) {
		int dir cleanup_close = open_own(h, l);

		if (dir >= 0)
			known_file_open(&h->files, im->file, dir, &entry, true, INT64_MAX);
	}
	return dso_beneath_root(h, l, im->file, &entry);
}

static void answer(struct process_history *h, const struct life *l,
	const struct process_image *image, const struct process_maps *old, struct process_maps *ret)
{
	*ret = (struct process_maps){0};
	for (size_t i = 0; i < image->count; i++) {
		const struct image_mapping *im = &image->list[i];
		struct mapping m = {
			.start = im->start,
			.end = im->end,
			.offset = im->offset,
			.kind = im->kind,
			.file_key = im->file ? mapping_file_key(&im->file->as_mapped) : 0,
		};

		if (m.kind == MAPPING_FILE)
			m.dso = dso_of(h, l, im, &m, old);
		/* A 32-bit process, which has another vDSO, has it below 4 GiB. */
		if (m.kind == MAPPING_VDSO && m.start > UINT32_MAX)
			m.dso = dso_get_vdso(h->files.dsos);
		process_maps_append(ret, &m);
	}
	process_maps_fit(ret);
}

int process_history_maps(struct process_history *h, const struct process_id *id,
	const struct process_maps *old, struct process_maps *ret)
{
	const struct life *l = find_id(h, id);
	int index = l ? image_index(l, id) : -1;
	const struct process_image *image = index < 0 ? NULL : l->images[index].image;

	if (!image || !image->count) {
		h->stats.unknown++;
		return -ENOENT;
	}
	if (image->incomplete && old->count)
		return -E2BIG;
	h->stats.answered++;
	answer(h, l, image, old, ret);
	return 0;
}

void process_history_begin_round(struct process_history *h)
{
	h->round++;
}

void process_history_end_round(struct process_history *h)
{
	while (!list_empty(&h->ended)) {
		struct life *l = list_entry(h->ended.next, struct life, node);

		if (l->ended_round == h->round)
			break;
		forget(h, l);
	}
	known_files_end_round(&h->files);
}

void process_history_stats(const struct process_history *h, struct process_history_stats *ret)
{
	*ret = h->stats;
	ret->processes = h->lives.count;
	ret->files = h->files.files.count;
	ret->bytes = h->image_bytes + h->files.bytes + h->lives.count * sizeof(struct life);
}
