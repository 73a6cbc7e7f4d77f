// SPDX-License-Identifier: Apache-2.0
/* The facts that explain*.c put into words: what is wrong with an entry, and which processes it has. */
#ifndef EXPLANATION_H
#define EXPLANATION_H

#include "explain.h"
#include "proc/process_stat.h"

#define EXPLAIN_PROCESSES 64 /* shown of one container; the rest is only counted as "more" */

/* Something that keeps profiles from being there, or from being good. */
struct trouble {
	char *what, *advice; /* advice may be "" */
};

struct explained_process {
	struct process_stat stat;
	struct interp_about language; /* .runtime NULL: machine code, as far as is known */
};

struct explanation {
	struct trouble *troubles; /* worst first */
	size_t trouble_count;
	struct explained_process *processes; /* most CPU first */
	size_t process_count;
	bool more_processes;
};

void explanation_make(struct explanation *x, const struct explain_view *view,
	const struct status_entry *e);
void explanation_release(struct explanation *x);
/* "python 3.11", "python 3.99 (unknown: native frames only)"; "-" for machine code. Without a newline. */
void explained_language(const struct explained_process *p, struct strbuf *out);

/* The commonest cause why frames of the module have no name; MISSING_NOT where all have. */
unsigned module_cause(const struct target_module *m);
/* What the user can do about it; "" where nothing. */
const char *module_advice(unsigned cause);
/* Seldom hit or nearly all named: not worth a line. */
bool module_is_fine(const struct target_module *m, const struct target_quality *q);
/* Modules by frames, most first; the caller frees the array. */
const struct target_module **modules_sorted(const struct target_quality *q);

#endif
