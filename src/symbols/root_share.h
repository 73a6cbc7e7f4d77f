// SPDX-License-Identifier: Apache-2.0
/*
 * How many files are held of each root, so that one container cannot take the room of all others. A container may
 * have ever other roots (chroot), but in its mount namespace: what all roots of one have together is counted too.
 */
#ifndef SYMBOLS_ROOT_SHARE_H
#define SYMBOLS_ROOT_SHARE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/hashmap.h"
#include "proc/file_root.h"

struct root_share {
	struct hashmap_entry entry;
	struct root_id root;
	size_t files; /* never 0 */
	struct root_share
		*container; /* of all its roots; NULL: this is one, or that is not known */
};

void root_shares_init(struct hashmap *shares);
/* Whether a root has so many, or those of its container together twice as many. */
bool root_share_is_used_up(const struct hashmap *shares, const struct root_id *root, size_t max);
/* One more, to be given back. */
struct root_share *root_share_take(struct hashmap *shares, const struct root_id *root);
void root_share_give_back(struct hashmap *shares, struct root_share *share);

#endif
