// SPDX-License-Identifier: Apache-2.0
/* What a rule did to a set of labels. */
#ifndef LABEL_CHANGES_H
#define LABEL_CHANGES_H

#include <stdbool.h>

#include "target/labels.h"

/* before NULL: it was added; after NULL: it was removed. */
typedef void (*label_change_fn)(void *ctx, const char *name, const char *before, const char *after);

/* Visits the differences by name; whether there are any. */
bool label_changes(const struct labels *before, const struct labels *after, label_change_fn visit,
	void *ctx);

#endif
