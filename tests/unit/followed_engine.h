// SPDX-License-Identifier: Apache-2.0
/* The true discovery, following a fake engine; for programs with one at a time. */
#ifndef TESTS_UNIT_FOLLOWED_ENGINE_H
#define TESTS_UNIT_FOLLOWED_ENGINE_H

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "config/config.h"
#include "discover.h"
#include "lib/fake_engine.h"
#include "unit/unit.h"

#define WAIT_NS (5 * NSEC_PER_SEC)

static struct loop *loop;
static struct http *http;
static struct fake_engine engine;
static struct discover *discover;

static inline void ignore_engine(void *ctx, const struct docker_discovery *d,
	enum docker_connection state, const struct error *err)
{
	(void)ctx;
	(void)d;
	(void)state;
	(void)err;
}

static inline void follow_engine(const struct discover_ops *ops)
{
	struct error err = {0};

	unsetenv("DOCKER_API_VERSION");
	ck_assert_int_eq(loop_new(&loop), 0);
	ck_assert_int_eq(http_new(loop, &http, &err), 0);
	fake_engine_init(&engine, loop);
	ck_assert_int_eq(discover_new(loop, http, ops, NULL, &discover), 0);
}

static inline void leave_engine(void)
{
	discover_free(discover);
	fake_engine_release(&engine);
	http_free(http);
	loop_free(loop);
}

static inline void await(bool complete)
{
	int64_t end = clock_monotonic_ns() + WAIT_NS;

	while (discover_complete(discover) != complete && clock_monotonic_ns() < end)
		ck_assert_int_eq(loop_turn(loop, 10 * NSEC_PER_MSEC), 0);
	ck_assert_int_eq(discover_complete(discover), complete);
}

/* `more` follows docker_sd_configs. */
static inline void apply(const char *more)
{
	struct config_problems problems = {0};
	struct config config;
	struct error err = {0};
	char *text cleanup_free =
		xasprintf("docker_sd_configs:\n  - host: unix://%s\n%s", engine.path, more);

	ck_assert_int_eq(config_parse("f.yml", text, strlen(text), &config, &problems), 0);
	ck_assert_int_eq(discover_apply(discover, &config, &err), 0);
	config_release(&config);
}

#endif
