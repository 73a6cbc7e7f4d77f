// SPDX-License-Identifier: Apache-2.0
/* Which container the agent itself runs in. */
#ifndef SELF_H
#define SELF_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Writes the id (CONTAINER_ID_LEN + 1 bytes) and returns true where this process runs in a container.
 * From /proc/self/cgroup where the cgroup namespace is the host's, else from the source paths of the
 * files that Docker mounts into each container (/etc/hostname and others) in /proc/self/mountinfo.
 */
bool self_container_id(char *ret_id);

/* The same from the texts of the two files; for tests. */
bool self_id_from_cgroup(const char *text, char *ret_id);
bool self_id_from_mountinfo(const char *text, char *ret_id);

#endif
