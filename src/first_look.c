// SPDX-License-Identifier: Apache-2.0
#include "first_look.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"

#define PATIENCE_NS (5 * NSEC_PER_SEC)

static void on_target(void *ctx, const struct target *t, bool news)
{
	(void)ctx;
	(void)t;
	(void)news;
}

static void on_engine(void *ctx, const struct docker_discovery *d, enum docker_connection state,
	const struct error *err)
{
	struct first_look *look = ctx;

	if (state == DOCKER_CONNECTED || !err)
		return;
	look->trouble = *err;
	error_prefix(&look->trouble, "%s", docker_discovery_host(d));
}

static void on_notice(void *ctx, const char *where, const struct error *err)
{
	(void)ctx;
	fprintf(stderr, "dockprof: %s: %s\n", where, err->message);
}

const struct discover_ops first_look_ops = {
	.target = on_target,
	.engine = on_engine,
	.notice = on_notice,
};

int first_look_wait(struct first_look *look, struct loop *loop, const struct discover *d,
	const bool *stop, struct error *err)
{
	int64_t deadline = clock_monotonic_ns() + PATIENCE_NS;
	int r = 0;

	while (r == 0 && !discover_complete(d) && !(stop && *stop)) {
		if (look->trouble.code)
			return error_set(err, look->trouble.code, "%s", look->trouble.message);
		if (clock_monotonic_ns() > deadline)
			return error_set(err, -ETIMEDOUT, "no engine answered within 5 s");
		r = loop_turn(loop, PATIENCE_NS);
	}
	return r;
}
