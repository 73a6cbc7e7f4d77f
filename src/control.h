// SPDX-License-Identifier: Apache-2.0
/*
 * How commands talk to the agent that runs: a unix socket that only root (and the agent's own user) may
 * use. One request per connection, one line; one answer, then the end:
 *
 *	-> explain text web\n
 *	<- dockprof 0 1234\n          exit code for the command, bytes that follow
 *	<- 1234 bytes
 *
 * Requests: "explain FORMAT NAME" and "explain FORMAT" for all, FORMAT being text or json; "version".
 * This is between dockprof and itself, of one version: no interface for others.
 */
#ifndef CONTROL_H
#define CONTROL_H

#include <stdbool.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "loop/loop.h"

#define CONTROL_MAX_REQUEST 4096 /* a service name has at most 1024 bytes or so */
#define CONTROL_MAX_CLIENTS 8
#define CONTROL_MAX_ANSWER  (32U << 20) /* what a client reads: thousands of containers */

struct control;

/* Appends the answer to a request (its line without the end); returns the exit_code for the command. */
typedef int (*control_answer_fn)(void *ctx, const char *request, struct strbuf *out);

/*
 * Listens. Makes the socket's directory where that is missing, replaces a socket that nobody serves any
 * more. -EADDRINUSE: another agent serves it; or another -errno with words.
 */
int control_new(struct loop *loop, const char *path, control_answer_fn answer, void *ctx,
	struct control **ret, struct error *err);
/* Whether its socket is what stands at the path; somebody may have removed or replaced it. */
bool control_is_there(const struct control *c);
/* Removes the socket, where it is still there. */
void control_free(struct control *c);

/*
 * Asks the agent that runs and appends its answer. The exit code (>= 0), or -errno: -ENOENT and
 * -ECONNREFUSED mean that none runs there.
 */
int control_ask(const char *path, const char *request, struct strbuf *out, struct error *err);

#endif
