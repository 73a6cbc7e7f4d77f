// SPDX-License-Identifier: Apache-2.0
/* How many files are held of each root, so that one container cannot take the room of all others. */
#ifndef SYMBOLS_ROOT_SHARE_H
#define SYMBOLS_ROOT_SHARE_H

#include <stddef.h>

#include "base/hashmap.h"
#include "proc/file_root.h"

struct root_share {
	struct hashmap_entry entry;
	struct root_id root;
	size_t files; /* never 0 */
};

void root_shares_init(struct hashmap *shares);
/* How many there are of a root. */
size_t root_share_files(const struct hashmap *shares, const struct root_id *root);
/* One more, to be given back. */
struct root_share *root_share_take(struct hashmap *shares, const struct root_id *root);
void root_share_give_back(struct hashmap *shares, struct root_share *share);

#endif
