// SPDX-License-Identifier: Apache-2.0
#include "symbols/root_share.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/macros.h"

static bool share_is(const struct hashmap_entry *e, const void *key)
{
	return root_id_equal(&container_of(e, struct root_share, entry)->root, key);
}

void root_shares_init(struct hashmap *shares)
{
	hashmap_init(shares, share_is);
}

static struct root_share *find(const struct hashmap *shares, const struct root_id *root)
{
	struct hashmap_entry *e = hashmap_get(shares, hash_combine(root->dev, root->inode), root);

	return e ? container_of(e, struct root_share, entry) : NULL;
}

static struct root_id device_of(const struct root_id *root)
{
	return (struct root_id){.dev = root->dev};
}

static size_t files_of(const struct hashmap *shares, const struct root_id *root)
{
	const struct root_share *share = find(shares, root);

	return share ? share->files : 0;
}

bool root_share_is_used_up(const struct hashmap *shares, const struct root_id *root, size_t max)
{
	struct root_id device = device_of(root);

	return files_of(shares, root) >= max || files_of(shares, &device) >= 2 * max;
}

static struct root_share *take(struct hashmap *shares, const struct root_id *root)
{
	struct root_share *share = find(shares, root);

	if (!share) {
		share = xcalloc(1, sizeof(*share));
		share->root = *root;
		hashmap_add(shares, &share->entry, hash_combine(root->dev, root->inode));
	}
	share->files++;
	return share;
}

struct root_share *root_share_take(struct hashmap *shares, const struct root_id *root)
{
	struct root_share *share = take(shares, root);
	struct root_id device = device_of(root);

	if (root->inode)
		share->device = take(shares, &device);
	return share;
}

void root_share_give_back(struct hashmap *shares, struct root_share *share)
{
	if (share->device)
		root_share_give_back(shares, share->device);
	if (--share->files)
		return;
	hashmap_remove(shares, &share->entry);
	free(share);
}
