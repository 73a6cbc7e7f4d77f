// SPDX-License-Identifier: Apache-2.0
/*
 * The table of the optimal string alignment distance, of which a row depends on the two above it:
 *
 *	        r e l a b l e        d[i][j]: letters of a[0..i) made into b[0..j)
 *	    0 1 2 3 4 5 6 7
 *	  r 1 0 1 ...                swap: d[i-2][j-2] + 1
 */
#include "config/suggest.h"

#include <string.h>

#include "base/macros.h"

#define LONGEST 64

size_t edit_distance(const char *a, const char *b, size_t limit)
{
	size_t a_len = strlen(a), b_len = strlen(b);
	size_t rows[3][LONGEST + 1];

	if (a_len > LONGEST || b_len > LONGEST)
		return limit + 1;
	for (size_t j = 0; j <= b_len; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t *row = rows[i % 3], *above = rows[(i + 2) % 3],
		       *two_above = rows[(i + 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t change = above[j - 1] + (a[i - 1] != b[j - 1]);
			size_t shift = MIN(above[j], row[j - 1]) + 1;

			row[j] = MIN(change, shift);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = MIN(row[j], two_above[j - 2] + 1);
		}
	}
	return MIN(rows[a_len % 3][b_len], limit + 1);
}

size_t suggest_limit(const char *name)
{
	return MAX(strlen(name) / 3, (size_t)1);
}
