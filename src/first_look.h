// SPDX-License-Identifier: Apache-2.0
/* For commands that end: wait until the engines have told of their containers, or say why they do not. */
#ifndef FIRST_LOOK_H
#define FIRST_LOOK_H

#include <stdbool.h>

#include "base/error.h"
#include "discover.h"
#include "loop/loop.h"

/* Zero-initialised; the context of first_look_ops. */
struct first_look {
	struct error trouble; /* an engine cannot be reached: the latest reason */
};

/* Notices go to stderr. */
extern const struct discover_ops first_look_ops;

/*
 * Turns the loop until discover_complete(), or *stop (may be NULL) is set by a callback. An engine that
 * cannot be reached, or none that answers within five seconds, is an error.
 */
int first_look_wait(struct first_look *look, struct loop *loop, const struct discover *d,
	const bool *stop, struct error *err);

#endif
