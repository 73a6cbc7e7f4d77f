// SPDX-License-Identifier: Apache-2.0
#include "export/columns.h"

#include <string.h>

#include "base/text.h"
#include "base/utf8.h"

#define SAFE_MAX    1024 /* bytes looked at: more than any terminal is wide */
#define FIRST_WIDE  0x1100 /* Hangul; East Asian wide characters start here */
#define BLOCKS_FROM 0x2000 /* punctuation, arrows, box drawing: narrow */
#define BLOCKS_TO   0x2e80

static size_t code_point_columns(uint32_t cp)
{
	return cp < FIRST_WIDE || (cp >= BLOCKS_FROM && cp < BLOCKS_TO) ? 1 : 2;
}

/* Bytes of the longest beginning that fits, and its columns. */
static size_t fitting(const char *s, size_t len, size_t max, size_t *ret_columns)
{
	size_t at = 0;
	uint32_t cp;

	*ret_columns = 0;
	while (at < len) {
		size_t n = utf8_decode(s + at, len - at, &cp);
		size_t wide = n ? code_point_columns(cp) : 1;

		if (*ret_columns + wide > max)
			break;
		*ret_columns += wide;
		at += n ? n : 1;
	}
	return at;
}

size_t columns_of(const char *s)
{
	struct strbuf safe cleanup_strbuf = STRBUF_INIT;
	size_t columns;

	text_add_safe(&safe, s, strlen(s), SAFE_MAX);
	fitting(safe.buf, safe.len, SIZE_MAX, &columns);
	return columns;
}

void columns_add(struct strbuf *out, const char *s, size_t max)
{
	struct strbuf safe cleanup_strbuf = STRBUF_INIT;
	size_t columns;

	text_add_safe(&safe, s, strlen(s), SAFE_MAX);
	if (fitting(safe.buf, safe.len, max, &columns) == safe.len) {
		strbuf_add(out, safe.buf, safe.len);
	} else if (max) {
		strbuf_add(out, safe.buf, fitting(safe.buf, safe.len, max - 1, &columns));
		strbuf_add_str(out, ELLIPSIS);
	}
}
