// SPDX-License-Identifier: Apache-2.0
/* Both sets are sorted by name, so one walk through both at once finds all. */
#include "label_changes.h"

#include <string.h>

bool label_changes(const struct labels *before, const struct labels *after, label_change_fn visit,
	void *ctx)
{
	size_t i = 0, j = 0;
	bool changed = false;

	while (i < before->count || j < after->count) {
		const struct label *old = i < before->count ? &before->list[i] : NULL;
		const struct label *new = j < after->count ? &after->list[j] : NULL;
		int order = !old ? 1 : !new ? -1 : strcmp(old->name, new->name);
		bool equal = order == 0 && strcmp(old->value, new->value) == 0;

		if (!equal)
			visit(ctx, order <= 0 ? old->name : new->name,
				order <= 0 ? old->value : NULL, order >= 0 ? new->value : NULL);
		changed |= !equal;
		i += order <= 0;
		j += order >= 0;
	}
	return changed;
}
