// SPDX-License-Identifier: Apache-2.0
/* What the commands share before their work begins. */
#ifndef STARTUP_H
#define STARTUP_H

#include <stdbool.h>

#include "config/config.h"

/*
 * Loads `path` (NULL: the zero configuration); mistakes are written to stderr, one per line. 0 or
 * -errno.
 */
int config_load_or_report(const char *path, struct config *ret);

/* EXIT_USAGE for a bad option value, EXIT_ENVIRONMENT for what the machine lacks, else EXIT_FAILED. */
int exit_code_of(int error);

#endif
