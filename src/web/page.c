// SPDX-License-Identifier: Apache-2.0
/*
 * page.html is put into the program as it is; it names the hashes of its script and style in a policy of
 * its own, which goes over the wire as a field too.
 */
#include "web/page.h"

#include <string.h>

#include "base/macros.h"

__asm__(".section .rodata\n"
	".global dockprof_page\n.global dockprof_page_end\n"
	"dockprof_page:\n"
	".incbin \"src/web/page.html\"\n"
	"dockprof_page_end:\n"
	".byte 0\n"
	".previous\n");

extern const char dockprof_page[], dockprof_page_end[];

#define DATA_MARK    "<!--dockprof:data-->"
#define POLICY_BEGIN "http-equiv=\"Content-Security-Policy\" content=\""

const char *page_text(void)
{
	return dockprof_page;
}

size_t page_length(void)
{
	return (size_t)(dockprof_page_end - dockprof_page);
}

void page_headers(struct strbuf *out)
{
	const char *policy = strstr(dockprof_page, POLICY_BEGIN);

	if (!policy)
		return;
	policy += strlen(POLICY_BEGIN);
	strbuf_add_str(out, "Content-Security-Policy: ");
	strbuf_add(out, policy, strcspn(policy, "\""));
	strbuf_add_str(out, "; frame-ancestors 'none'\r\n");
}

void page_with_data(struct strbuf *out, const char *json, size_t len)
{
	const char *mark = strstr(dockprof_page, DATA_MARK);
	const char *rest = mark ? mark + strlen(DATA_MARK) : dockprof_page_end;

	strbuf_add(out, dockprof_page, (size_t)((mark ? mark : rest) - dockprof_page));
	strbuf_add_str(out, "<script type=\"application/json\" id=\"dockprof-data\">");
	strbuf_add(out, json, len);
	strbuf_add_str(out, "</script>");
	strbuf_add(out, rest, (size_t)(dockprof_page_end - rest));
}
