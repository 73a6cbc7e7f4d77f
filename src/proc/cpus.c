// SPDX-License-Identifier: Apache-2.0
#include "proc/cpus.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/strbuf.h"

#define LIST_TEXT_MAX 65536 /* more than 8192 CPUs, every other one, need */

/* A decimal CPU number at *p, which is moved past it. */
static int parse_cpu(const char **p, unsigned *ret)
{
	unsigned n = 0;

	if (**p < '0' || **p > '9')
		return -EINVAL;
	for (; **p >= '0' && **p <= '9'; (*p)++) {
		n = n * 10 + (unsigned)(**p - '0');
		if (n >= CPUS_MAX)
			return -EINVAL;
	}
	*ret = n;
	return 0;
}

/* "N" or "N-M", above all before it. */
static int parse_range(const char **p, struct cpu_list *list)
{
	unsigned first, last;

	if (parse_cpu(p, &first) < 0)
		return -EINVAL;
	last = first;
	if (**p == '-') {
		(*p)++;
		if (parse_cpu(p, &last) < 0)
			return -EINVAL;
	}
	if (last < first || (list->count && first <= list->cpu[list->count - 1]))
		return -EINVAL;
	list->cpu = xreallocarray(list->cpu, list->count + (last - first) + 1, sizeof(*list->cpu));
	for (unsigned cpu = first; cpu <= last; cpu++)
		list->cpu[list->count++] = cpu;
	return 0;
}

int cpu_list_parse(const char *text, struct cpu_list *ret)
{
	struct cpu_list list cleanup_cpu_list = {0};
	const char *p = text;

	while (*p && *p != '\n') {
		if (parse_range(&p, &list) < 0)
			return -EINVAL;
		if (*p == ',')
			p++;
		else if (*p && *p != '\n')
			return -EINVAL;
	}
	*ret = list;
	list = (struct cpu_list){0};
	return 0;
}

static int read_list(const char *sys, const char *name, struct cpu_list *ret)
{
	char *path cleanup_free = xasprintf("%s/devices/system/cpu/%s", sys, name);
	struct strbuf text cleanup_strbuf = STRBUF_INIT;
	int r = file_read_at(AT_FDCWD, path, LIST_TEXT_MAX, &text);

	return r < 0 ? r : cpu_list_parse(text.buf, ret);
}

int cpu_list_read_online(const char *sys, struct cpu_list *ret)
{
	return read_list(sys, "online", ret);
}

int cpu_list_read_possible(const char *sys, struct cpu_list *ret)
{
	return read_list(sys, "possible", ret);
}

bool cpu_list_has(const struct cpu_list *list, unsigned cpu)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->cpu[i] == cpu)
			return true;
	return false;
}

void cpu_list_release(struct cpu_list *list)
{
	free(list->cpu);
	*list = (struct cpu_list){0};
}
