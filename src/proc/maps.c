// SPDX-License-Identifier: Apache-2.0
/*
 *	55d0c8a2a000-55d0c8a52000 r-xp 0001f000 fd:01 1054 <padding>  /usr/bin/prog (deleted)
 *
 * The kernel escapes only the newline of a path, as \012, and no backslash; a name that really holds
 * those four characters cannot be told apart and is decoded as well. The same goes for a name that ends
 * in " (deleted)". Both only spoil the workload's own names: files are identified by device and inode.
 */
#include "proc/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/strbuf.h"

#define CHUNK    16384
/* A path of PATH_MAX bytes, all newlines, is four times as long; before it come 73 columns. */
#define MAX_LINE (4 * 4096 + 128)

#define DELETED " (deleted)"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* Up to 16 hex digits and the character that must follow them. */
static bool take_hex(const char **p, char end, uint64_t *ret)
{
	uint64_t value = 0;
	int digits = 0, d;

	for (; (d = hex_digit(**p)) >= 0; (*p)++, digits++)
		value = value << 4 | (uint64_t)d;
	if (digits < 1 || digits > 16 || **p != end)
		return false;
	(*p)++;
	*ret = value;
	return true;
}

static bool take_decimal(const char **p, uint64_t *ret)
{
	uint64_t value = 0;
	const char *start = *p;

	for (; **p >= '0' && **p <= '9'; (*p)++)
		if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
			__builtin_add_overflow(value, (uint64_t)(**p - '0'), &value))
			return false;
	*ret = value;
	return *p != start;
}

static void decode_path(char *path)
{
	char *to = path;

	for (const char *from = path; *from; to++) {
		if (strncmp(from, "\\012", 4) == 0) {
			*to = '\n';
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

bool maps_strip_deleted(char *path)
{
	size_t len = strlen(path), suffix = sizeof(DELETED) - 1;

	if (len <= suffix || strcmp(path + len - suffix, DELETED) != 0)
		return false;
	path[len - suffix] = '\0';
	return true;
}

int maps_parse_line(char *line, size_t len, struct map_entry *ret)
{
	const char *p = line;
	uint64_t major, minor;

	line[len] = '\0';
	*ret = (struct map_entry){0};
	if (!take_hex(&p, '-', &ret->start) || !take_hex(&p, ' ', &ret->end) ||
		ret->start >= ret->end)
		return -EINVAL;
	if (strnlen(p, 5) != 5 || p[4] != ' ')
		return -EINVAL;
	ret->executable = p[2] == 'x';
	p += 5;
	if (!take_hex(&p, ' ', &ret->offset) || !take_hex(&p, ':', &major) ||
		!take_hex(&p, ' ', &minor) || major > UINT32_MAX || minor > UINT32_MAX ||
		!take_decimal(&p, &ret->inode))
		return -EINVAL;
	ret->dev_major = (uint32_t)major;
	ret->dev_minor = (uint32_t)minor;

	char *path = line + (p - line);

	path += strspn(path, " ");
	decode_path(path);
	ret->deleted = ret->inode && maps_strip_deleted(path);
	ret->path = path;
	return 0;
}

/* Hands over the complete lines and keeps the rest. */
static int take_lines(struct strbuf *text, size_t *lines, maps_fn fn, void *ctx)
{
	char *at = text->buf, *end = text->buf + text->len, *newline;
	struct map_entry entry;

	for (; (newline = memchr(at, '\n', (size_t)(end - at))); at = newline + 1) {
		if (++*lines > MAPS_MAX_LINES)
			return -E2BIG;
		if (maps_parse_line(at, (size_t)(newline - at), &entry) == 0)
			fn(ctx, &entry);
	}
	strbuf_consume(text, (size_t)(at - text->buf));
	return text->len > MAX_LINE ? -EINVAL : 0;
}

int maps_read(int process_dir, maps_fn fn, void *ctx)
{
	int fd cleanup_close = openat(process_dir, "maps", O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct strbuf text cleanup_strbuf = STRBUF_INIT;
	size_t lines = 0;

	if (fd < 0)
		return -errno;
	for (;;) {
		strbuf_grow(&text, CHUNK);
		ssize_t n = read(fd, text.buf + text.len, text.alloc - text.len - 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		strbuf_set_len(&text, text.len + (size_t)n);
		int r = take_lines(&text, &lines, fn, ctx);

		if (r < 0)
			return r;
	}
}
