// SPDX-License-Identifier: Apache-2.0
/*
 * Everything about one container: why it is (not) profiled, what the rules did, whether samples come
 * and how good they are, and what the user can do. As text for a person, as JSON for a machine.
 */
#ifndef EXPLAIN_H
#define EXPLAIN_H

#include "base/strbuf.h"
#include "export/writer.h"
#include "interp/interp.h"
#include "status.h"

struct explain_view {
	struct status *status;
	const struct discover *discover;
	const struct writer *writer; /* NULL: nothing is delivered (no agent) */
	const struct interp *interp; /* NULL: no language runtime is walked */
	const char *proc; /* "/proc" */
	const char *
		note; /* what limits this view, such as why nothing could be sampled; NULL: nothing */
};

enum explain_format { EXPLAIN_TEXT, EXPLAIN_JSON };

/*
 * Appends what is known of the containers that `word` names (see status_find()), or with "" one line
 * (an object) for each there is. Returns an exit_code: EXIT_FAILED where nothing is named so, with
 * suggestions.
 */
int explain(struct strbuf *out, const struct explain_view *view, enum explain_format format,
	const char *word);

#endif
