// SPDX-License-Identifier: Apache-2.0
/* Which cgroup controllers the kernel has, and on which hierarchy: /proc/cgroups. */
#ifndef PROC_CGROUPS_H
#define PROC_CGROUPS_H

#include <stddef.h>

/*
 * The first of `names` that is a controller on a cgroup v1 hierarchy, as an index into `names`; `text`
 * is /proc/cgroups. -1 where none is: then all controllers are on v2, or unused.
 */
int cgroups_find_v1(const char *text, const char *const *names, size_t count);
/* The same, reading it beneath `proc`, which is "/proc"; a kernel without v1 may lack the file. */
int cgroups_read_v1(const char *proc, const char *const *names, size_t count);

#endif
