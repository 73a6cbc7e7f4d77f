// SPDX-License-Identifier: Apache-2.0
/*
 * A file is used while an image maps it, and kept for KEEP_ROUNDS rounds after that: programs that live for a
 * millisecond come again. Keeping it keeps its dso and, within the dso cache's own bound, its descriptor.
 *
 * Opening a file costs some 30 us, so on a host that runs ever new programs the number of openings is limited
 * as a bucket leaks: BURST at once, then one per OPENING_NS.
 *
 * A root, which is a container, has a quarter of the room at most: its new files take that of its own unused ones. All
 * roots of one mount namespace, which a container may have by chroot, have half.
 */
#include "symbols/known_files.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/macros.h"
#include "symbols/process_maps.h"

#define KEEP_ROUNDS 2
/* A hundred different containers map some thousands. */
#define MAX_FILES   8192
/* Their paths are a hundred bytes long, unless someone wants to fill our memory. */
#define MAX_BYTES   (2 << 20)
#define ROOT_SHARE  4
#define OPENING_NS  (NSEC_PER_SEC / 500)
#define BURST       256
#define RETRY_NS    (20 * NSEC_PER_MSEC)

struct file_key {
	const struct map_entry *entry;
	uint64_t generation;
	const struct root_id *root;
};

struct known_root {
	struct hashmap_entry entry;
	struct root_id root;
	size_t files, bytes;
	struct list_node unused; /* of its files, the longest unused first */
	struct known_root
		*container; /* of all its roots; NULL: this is one, or that is not known */
};

static bool root_is(const struct hashmap_entry *e, const void *key)
{
	const struct root_id *root = &container_of(e, struct known_root, entry)->root, *other = key;

	return root_id_equal(root, other) && root->mount_namespace == other->mount_namespace;
}

static bool file_is(const struct hashmap_entry *e, const void *key)
{
	const struct known_file *f = container_of(e, struct known_file, entry);
	const struct file_key *k = key;

	return f->generation == k->generation && f->as_mapped.inode == k->entry->inode &&
		f->as_mapped.dev_major == k->entry->dev_major &&
		f->as_mapped.dev_minor == k->entry->dev_minor &&
		f->as_mapped.deleted == k->entry->deleted && root_id_equal(&f->root, k->root) &&
		strcmp(f->path, k->entry->path) == 0;
}

void known_files_init(struct known_files *files, struct dso_cache *dsos)
{
	*files = (struct known_files){.dsos = dsos};
	hashmap_init(&files->files, file_is);
	hashmap_init(&files->roots, root_is);
	list_init(&files->unused);
}

static size_t bytes_of(const struct known_file *file)
{
	return sizeof(*file) + strlen(file->path) + 1;
}

static struct known_root *root_get(struct known_files *files, const struct root_id *root,
	size_t bytes)
{
	uint64_t hash = hash_combine(hash_combine(root->dev, root->inode), root->mount_namespace);
	struct hashmap_entry *e = hashmap_get(&files->roots, hash, root);
	struct known_root *r = e ? container_of(e, struct known_root, entry) : NULL;

	if (!r) {
		r = xcalloc(1, sizeof(*r));
		r->root = *root;
		list_init(&r->unused);
		hashmap_add(&files->roots, &r->entry, hash);
	}
	r->files++;
	r->bytes += bytes;
	return r;
}

static struct known_root *root_take(struct known_files *files, const struct root_id *root,
	size_t bytes)
{
	struct known_root *r = root_get(files, root, bytes);

	if (root->inode && root->mount_namespace)
		r->container = root_get(files,
			&(struct root_id){.mount_namespace = root->mount_namespace}, bytes);
	return r;
}

static void root_give_back(struct known_files *files, struct known_root *r, size_t bytes)
{
	if (r->container)
		root_give_back(files, r->container, bytes);
	r->bytes -= bytes;
	if (--r->files)
		return;
	hashmap_remove(&files->roots, &r->entry);
	free(r);
}

static void forget(struct known_files *files, struct known_file *file)
{
	if (file->dso)
		dso_unref(files->dsos, file->dso);
	files->bytes -= bytes_of(file);
	hashmap_remove(&files->files, &file->entry);
	list_remove(&file->node);
	list_remove(&file->node_of_root);
	list_remove(&file->node_of_container);
	root_give_back(files, file->of, bytes_of(file));
	free(file);
}

void known_files_release(struct known_files *files)
{
	hashmap_for_each(e, &files->files)
		forget(files, container_of(e, struct known_file, entry));
	hashmap_release(&files->files);
	hashmap_release(&files->roots);
}

static bool is_over(const struct known_files *files, size_t bytes)
{
	return files->files.count >= MAX_FILES || files->bytes + bytes > MAX_BYTES;
}

static bool has_more(const struct known_root *r, size_t share)
{
	return r->files > MAX_FILES / share || r->bytes > MAX_BYTES / share;
}

static bool root_is_over(const struct known_root *r)
{
	return has_more(r, ROOT_SHARE);
}

static bool container_is_over(const struct known_root *r)
{
	return r->container && has_more(r->container, ROOT_SHARE / 2);
}

/* What is unused goes, of the root's and the container's own files first. */
static bool make_room(struct known_files *files, struct known_root *r, size_t bytes)
{
	while (root_is_over(r) && !list_empty(&r->unused))
		forget(files, list_entry(r->unused.next, struct known_file, node_of_root));
	while (container_is_over(r) && !list_empty(&r->container->unused))
		forget(files,
			list_entry(r->container->unused.next, struct known_file,
				node_of_container));
	while (is_over(files, bytes) && !list_empty(&files->unused))
		forget(files, list_entry(files->unused.next, struct known_file, node));
	return !root_is_over(r) && !container_is_over(r) && !is_over(files, bytes);
}

static struct known_file *file_new(struct known_files *files, const struct file_key *key,
	uint64_t hash)
{
	size_t len = strlen(key->entry->path) + 1, bytes = sizeof(struct known_file) + len;
	struct known_root *r = root_take(files, key->root, bytes);

	if (!make_room(files, r, bytes)) {
		root_give_back(files, r, bytes);
		files->refused++;
		return NULL;
	}
	struct known_file *file = xcalloc(1, bytes);

	memcpy(file->path, key->entry->path, len);
	file->of = r;
	file->generation = key->generation;
	file->root = *key->root;
	file->as_mapped = *key->entry;
	file->as_mapped.path = file->path;
	list_init(&file->node);
	list_init(&file->node_of_root);
	list_init(&file->node_of_container);
	hashmap_add(&files->files, &file->entry, hash);
	files->bytes += bytes;
	return file;
}

struct known_file *known_file_get(struct known_files *files, const struct map_entry *entry,
	uint64_t generation, const struct root_id *root)
{
	struct file_key key = {entry, generation, root};
	uint64_t hash = hash_combine(hash_combine(mapping_file_key(entry), generation),
		hash_combine(root->dev, root->inode));
	struct hashmap_entry *e = hashmap_get(&files->files, hash, &key);
	struct known_file *file =
		e ? container_of(e, struct known_file, entry) : file_new(files, &key, hash);

	return file ? known_file_ref(file) : NULL;
}

struct known_file *known_file_ref(struct known_file *file)
{
	if (!file->refs++) {
		list_remove(&file->node);
		list_remove(&file->node_of_root);
		list_remove(&file->node_of_container);
	}
	return file;
}

void known_file_unref(struct known_files *files, struct known_file *file)
{
	if (--file->refs)
		return;
	file->unused_round = files->round;
	list_append(&files->unused, &file->node);
	list_append(&file->of->unused, &file->node_of_root);
	if (file->of->container)
		list_append(&file->of->container->unused, &file->node_of_container);
}

bool known_file_wanted(struct known_files *files, struct known_file *file)
{
	if (file->dso && !dso_needs_file(file->dso))
		return false;
	int64_t now_ns = clock_monotonic_ns();

	if (now_ns < file->retry_ns || files->openings_ns > now_ns + BURST * OPENING_NS)
		return false;
	file->retry_ns = now_ns + RETRY_NS;
	files->openings_ns = MAX(files->openings_ns, now_ns) + OPENING_NS;
	return true;
}

void known_file_keep(struct known_files *files, struct known_file *file, struct dso *dso)
{
	if (!root_id_known(&file->root) || !root_id_equal(dso_root(dso), &file->root))
		return;
	dso_ref(dso);
	if (file->dso)
		dso_unref(files->dsos, file->dso);
	file->dso = dso;
}

void known_file_open(struct known_files *files, struct known_file *file, int process_dir,
	const struct map_entry *entry, bool own, int64_t before_ns)
{
	struct root_id root;

	if (root_id_of_process(process_dir, &root) < 0 || !root_id_equal(&root, &file->root))
		return;
	struct dso *dso = dso_get_again(files->dsos, process_dir, entry, own, before_ns);

	if (!dso)
		return;
	known_file_keep(files, file, dso);
	dso_unref(files->dsos, dso);
}

void known_files_end_round(struct known_files *files)
{
	files->round++;
	while (!list_empty(&files->unused)) {
		struct known_file *file = list_entry(files->unused.next, struct known_file, node);

		if (file->unused_round + KEEP_ROUNDS > files->round)
			return;
		forget(files, file);
	}
}
