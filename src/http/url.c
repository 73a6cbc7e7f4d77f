// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "http/client.h"

static bool is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		(c && strchr("-._~", c));
}

void http_escape(struct strbuf *out, const char *s)
{
	for (; *s; s++) {
		if (is_unreserved(*s))
			strbuf_add_char(out, *s);
		else
			strbuf_addf(out, "%%%02X", (unsigned char)*s);
	}
}

static void release_url(CURLU **u)
{
	curl_url_cleanup(*u);
}

static void release_text(char **s)
{
	curl_free(*s);
}

void http_show_url(struct strbuf *out, const char *url)
{
	CURLU *u __attribute__((cleanup(release_url))) = curl_url();
	char *text __attribute__((cleanup(release_text))) = NULL;

	if (!u || curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME)) {
		strbuf_add_str(out, "(malformed URL)");
		return;
	}
	curl_url_set(u, CURLUPART_USER, NULL, 0);
	curl_url_set(u, CURLUPART_PASSWORD, NULL, 0);
	curl_url_set(u, CURLUPART_OPTIONS, NULL, 0);
	curl_url_set(u, CURLUPART_QUERY, NULL, 0);
	curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0);
	if (curl_url_get(u, CURLUPART_URL, &text, 0))
		strbuf_add_str(out, "(malformed URL)");
	else
		strbuf_add_str(out, text);
}
