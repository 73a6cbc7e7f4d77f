// SPDX-License-Identifier: Apache-2.0
/* Spools that an earlier run left and that no endpoint has any more. */
#ifndef EXPORT_SPOOL_LEFT_H
#define EXPORT_SPOOL_LEFT_H

#include <stdint.h>

#define SPOOL_LEFT_MAX 1000 /* directories that are looked at */

/* Tells of each directory in `path` that holds segments and that nobody has open, and how many
 * bytes they have. Opens none. */
void spool_find_left(const char *path,
	void (*found)(void *ctx, const char *directory, uint64_t bytes), void *ctx);

#endif
