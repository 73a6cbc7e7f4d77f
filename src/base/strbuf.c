// SPDX-License-Identifier: Apache-2.0
/*
 * buf:  | b y t e s ... | NUL | room |
 *        0            len            alloc
 * An empty strbuf that never grew points at one shared NUL, so that buf can always be read.
 */
#include "base/strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

char strbuf_empty[1];

void strbuf_init(struct strbuf *sb)
{
	*sb = STRBUF_INIT;
}

void strbuf_release(struct strbuf *sb)
{
	if (sb->alloc)
		free(sb->buf);
	strbuf_init(sb);
}

void strbuf_reset(struct strbuf *sb)
{
	sb->len = 0;
	if (sb->alloc)
		sb->buf[0] = '\0';
}

void strbuf_grow(struct strbuf *sb, size_t extra)
{
	size_t need = sb->len + extra + 1;

	if (need <= sb->alloc)
		return;
	size_t alloc = grow_capacity(sb->alloc, need < 64 ? 64 : need);

	sb->buf = xreallocarray(sb->alloc ? sb->buf : NULL, alloc, 1);
	sb->alloc = alloc;
	sb->buf[sb->len] = '\0';
}

void strbuf_set_len(struct strbuf *sb, size_t len)
{
	if (!sb->alloc)
		return;
	sb->len = len;
	sb->buf[len] = '\0';
}

void strbuf_add(struct strbuf *sb, const void *data, size_t len)
{
	if (!len)
		return;
	strbuf_grow(sb, len);
	memcpy(sb->buf + sb->len, data, len);
	strbuf_set_len(sb, sb->len + len);
}

void strbuf_add_str(struct strbuf *sb, const char *s)
{
	strbuf_add(sb, s, strlen(s));
}

void strbuf_add_char(struct strbuf *sb, char c)
{
	strbuf_add(sb, &c, 1);
}

void strbuf_addf(struct strbuf *sb, const char *fmt, ...)
{
	va_list ap, again;

	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);

	va_end(ap);
	if (n > 0) {
		strbuf_grow(sb, (size_t)n);
		vsnprintf(sb->buf + sb->len, (size_t)n + 1, fmt, again);
		strbuf_set_len(sb, sb->len + (size_t)n);
	}
	va_end(again);
}

void strbuf_consume(struct strbuf *sb, size_t len)
{
	if (len >= sb->len) {
		strbuf_reset(sb);
		return;
	}
	memmove(sb->buf, sb->buf + len, sb->len - len);
	strbuf_set_len(sb, sb->len - len);
}

char *strbuf_detach(struct strbuf *sb)
{
	char *s = sb->alloc ? sb->buf : xstrdup("");

	strbuf_init(sb);
	return s;
}
