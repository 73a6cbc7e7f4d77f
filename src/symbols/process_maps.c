// SPDX-License-Identifier: Apache-2.0
/*
 * Only executable mappings are kept. Reading anew walks the old list beside the new text (both are in
 * address order): a mapping with the same range, offset and file needs no system call.
 */
#include "symbols/process_maps.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/hash.h"

/* Executable mappings per process; the largest JITs have some thousands. */
#define MAX_MAPPINGS      16384
/* Different files behind them. Hardly a program has 200; each is a dso, and there is room for so many in all. */
#define MAX_FILES         2048
/* More than one has ended only while the process ends. */
#define MAX_THREADS_TRIED 16

struct reading {
	struct dso_cache *cache;
	int process_dir;
	const struct process_maps *old;
	size_t old_at;
	uint64_t walk;
	size_t files; /* different ones, as the walk met them */
	struct process_maps now;
};

static bool starts_with(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

enum mapping_kind mapping_kind_of(const struct map_entry *e)
{
	/* Memory that has an inode but no contents on a file system. */
	static const char *const shared[] = {"/dev/zero", "/SYSV", "/anon_hugepage", "/[aio]"};

	if (e->path[0] == '[') {
		if (strcmp(e->path, "[vdso]") == 0)
			return MAPPING_VDSO;
		if (strcmp(e->path, "[heap]") == 0)
			return MAPPING_HEAP;
		if (strcmp(e->path, "[stack]") == 0)
			return MAPPING_STACK;
		return strcmp(e->path, "[vsyscall]") == 0 ? MAPPING_VSYSCALL : MAPPING_ANONYMOUS;
	}
	if (!e->inode || e->path[0] != '/')
		return MAPPING_ANONYMOUS;
	for (size_t i = 0; i < ARRAY_SIZE(shared); i++)
		if (e->deleted && starts_with(e->path, shared[i]))
			return MAPPING_ANONYMOUS;
	return MAPPING_FILE;
}

uint64_t mapping_file_key(const struct map_entry *e)
{
	uint64_t dev = (uint64_t)e->dev_major << 32 | e->dev_minor;

	return hash_combine(hash_combine(dev, e->inode), hash_string(e->path));
}

/* The dso of the same mapping in the old list. */
static struct dso *known_dso(struct reading *r, const struct mapping *m)
{
	const struct process_maps *old = r->old;

	while (r->old_at < old->count && old->list[r->old_at].start < m->start)
		r->old_at++;
	if (r->old_at == old->count)
		return NULL;
	const struct mapping *o = &old->list[r->old_at];

	if (o->start != m->start || o->end != m->end || o->offset != m->offset ||
		o->kind != m->kind || o->file_key != m->file_key || !o->dso)
		return NULL;
	return dso_ref(o->dso);
}

/* NULL where the process has too many. */
static struct dso *file_of(struct reading *r, const struct mapping *m, const struct map_entry *e)
{
	struct dso *dso = known_dso(r, m);

	if (!dso && m->kind == MAPPING_FILE && r->files < MAX_FILES)
		dso = dso_get(r->cache, r->process_dir, e);
	if (!dso || dso_walked(dso, r->walk))
		return dso;
	if (r->files == MAX_FILES) {
		dso_unref(r->cache, dso);
		return NULL;
	}
	r->files++;
	dso_set_walked(dso, r->walk);
	return dso;
}

void process_maps_append(struct process_maps *maps, const struct mapping *mapping)
{
	if (maps->count == maps->capacity) {
		maps->capacity = grow_capacity(maps->capacity, maps->count + 1);
		maps->list = xreallocarray(maps->list, maps->capacity, sizeof(maps->list[0]));
	}
	maps->list[maps->count++] = *mapping;
}

void process_maps_fit(struct process_maps *maps)
{
	maps->list = xreallocarray(maps->list, maps->count, sizeof(maps->list[0]));
	maps->capacity = maps->count;
}

static void take_mapping(void *ctx, const struct map_entry *e)
{
	struct reading *r = ctx;
	struct process_maps *now = &r->now;

	if (!e->executable || now->count == MAX_MAPPINGS)
		return;
	struct mapping m = {
		.start = e->start,
		.end = e->end,
		.offset = e->offset,
		.file_key = mapping_file_key(e),
		.kind = mapping_kind_of(e),
	};

	m.dso = file_of(r, &m, e);
	/* A 32-bit process, which has another vDSO, has it below 4 GiB. */
	if (!m.dso && m.kind == MAPPING_VDSO && e->start > UINT32_MAX)
		m.dso = dso_get_vdso(r->cache);
	process_maps_append(now, &m);
}

/*
 * The main thread may end before the others. Its maps are empty then, and its map_files gone; those of
 * another thread are the process's, with the files by their paths.
 */
static int read_of_other_thread(struct reading *reading, int process_dir)
{
	int task_fd = openat(process_dir, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *tasks cleanup_closedir = task_fd < 0 ? NULL : fdopendir(task_fd);
	const struct dirent *d;
	int r = -ESRCH;

	if (!tasks) {
		if (task_fd >= 0)
			close(task_fd);
		return r;
	}
	for (int tries = 0; (d = readdir(tasks)) && tries < MAX_THREADS_TRIED; tries++) {
		if (d->d_name[0] == '.')
			continue;
		int dir cleanup_close =
			openat(task_fd, d->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);

		reading->process_dir = dir;
		r = dir < 0 ? -ESRCH : maps_read(dir, take_mapping, reading);
		if (reading->now.count)
			return r;
	}
	return r;
}

int process_maps_read(struct process_maps *maps, struct dso_cache *cache, int process_dir)
{
	struct reading reading = {
		.cache = cache,
		.process_dir = process_dir,
		.old = maps,
		.walk = ++cache->walks,
	};
	int r = maps_read(process_dir, take_mapping, &reading);

	if (r == 0 && !reading.now.count)
		r = read_of_other_thread(&reading, process_dir);
	if (r == 0 && !reading.now.count)
		r = -ESRCH; /* a zombie */
	if (r < 0 && r != -E2BIG) {
		process_maps_release(&reading.now, cache);
		return r;
	}
	process_maps_release(maps, cache);
	*maps = reading.now;
	process_maps_fit(maps);
	return 0;
}

const struct mapping *process_maps_find(const struct process_maps *maps, uint64_t address)
{
	size_t lo = 0, hi = maps->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (maps->list[mid].end <= address)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < maps->count && maps->list[lo].start <= address ? &maps->list[lo] : NULL;
}

bool process_maps_equal(const struct process_maps *a, const struct process_maps *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		const struct mapping *x = &a->list[i], *y = &b->list[i];

		if (x->start != y->start || x->end != y->end || x->offset != y->offset ||
			x->file_key != y->file_key)
			return false;
	}
	return true;
}

void process_maps_release(struct process_maps *maps, struct dso_cache *cache)
{
	for (size_t i = 0; i < maps->count; i++)
		if (maps->list[i].dso)
			dso_unref(cache, maps->list[i].dso);
	free(maps->list);
	*maps = (struct process_maps){0};
}
