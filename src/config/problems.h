// SPDX-License-Identifier: Apache-2.0
/* Gathering the mistakes of a file. */
#ifndef CONFIG_PROBLEMS_H
#define CONFIG_PROBLEMS_H

#include "base/macros.h"
#include "config/config.h"

/* More than anybody reads; a 1 MiB file could otherwise cost many times its size. */
#define PROBLEMS_MAX 1000

/* line and column are 1-based; 0, 0 is the file as a whole. One line, no final newline. */
void problem_add(struct config_problems *problems, unsigned line, unsigned column, const char *fmt,
	...) PRINTF_LIKE(4, 5);
/* By position; of equal ones (the same anchor used twice) only the first is kept. */
void problems_sort(struct config_problems *problems);

#endif
