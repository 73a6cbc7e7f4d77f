// SPDX-License-Identifier: Apache-2.0
#include "self.h"

#include <fcntl.h>
#include <string.h>

#include "attribution.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"

#define MAX_PROC_FILE (4U << 20) /* a mountinfo of ten thousand mounts */

bool self_id_from_cgroup(const char *text, char *ret_id)
{
	return container_id_in_name(text, ret_id);
}

/* "36 35 98:0 /var/lib/docker/containers/<id>/hostname /etc/hostname rw - ext4 ..." */
bool self_id_from_mountinfo(const char *text, char *ret_id)
{
	static const char *const mounts[] = {"/hostname /etc/hostname ", "/hosts /etc/hosts ",
		"/resolv.conf /etc/resolv.conf "};

	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		const char *at = strstr(text, mounts[i]);

		if (!at || at - text < CONTAINER_ID_LEN)
			continue;
		char *name cleanup_free = xstrndup(at - CONTAINER_ID_LEN, CONTAINER_ID_LEN);

		if (container_id_in_name(name, ret_id))
			return true;
	}
	return false;
}

bool self_container_id(char *ret_id)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;

	if (file_read_at(AT_FDCWD, "/proc/self/cgroup", MAX_PROC_FILE, &text) == 0 &&
		self_id_from_cgroup(text.buf, ret_id))
		return true;
	strbuf_reset(&text);
	return file_read_at(AT_FDCWD, "/proc/self/mountinfo", MAX_PROC_FILE, &text) == 0 &&
		self_id_from_mountinfo(text.buf, ret_id);
}
