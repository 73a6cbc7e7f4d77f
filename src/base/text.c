// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

#include "base/utf8.h"

void text_add_json(struct strbuf *out, const char *s, size_t len)
{
	uint32_t cp;

	strbuf_add_char(out, '"');
	for (size_t i = 0; i < len;) {
		size_t n = utf8_decode(s + i, len - i, &cp);

		if (!n)
			strbuf_add_str(out, UTF8_REPLACEMENT);
		else if (cp == '"' || cp == '\\')
			strbuf_addf(out, "\\%c", (char)cp);
		else if (cp == '\n')
			strbuf_add_str(out, "\\n");
		else if (cp == '\t')
			strbuf_add_str(out, "\\t");
		else if (cp < 0x20 || cp == 0x7f)
			strbuf_addf(out, "\\u%04x", cp);
		else
			strbuf_add(out, s + i, n);
		i += n ? n : 1;
	}
	strbuf_add_char(out, '"');
}

/* Code points that move the cursor, change direction or end a line. */
static bool dangerous(uint32_t cp)
{
	return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || (cp >= 0x200e && cp <= 0x200f) ||
		(cp >= 0x2028 && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069) || cp == 0xfeff;
}

void text_add_safe(struct strbuf *out, const char *s, size_t len, size_t max)
{
	size_t limit = out->len + max;
	uint32_t cp = 0;

	for (size_t i = 0; i < len;) {
		size_t n = utf8_decode(s + i, len - i, &cp);
		size_t step = n ? n : 1;

		if (out->len + 4 * step > limit) {
			strbuf_add_str(out, "...");
			return;
		}
		if (n && (cp == '"' || cp == '\\'))
			strbuf_addf(out, "\\%c", (char)cp);
		else if (n && cp == '\n')
			strbuf_add_str(out, "\\n");
		else if (n && cp == '\t')
			strbuf_add_str(out, "\\t");
		else if (n && !dangerous(cp))
			strbuf_add(out, s + i, n);
		else
			for (size_t k = 0; k < step; k++)
				strbuf_addf(out, "\\x%02x", (unsigned char)s[i + k]);
		i += step;
	}
}
