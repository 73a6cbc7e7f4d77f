// SPDX-License-Identifier: Apache-2.0
/*
 * Before Linux 6.8 maps show the device and inode that a file has in the layer beneath an overlay, and all
 * containers of an image show the same, although each may have changed the file, and has its own debug files.
 * So one process's file is another's only if both have the same root.
 *
 * Since then they show the overlay's own: who maps a file of it is in that container, even if the root that we know
 * is the one it had before it entered it, as with `docker exec`.
 */
#include "symbols/mapped_as.h"

#include <string.h>
#include <sys/sysmacros.h>

#include "base/hash.h"
#include "base/macros.h"
#include "proc/mount_type.h"

struct mapped_key {
	const struct map_entry *entry;
	const struct root_id *root;
};

static bool is_beneath(const struct mapped_as *file, const struct root_id *root)
{
	if (root_id_known(root) && root_id_equal(&file->root, root))
		return true;
	return file->of_overlay_root && file->root.dev != root->dev;
}

static bool file_is(const struct hashmap_entry *e, const void *key)
{
	const struct mapped_as *file = container_of(e, struct mapped_as, entry);
	const struct mapped_key *k = key;

	return !file->unusable && file->inode == k->entry->inode &&
		file->dev_major == k->entry->dev_major && file->dev_minor == k->entry->dev_minor &&
		is_beneath(file, k->root) && strcmp(file->path, k->entry->path) == 0;
}

static uint64_t hash_entry(const struct map_entry *e)
{
	uint64_t dev = (uint64_t)e->dev_major << 32 | e->dev_minor;

	return hash_combine(hash_combine(dev, e->inode), hash_string(e->path));
}

void mapped_as_init_table(struct hashmap *table)
{
	hashmap_init(table, file_is);
}

static bool is_of_overlay_root(int process_dir, int path_fd, const struct map_entry *entry,
	const struct root_id *root)
{
	char type[MOUNT_TYPE_MAX];

	return root_id_known(root) && root->dev == makedev(entry->dev_major, entry->dev_minor) &&
		path_fd >= 0 && mount_type(process_dir, path_fd, type) == 0 &&
		strcmp(type, "overlay") == 0;
}

void mapped_as_add(struct hashmap *table, struct mapped_as *file, const struct map_entry *entry,
	const struct root_id *root, int process_dir, int path_fd)
{
	file->dev_major = entry->dev_major;
	file->dev_minor = entry->dev_minor;
	file->inode = entry->inode;
	file->root = *root;
	file->of_overlay_root =
		!entry->dev_major && is_of_overlay_root(process_dir, path_fd, entry, root);
	hashmap_add(table, &file->entry, hash_entry(entry));
}

struct mapped_as *mapped_as_find(const struct hashmap *table, const struct map_entry *entry,
	const struct root_id *root)
{
	struct mapped_key key = {entry, root};
	struct hashmap_entry *e = hashmap_get(table, hash_entry(entry), &key);

	return e ? container_of(e, struct mapped_as, entry) : NULL;
}
