// SPDX-License-Identifier: Apache-2.0
/*
 *	Name:	a\nUid:\t0          the process chose it: newlines come escaped
 *	Uid:	1000	1001	1000	1000       real, effective, saved, file system
 *	NSpid:	7360	1                  a pid namespace each, the innermost last (Linux 4.1)
 */
#include "proc/status.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/strbuf.h"

/* Some 1,500 bytes; more where there are hundreds of groups. */
#define STATUS_MAX 65536

/* A decimal number and what may separate it from the next. */
static bool take_number(char **p, uint32_t *ret)
{
	char *end;

	*p += strspn(*p, " \t");
	errno = 0;
	unsigned long value = strtoul(*p, &end, 10);

	if (end == *p || errno || value > UINT32_MAX || **p == '-')
		return false;
	*ret = (uint32_t)value;
	*p = end;
	return true;
}

int process_status_parse(char *text, struct process_status *ret)
{
	bool has_uid = false, has_pid = false;
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		uint32_t number;

		if (strncmp(line, "Uid:", 4) == 0 && !has_uid) {
			line += 4;
			has_uid = take_number(&line, &number) && take_number(&line, &ret->uid);
		} else if (strncmp(line, "NSpid:", 6) == 0) {
			line += 6;
			while (take_number(&line, &ret->own_pid))
				has_pid = true;
		}
	}
	return has_uid && has_pid ? 0 : -EINVAL;
}

int process_status_read(int process_dir, struct process_status *ret)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;
	int r = file_read_at(process_dir, "status", STATUS_MAX, &text);

	return r < 0 ? r : process_status_parse(text.buf, ret);
}
