// SPDX-License-Identifier: Apache-2.0
#include "proc/kallsyms.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

/* The kernel fills what it is given, and longer reads are fewer. Lines have less than 1 KiB. */
#define CHUNK 65536

/* Up to 16 hexadecimal digits; *ret_end is what follows them. A fraction of what strtoull() takes, for each line. */
static uint64_t parse_address(char *text, char **ret_end)
{
	uint64_t value = 0;
	char *at = text;

	for (; at < text + 16; at++) {
		unsigned c = (unsigned char)*at, lower = c | 0x20;

		if (c - '0' <= 9)
			value = value << 4 | (c - '0');
		else if (lower - 'a' <= 5)
			value = value << 4 | (lower - 'a' + 10);
		else
			break;
	}
	*ret_end = at;
	return value;
}

int kallsyms_parse_line(char *line, struct kallsyms_entry *ret)
{
	char *end;

	*ret = (struct kallsyms_entry){.address = parse_address(line, &end), .module = ""};
	if (end == line || end[0] != ' ' || !end[1] || end[2] != ' ' || !end[3])
		return -EINVAL;
	ret->type = end[1];
	ret->name = end + 3;
	char *tab = strchr(end + 3, '\t');

	if (!tab)
		return 0;
	*tab++ = '\0';
	tab += *tab == '[';
	tab[strcspn(tab, "]")] = '\0';
	ret->module = tab;
	return *ret->name ? 0 : -EINVAL;
}

int kallsyms_read(int proc_fd, void (*fn)(void *ctx, const struct kallsyms_entry *entry), void *ctx)
{
	int fd cleanup_close = openat(proc_fd, "kallsyms", O_RDONLY | O_CLOEXEC);
	char *buf cleanup_free = malloc(CHUNK + 1);
	struct kallsyms_entry entry;
	size_t used = 0, lines = 0;

	if (fd < 0 || !buf)
		return fd < 0 ? -errno : -ENOMEM;
	for (;;) {
		ssize_t n = read(fd, buf + used, CHUNK - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		used += (size_t)n;
		char *at = buf, *newline;

		for (; (newline = memchr(at, '\n', used - (size_t)(at - buf))); at = newline + 1) {
			*newline = '\0';
			if (lines++ == KALLSYMS_MAX_LINES)
				return -E2BIG;
			if (kallsyms_parse_line(at, &entry) == 0)
				fn(ctx, &entry);
		}
		used -= (size_t)(at - buf);
		if (used == CHUNK)
			return -EINVAL;
		memmove(buf, at, used);
	}
}
