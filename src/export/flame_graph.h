// SPDX-License-Identifier: Apache-2.0
/* A flame graph for a terminal, roots at the top. */
#ifndef EXPORT_FLAME_GRAPH_H
#define EXPORT_FLAME_GRAPH_H

#include "base/strbuf.h"
#include "export/call_tree.h"
#include "export/report.h"

/* width and rows of the options are set. */
void flame_graph_draw(struct strbuf *out, const struct call_tree *tree,
	const struct report_options *options);

#endif
