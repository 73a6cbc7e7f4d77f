// SPDX-License-Identifier: Apache-2.0
/*
 * A target's labels as they go to the server: private ones left out, external ones put in, and all of
 * it within what Pyroscope accepts (its defaults of max-label-names-per-series and its siblings).
 */
#ifndef EXPORT_LABELS_WIRE_H
#define EXPORT_LABELS_WIRE_H

#include <stdbool.h>

#include "base/strbuf.h"
#include "export/writer.h"
#include "target/labels.h"

#define WIRE_MAX_LABELS 30
#define WIRE_MAX_NAME   1024 /* bytes */
#define WIRE_MAX_VALUE  2048 /* bytes */

/*
 * Fills `wire` (empty before). What had to be changed to be accepted is appended to `repairs`, for a
 * person and safe to print; nothing where all labels were fine.
 */
void labels_wire(struct labels *wire, const struct labels *labels,
	const struct write_options *options, struct strbuf *repairs);

#endif
