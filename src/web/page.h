// SPDX-License-Identifier: Apache-2.0
/* The page that people look at: one self-contained file, built from src/web/page and part of the program. */
#ifndef WEB_PAGE_H
#define WEB_PAGE_H

#include <stddef.h>

#include "base/strbuf.h"

const char *page_text(void);
size_t page_length(void);
/* The page's own content security policy as a field of the answer, with its \r\n; also forbids framing. */
void page_headers(struct strbuf *out);
/* The page with its data in it: JSON without "<" (report_tree(), json.h). Such a page asks nobody. */
void page_with_data(struct strbuf *out, const char *json, size_t len);

#endif
