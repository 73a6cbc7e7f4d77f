// SPDX-License-Identifier: Apache-2.0
/*
 * A growing byte string. `buf` is always NUL-terminated (never NULL), `len` does not count the NUL;
 * the bytes may hold NULs. Start with STRBUF_INIT or strbuf_init(), end with strbuf_release() or the
 * cleanup_strbuf attribute.
 */
#ifndef BASE_STRBUF_H
#define BASE_STRBUF_H

#include <stddef.h>

#include "base/macros.h"

struct strbuf {
	char *buf;
	size_t len;
	size_t alloc; /* 0 while buf is the shared empty string */
};

extern char strbuf_empty[1];

#define STRBUF_INIT ((struct strbuf){.buf = strbuf_empty})

void strbuf_init(struct strbuf *sb);
/* Frees the contents and leaves an empty, usable strbuf. */
void strbuf_release(struct strbuf *sb);
#define cleanup_strbuf __attribute__((cleanup(strbuf_release)))

/* Empties it, keeping the memory. */
void strbuf_reset(struct strbuf *sb);
/* Makes room for `extra` more bytes (and the NUL). */
void strbuf_grow(struct strbuf *sb, size_t extra);
/* Sets len (at most what strbuf_grow made room for) and terminates. */
void strbuf_set_len(struct strbuf *sb, size_t len);

void strbuf_add(struct strbuf *sb, const void *data, size_t len);
void strbuf_add_str(struct strbuf *sb, const char *s);
void strbuf_add_char(struct strbuf *sb, char c);
void strbuf_addf(struct strbuf *sb, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Removes `len` bytes from the front. */
void strbuf_consume(struct strbuf *sb, size_t len);

/* The string as malloc'ed memory that the caller frees; the strbuf becomes empty. */
char *strbuf_detach(struct strbuf *sb);

#endif
