// SPDX-License-Identifier: Apache-2.0
#include "symbols/root_share.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/macros.h"

static bool share_is(const struct hashmap_entry *e, const void *key)
{
	const struct root_id *root = &container_of(e, struct root_share, entry)->root, *other = key;

	return root_id_equal(root, other) && root->mount_namespace == other->mount_namespace;
}

void root_shares_init(struct hashmap *shares)
{
	hashmap_init(shares, share_is);
}

static uint64_t hash_of(const struct root_id *root)
{
	return hash_combine(hash_combine(root->dev, root->inode), root->mount_namespace);
}

static struct root_share *find(const struct hashmap *shares, const struct root_id *root)
{
	struct hashmap_entry *e = hashmap_get(shares, hash_of(root), root);

	return e ? container_of(e, struct root_share, entry) : NULL;
}

/* What stands for all roots of a container. */
static struct root_id container_of_root(const struct root_id *root)
{
	return (struct root_id){.mount_namespace = root->mount_namespace};
}

static size_t files_of(const struct hashmap *shares, const struct root_id *root)
{
	const struct root_share *share = find(shares, root);

	return share ? share->files : 0;
}

bool root_share_is_used_up(const struct hashmap *shares, const struct root_id *root, size_t max)
{
	struct root_id container = container_of_root(root);

	return files_of(shares, root) >= max ||
		(root->mount_namespace && files_of(shares, &container) >= 2 * max);
}

static struct root_share *take(struct hashmap *shares, const struct root_id *root)
{
	struct root_share *share = find(shares, root);

	if (!share) {
		share = xcalloc(1, sizeof(*share));
		share->root = *root;
		hashmap_add(shares, &share->entry, hash_of(root));
	}
	share->files++;
	return share;
}

struct root_share *root_share_take(struct hashmap *shares, const struct root_id *root)
{
	struct root_share *share = take(shares, root);
	struct root_id container = container_of_root(root);

	if (root->inode && root->mount_namespace)
		share->container = take(shares, &container);
	return share;
}

void root_share_give_back(struct hashmap *shares, struct root_share *share)
{
	if (share->container)
		root_share_give_back(shares, share->container);
	if (--share->files)
		return;
	hashmap_remove(shares, &share->entry);
	free(share);
}
