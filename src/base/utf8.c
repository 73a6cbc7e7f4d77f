// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"

static bool continuation(const char *s, size_t i)
{
	return ((unsigned char)s[i] & 0xc0) == 0x80;
}

size_t utf8_decode(const char *s, size_t len, uint32_t *ret_code_point)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char c = (unsigned char)s[0];
	size_t n = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;

	if (n == 1) {
		*ret_code_point = c;
		return 1;
	}
	if (c < 0xc2 || c > 0xf4 || n > len)
		return 0;
	uint32_t cp = c & (0x7fU >> n);

	for (size_t i = 1; i < n; i++) {
		if (!continuation(s, i))
			return 0;
		cp = cp << 6 | ((unsigned char)s[i] & 0x3f);
	}
	if (cp < smallest[n] || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
		return 0;
	*ret_code_point = cp;
	return n;
}

size_t utf8_encode(char *out, uint32_t cp)
{
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	size_t n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;

	for (size_t i = n - 1; i > 0; i--, cp >>= 6)
		out[i] = (char)(0x80 | (cp & 0x3f));
	out[0] = (char)((0xf00U >> n & 0xf0U) | cp);
	return n;
}

bool utf8_valid(const char *s, size_t len)
{
	uint32_t cp;

	for (size_t i = 0; i < len;) {
		size_t n = utf8_decode(s + i, len - i, &cp);

		if (!n)
			return false;
		i += n;
	}
	return true;
}

void utf8_repair(struct strbuf *out, const char *s, size_t len)
{
	uint32_t cp;

	for (size_t i = 0; i < len;) {
		size_t n = utf8_decode(s + i, len - i, &cp);

		if (n)
			strbuf_add(out, s + i, n);
		else
			strbuf_add_str(out, UTF8_REPLACEMENT);
		i += n ? n : 1;
	}
}

size_t utf8_cut(const char *s, size_t len, size_t max)
{
	if (len <= max)
		return len;
	size_t n = max;

	while (n > 0 && max - n < UTF8_MAX && continuation(s, n))
		n--;
	return n;
}
