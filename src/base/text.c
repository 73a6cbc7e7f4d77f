// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/utf8.h"

/* How much of s is ASCII that JSON takes as it is: nearly all of what there is. */
static size_t plain_run(const char *s, size_t len)
{
	size_t n = 0;

	while (n < len && s[n] >= 0x20 && s[n] < 0x7f && s[n] != '"' && s[n] != '\\')
		n++;
	return n;
}

void text_add_json(struct strbuf *out, const char *s, size_t len)
{
	uint32_t cp;

	strbuf_add_char(out, '"');
	for (size_t i = 0; i < len;) {
		size_t run = plain_run(s + i, len - i);

		strbuf_add(out, s + i, run);
		i += run;
		if (i == len)
			break;
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

static void add_harmless(struct strbuf *out, const char *s, size_t len, size_t max, bool quoted)
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
		if (n && quoted && (cp == '"' || cp == '\\'))
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

void text_add_safe(struct strbuf *out, const char *s, size_t len, size_t max)
{
	add_harmless(out, s, len, max, true);
}

void text_add_sentence(struct strbuf *out, const char *s, size_t max)
{
	add_harmless(out, s, strlen(s), max, false);
}
