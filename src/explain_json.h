// SPDX-License-Identifier: Apache-2.0
/* explain() for machines. */
#ifndef EXPLAIN_JSON_H
#define EXPLAIN_JSON_H

#include "explain.h"
#include "web/json.h"

/*
 * One object: {"note": ..., "containers": [...]}, or {"error": ..., "suggestions": [...]} where `word`
 * names nobody. With "" as word the containers have only what does not need a look at the system.
 */
int explain_json(struct strbuf *out, const struct explain_view *view, const char *word);

/* The fields that every list of states has: name, id, service, state, reason, advice, samples, cpu. */
void explain_json_summary(struct json *out, struct status *s, const struct status_entry *e);

#endif
