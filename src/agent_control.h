// SPDX-License-Identifier: Apache-2.0
/* The agent's side of the control socket: from request lines to answers. */
#ifndef AGENT_CONTROL_H
#define AGENT_CONTROL_H

#include "control.h"
#include "explain.h"

struct agent_control {
	/* Set by the owner, who keeps them alive. */
	struct loop *loop;
	struct status *status;
	const struct discover *discover;
	struct writer *const *writer; /* the one in force */
	struct interp *const *interp; /* the same */
	/* Inside. */
	struct control *control;
	char *path;
	bool complained;
};

/* Listens at that path from now on ("": nowhere). Where that fails the agent goes on, and the log says why. */
void agent_control_apply(struct agent_control *c, const char *path);
/* Where it has failed so far, or the socket is gone: once more. */
void agent_control_retry(struct agent_control *c);
/* A zero-initialised one is fine. */
void agent_control_release(struct agent_control *c);

/* As control_answer_fn, for this view of the agent. */
int agent_answer(const struct explain_view *view, const char *request, struct strbuf *out);

#endif
