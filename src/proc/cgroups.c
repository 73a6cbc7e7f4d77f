// SPDX-License-Identifier: Apache-2.0
/*
 * One line per controller; hierarchy 0 is the v2 one, or that of controllers in no use:
 *
 *	#subsys_name	hierarchy	num_cgroups	enabled
 *	cpuset	3	1	1
 */
#include "proc/cgroups.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/strbuf.h"

#define CGROUPS_TEXT_MAX 4096 /* the kernel has at most 16 controllers */

static bool is_v1(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) == 0 && line[len] == '\t')
			return line[len + 1] >= '1' && line[len + 1] <= '9';
	}
	return false;
}

int cgroups_find_v1(const char *text, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (is_v1(text, names[i]))
			return (int)i;
	return -1;
}

int cgroups_read_v1(const char *proc, const char *const *names, size_t count)
{
	char *path cleanup_free = xasprintf("%s/cgroups", proc);
	struct strbuf text cleanup_strbuf = STRBUF_INIT;

	if (file_read_at(AT_FDCWD, path, CGROUPS_TEXT_MAX, &text) < 0)
		return -1;
	return cgroups_find_v1(text.buf, names, count);
}
